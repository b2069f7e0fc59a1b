"""stream_time on the session's clock: pauses count, reconnects and hurry do not."""

from __future__ import annotations

import pytest
from livekit import rtc

from pulse_plugins.core.audio.formats import AudioFormat
from pulse_plugins.core.client.stream import PulseStream
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.transcript.eager import EagerText
from pulse_plugins.livekit.audio_input import AudioInput, InputClock


def play(clock: InputClock, since: float, seconds: float, speed: float = 1.0) -> float:
    now = since
    for _ in range(round(seconds / 0.02)):
        now += 0.02 / speed
        clock.pushed(0.02, now, waited=True)
    return now


def test_without_pauses_both_clocks_run_alike() -> None:
    clock = InputClock()
    now = play(clock, 100.0, 2.0)
    assert clock.session_time(1.5) == pytest.approx(1.5)
    assert clock.wall_time(1.5, now) == pytest.approx(101.5)


def test_a_muted_input_moves_what_comes_after_it() -> None:
    clock = InputClock()
    now = play(clock, 100.0, 2.0)
    now = play(clock, now + 5.0, 2.0)
    assert clock.session_time(1.0) == pytest.approx(1.0)
    assert clock.session_time(3.0) == pytest.approx(8.0)
    assert clock.wall_time(3.0, now) == pytest.approx(108.0)


def test_a_file_that_is_read_fast_has_no_pauses_and_no_future() -> None:
    clock = InputClock()
    now = play(clock, 100.0, 10.0, speed=4.0)
    assert clock.session_time(9.0) == pytest.approx(9.0)
    assert clock.ahead(now) == pytest.approx(7.5, abs=0.1)
    assert clock.wall_time(9.0, now) == now


def test_a_busy_process_is_not_a_pause() -> None:
    clock = InputClock()
    now = play(clock, 100.0, 1.0)
    for _ in range(100):  # two seconds of frames were queued meanwhile
        clock.pushed(0.02, now + 2.0, waited=False)
    assert clock.session_time(2.9) == pytest.approx(2.9)


def test_a_pause_that_was_none_is_taken_back() -> None:
    clock = InputClock()
    now = play(clock, 100.0, 1.0)
    clock.pushed(0.02, now + 2.0, waited=True)  # looks like a pause
    for _ in range(99):  # but the audio of that time comes after all
        clock.pushed(0.02, now + 2.0, waited=True)
    play(clock, now + 2.0, 1.0)
    assert clock.session_time(3.9) == pytest.approx(3.9, abs=0.6)


@pytest.mark.parametrize("early", [0.0, 0.03, 0.06])
def test_speech_right_after_a_pause_starts_after_it(early: float) -> None:
    """Word times are coarse: the first word may seem to begin before the pause."""
    clock = InputClock()
    now = play(clock, 100.0, 2.0)
    now = play(clock, now + 5.0, 2.0)
    start, end = 2.0 - early, 2.3
    assert clock.missing(start, end) == pytest.approx(5.0)
    assert clock.wall_time(start, now, starts=True) == pytest.approx(100.0 + start + 5.0)


@pytest.mark.parametrize("late", [-0.1, 0.0, 0.02])
def test_speech_right_before_a_pause_ends_before_it(late: float) -> None:
    clock = InputClock()
    now = play(clock, 100.0, 2.0)
    play(clock, now + 5.0, 2.0)
    assert clock.missing(1.7, 2.0 + late) == 0.0
    assert clock.missing(1.95, 2.0 + late) == 0.0


async def test_audio_that_was_passed_on_early_waits_for_no_more_than_its_packet() -> None:
    options = PulseOptions(base_url="ws://127.0.0.1:1", packet_ms=50)
    source = AudioFormat("linear16", 16_000)
    made = AudioInput(InputClock(), EagerText(), lambda _: PulseStream(options), None)
    engine = made.begin(source)
    frame = rtc.AudioFrame(bytes(640), 16_000, 1, 320)
    assert made.push_live(frame)
    made.pass_on()  # as an event of the engine does
    assert engine.missing_seconds == pytest.approx(0.03)
    made.push_live(frame)
    made.push_live(frame)
    assert engine.stream_time == pytest.approx(0.06)
    assert engine.missing_seconds == pytest.approx(0.05)
