"""Silence that is not sent: no word and no time changes, and the service is sent less."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.livekit import STT
from pulse_plugins.livekit.silence_gate import HANG_OVER, PRE_ROLL, SilenceGate
from tests.livekit.conversation import Conversation, Mode
from tests.livekit.driving import Heard, frames, play, speech, words
from tests.support.habits import Habits
from tests.support.peer import peer
from tests.support.scenarios import Call, EndTurn, Pause, Say

LEVEL = 0.001
STEP = 0.05  # seconds
_END = (EndTurn(), Pause(4.0))


def sound(seconds: float, amplitude: int) -> list[bytes]:
    """A tone in pieces of 50 ms at 16 kHz; its loudness is its amplitude."""
    piece = np.full(800, amplitude, "<i2")
    piece[::2] *= -1
    return [piece.tobytes()] * round(seconds / STEP)


def taken(gate: SilenceGate, pieces: list[bytes]) -> list[tuple[bytes, float, float]]:
    return [gate.take(piece, STEP) for piece in pieces]


def test_silence_is_given_on_for_two_seconds_and_then_left_out() -> None:
    gate = SilenceGate(LEVEL)
    given = taken(gate, sound(1.0, 8000) + sound(5.0, 3))
    assert sum(length for _, length, _ in given) == pytest.approx(1.0 + HANG_OVER, abs=0.06)
    [(data, length, left_out)] = taken(gate, sound(STEP, 8000))
    assert length == pytest.approx(PRE_ROLL + STEP, abs=0.06)
    assert data.endswith(b"".join(sound(PRE_ROLL, 3) + sound(STEP, 8000)))
    assert left_out == pytest.approx(5.0 - HANG_OVER - PRE_ROLL, abs=0.06)
    assert taken(gate, sound(STEP, 8000)) == [(sound(STEP, 8000)[0], STEP, 0.0)]


@pytest.mark.parametrize(("level", "amplitude"), [(None, 0), (LEVEL, 34), (LEVEL, 8000)])
def test_what_is_as_loud_as_the_level_is_always_given_on(
    level: float | None, amplitude: int
) -> None:
    given = taken(SilenceGate(level), sound(10.0, amplitude))
    assert sum(length for _, length, _ in given) == pytest.approx(10.0)


def test_a_level_that_may_be_speech_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="silence_level"):
        STT(base_url="ws://127.0.0.1:1", silence_level=0.02)


@pytest.mark.parametrize("mode", ["vad", "stt"])
async def test_a_conversation_loses_no_word_to_the_gate(mode: Mode) -> None:
    call = Call("pauses", (Say(3), *_END, Say(4, soft=True), *_END, Say(2), Pause(0.4), Say(2)))
    talk = Conversation(
        call, mode=mode, habits=Habits(latency=0.4), options={"silence_level": LEVEL}
    )
    assert (await talk.hold()).faults == []


@pytest.mark.parametrize("counts_pauses", [True, False])
@pytest.mark.parametrize(("level", "least", "most"), [(LEVEL, 0.0, 7.0), (None, 12.0, 13.0)])
async def test_times_and_usage_with_and_without_silence(
    level: Any, least: float, most: float, counts_pauses: bool
) -> None:
    async with peer() as server, STT(base_url=server.url, silence_level=level) as stt:
        stream = stt.stream()
        if counts_pauses:
            stream.start_time_offset = 0.0
        heard = Heard(stream)
        await play(stream, frames(speech(0, 3, lead=0.5, tail=5.0)), speed=1.0)
        await play(stream, frames(speech(3, 2, lead=5.0, tail=1.0)), speed=1.0)
        stream.end_input()
        await heard.ended()
        assert heard.text == words(0, 5)
        *_, second = (e.alternatives[0] for e in heard.finals if e.alternatives[0].text)
        assert second.start_time == pytest.approx(0.5 + 0.84 + 5.0 + 5.0, abs=0.03)
        assert least < server.links[0].seconds < most
        used = sum(e.recognition_usage.audio_duration for e in heard.events if e.recognition_usage)
        assert least < used < most
