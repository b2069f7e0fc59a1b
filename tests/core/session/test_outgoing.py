"""What goes out next, and what waits."""

from __future__ import annotations

from random import Random

import pytest

from pulse_plugins.core.audio.packetizer import MAX_PACKET_BYTES
from pulse_plugins.core.config.encodings import Encoding
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.config.timing import Timeouts
from pulse_plugins.core.session.deadlines import Timer
from pulse_plugins.core.session.session import Session
from tests.support.call import Call
from tests.support.hearing import RATE

pytestmark = pytest.mark.unit
PACKET = bytes(RATE * 2 // 25)  # 40 ms


def test_a_request_stands_between_the_audio_before_and_after_it() -> None:
    call = Call()
    call.say(1)
    call.finalize()
    call.say(2)
    server = call.connect()
    call.pass_time(0.5)
    assert server.take_wire() == [0.2, "finalize", 0.2]


def test_a_packet_of_waiting_audio_ends_where_a_request_stands() -> None:
    call = Call()
    call.session.audio(PACKET, call.now)
    call.finalize()
    call.session.audio(PACKET, call.now)
    server = call.connect()
    call.pass_time(0.5)
    assert server.take_wire() == [0.04, "finalize", 0.04]


def test_live_audio_does_not_overtake_what_waits() -> None:
    call = Call()
    call.connect()
    call.now += 1.0
    call.session.audio(PACKET, call.now)
    assert not call.session.outgoing.live(PACKET, call.link, call.now)


def test_live_audio_keeps_the_pace() -> None:
    call = Call()
    call.connect()
    out = [call.session.outgoing.live(PACKET, call.link, call.now) for _ in range(150)]
    assert out[0]
    assert not out[-1]


def test_live_audio_lets_a_keepalive_that_is_due_be_counted_first() -> None:
    call = Call(timeouts=Timeouts(keepalive=2.0))
    call.connect()
    call.now += 2.0
    call.session.advance(call.now)
    assert not call.session.outgoing.live(PACKET, call.link, call.now)


def test_audio_takes_the_place_of_a_keepalive() -> None:
    call = Call(dialect="live", timeouts=Timeouts(keepalive=2.0))
    server = call.connect()
    call.now += 2.0
    call.session.advance(call.now)
    call.session.audio(PACKET, call.now)
    call.settle()
    call.pass_time(1.9)
    assert server.take_wire() == [0.04]


def test_a_keepalive_of_silence_is_a_tenth_of_a_second() -> None:
    call = Call(timeouts=Timeouts(keepalive=2.0))
    server = call.connect()
    call.pass_time(2.0)
    assert server.take_wire() == [0.1]


@pytest.mark.parametrize("rate", [44100, 48000])
@pytest.mark.parametrize("encoding", ["linear16", "linear32"])
def test_a_keepalive_of_silence_is_no_longer_than_a_message_may_be(
    rate: int, encoding: Encoding
) -> None:
    options = PulseOptions(base_url="ws://127.0.0.1:1", encoding=encoding, sample_rate=rate)
    session = Session(options, Random(0))
    session.start(0.0)
    [wanted] = session.take_commands()
    session.connected(wanted.id, 0.0)
    session.advance(5.0)
    quiet = session.next_outgoing(wanted.id, 5.0)
    assert isinstance(quiet, bytes)
    assert len(quiet) == MAX_PACKET_BYTES
    assert session.outgoing.silence_bytes == MAX_PACKET_BYTES


def test_a_request_that_no_message_can_carry_has_its_deadline_too() -> None:
    call = Call(dialect="legacy")
    call.connect()
    call.say(1)
    call.finalize()
    assert call.session.deadlines.at(Timer.ANSWER) is not None


def test_audio_that_is_sent_again_is_counted() -> None:
    call = Call()
    call.connect()
    call.say(1)
    call.reconnect()
    call.say(2)
    call.pass_time(0.1)
    assert call.session.outgoing.replayed_bytes == round(0.2 * RATE) * 2
    assert call.session.outgoing.sent_bytes == round(0.6 * RATE) * 2


def test_the_answer_to_a_late_goodbye_has_its_time_though_no_audio_went_before_it() -> None:
    call = Call(timeouts=Timeouts(close=5.0))
    server = call.connect()
    call.say(1)
    call.hear(server.final())
    call.hear({"transcript": "w2", "is_final": False})
    call.end()
    call.drop()
    call.pass_time(4.5)
    call.connect()
    call.pass_time(1.0)
    call.hear({"transcript": "w2", "is_final": True, "is_last": True})
    assert call.words == ["w1", "w2"]
    assert not call.finals[-1].promoted
