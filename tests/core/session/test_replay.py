"""What is sent again on another connection, and where its words lie."""

from __future__ import annotations

import struct

import pytest

from pulse_plugins.core.base.errors import from_status
from pulse_plugins.core.base.events import AudioLost, Connected, Disconnected, Recovered
from pulse_plugins.core.config.timing import Limits, Timeouts
from pulse_plugins.core.session.state import State
from tests.support.call import FRAME, Call
from tests.support.hearing import RATE

pytestmark = pytest.mark.unit


def test_what_was_said_before_the_connection_is_sent_when_it_is_there() -> None:
    call = Call()
    call.say(1, 2)
    call.finalize()
    server = call.connect()
    call.pass_time(0.2)
    assert server.take_wire() == [0.4, "finalize"]


def test_what_a_final_covers_is_not_sent_again() -> None:
    call = Call()
    server = call.connect()
    call.say(1, 2, 3)
    call.hear(server.final(server.words()[:2]))
    again = call.reconnect(0.5)
    assert again.take_wire() == [pytest.approx(0.2, abs=0.051)]
    call.say(0)
    call.hear(again.final())
    assert call.words == ["w1", "w2", "w3"]
    assert [w.start for f in call.finals for w in f.words] == pytest.approx([0.0, 0.2, 0.4])


def test_silence_is_neither_sent_again_nor_lost_however_often_the_connection_is() -> None:
    call = Call()
    for _ in range(60):
        if call.opening:
            call.connect()
        call.say(*[0] * 15)
        call.drop()
        call.pass_time(0.1)
    assert call.lost == 0
    assert call.session.outgoing.replayed_bytes < 60 * 2.6 * RATE * 2  # of three seconds each time
    server = call.connect()
    call.say(1, 0)
    call.hear(server.final())
    assert call.words == ["w1"]


@pytest.mark.parametrize("shown", [False, True])
def test_speech_is_sent_again_however_long_it_has_waited_for_its_words(shown: bool) -> None:
    call = Call()
    server = call.connect()
    call.say(1)
    if shown:
        call.hear(server.interim())
    call.say(*[0] * 20)
    call.drop()
    call.pass_time(0.1)
    server = call.connect()
    call.pass_time(1.0)
    call.hear(server.final())
    assert call.words == ["w1"]


@pytest.mark.parametrize("said", [[], [1]])
def test_silence_before_the_last_two_seconds_is_not_sent_again(said: list[int]) -> None:
    call = Call()
    server = call.connect()
    call.say(*[0] * 50)
    call.say(*said)
    if said:
        call.hear(server.interim())  # the word of which lies behind the silence
    call.drop()
    call.pass_time(0.1)
    again = call.connect()
    call.pass_time(1.0)
    [seconds] = again.take_wire()
    assert isinstance(seconds, float)
    assert 2.0 <= seconds <= 2.7  # words that are too soft for any level may be on their way


@pytest.mark.parametrize("frames", range(25))  # as many as between two looks at the audio
def test_silence_is_let_go_up_to_the_beginning_of_a_word(frames: int) -> None:
    call = Call()
    call.connect()
    call.feed(bytes(round((3.0 + frames * FRAME) * RATE) * 2))
    call.say(1, *[0] * 11)
    server = call.reconnect(0.1)
    call.pass_time(1.0)
    assert [word for word, _, _ in server.words()] == ["w1"]


def test_noise_is_let_go_up_to_the_beginning_of_a_word() -> None:
    call = Call()
    call.connect()
    noise = struct.pack("<4h", 40, -40, 0, 0) * (RATE // 4)  # a second, not like words
    for second in range(35):
        call.feed(noise)
        call.hear({"type": "speech_started", "timestamp": 0.0})  # alive, but without words
        if second == 2:
            call.say(1)
    server = call.reconnect(0.1)
    call.pass_time(6.0)
    assert [word for word, _, _ in server.words()] == ["w1"]


def test_a_drop_in_the_replay_begins_it_again() -> None:
    call = Call()
    call.connect()
    call.say(*range(1, 11))
    for _ in range(3):
        call.drop()
        call.pass_time(1.0)
        call.connect()
        call.pass_time(0.1)
    call.pass_time(1.0)
    call.hear(call.server.final())
    assert call.words == [f"w{number}" for number in range(1, 11)]


def test_a_replay_is_faster_than_speech_but_no_flood() -> None:
    call = Call()
    call.connect()
    call.say(*range(1, 16))
    call.hear(call.server.interim())
    call.say(*range(16, 31))
    server = call.reconnect(0.1)
    sent = server.samples / RATE
    assert 2.7 <= sent <= 3.7  # two seconds, then 0.1 s at eight times real time, and a packet
    call.pass_time(0.5)
    assert server.samples / RATE == pytest.approx(6.0)


def test_a_close_in_mid_speech_is_an_outage_whatever_its_code() -> None:
    call = Call()
    call.connect()
    call.say(1, 2)
    call.drop(None)
    assert call.session.state is State.WAITING


def test_what_does_not_fit_is_lost_to_the_second_and_said_once() -> None:
    call = Call(limits=Limits(replay_seconds=2.0))
    call.say(*range(1, 21))  # 4 s and no connection
    server = call.connect()
    call.pass_time(1.0)
    call.hear(server.final())
    assert call.lost == pytest.approx(2.0, abs=0.051)
    assert len(call.all(AudioLost)) == 1
    assert call.words == [f"w{number}" for number in range(11, 21)]
    assert call.finals[0].words[0].start == pytest.approx(2.0)


def test_what_no_final_covered_for_too_long_is_lost_with_its_connection_and_said() -> None:
    call = Call(limits=Limits(replay_seconds=2.0, backlog_seconds=1.0))
    server = call.connect()
    call.say(*range(1, 16))
    assert call.lost == 0.0  # the final may come yet
    call.hear(server.final(server.words()[:2]))
    call.reconnect()
    (lost,) = call.all(AudioLost)
    assert lost.start == pytest.approx(0.4)
    assert lost.duration == pytest.approx(0.6)


def test_an_outage_is_told_with_its_length_and_what_was_sent_again() -> None:
    call = Call()
    call.connect()
    call.say(1, 2)
    call.drop()
    for _ in range(3):
        call.pass_time(2.0)
        if call.opening:
            call.refuse(from_status(503))
    call.pass_time(2.0)
    call.connect()
    call.pass_time(0.5)
    [recovered] = call.all(Recovered)
    assert recovered.outage >= 2.0
    assert recovered.replayed == pytest.approx(0.4)
    kinds = [type(e) for e in call.events if isinstance(e, Connected | Disconnected)]
    assert kinds == [Connected, Disconnected, Connected]


def test_times_stay_on_the_streams_clock_over_pauses_and_reconnects() -> None:
    call = Call(timeouts=Timeouts(keepalive=2.0))
    server = call.connect()
    call.say(1)
    call.hear(server.final())
    call.pass_time(9.0)  # muted: the dialect has no keepalive word, silence goes out
    assert server.samples / RATE > 0.2
    call.say(2)
    call.hear(server.final())
    again = call.reconnect()
    call.say(3)
    call.pass_time(0.2)
    call.hear(again.final())
    assert [w.start for f in call.finals for w in f.words] == pytest.approx([0.0, 0.2, 0.4])
