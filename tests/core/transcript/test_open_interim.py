"""The newest interim, and what it tells about the audio when it is promoted."""

from __future__ import annotations

import pytest

from pulse_plugins.core.audio.energy import Energy
from pulse_plugins.core.audio.replay_buffer import ReplayBuffer
from pulse_plugins.core.base.events import Interim
from pulse_plugins.core.transcript.heard import HeardAudio
from pulse_plugins.core.transcript.open_interim import OpenInterim
from tests.support.call import Call

RATE = 32_000  # bytes a second of linear16 at 16 kHz
LOUD = b"\x00\x20"  # a sample


def opened(text: str, sent: float) -> OpenInterim:
    """An interim that came when so many seconds of audio had been sent."""
    buffer = ReplayBuffer(bytes_per_second=RATE, align=2, limit=60 * RATE)
    buffer.append_sent(bytes(round(sent * RATE)))
    interim = OpenInterim(buffer, Energy(buffer, "linear16"), HeardAudio(buffer))
    interim.came(text, lambda: 0.0, sent)
    return interim


def test_the_words_of_a_promoted_interim_were_said_in_the_audio_that_was_sent_before_it() -> None:
    interim = opened("hello", 2.6)
    assert interim.promote(2.0) == ("hello", 2.6)
    assert interim.text == ""


def test_they_were_said_before_the_mark_if_more_audio_was_sent_since() -> None:
    assert opened("hello", 2.6).promote(3.0) == ("hello", 3.0)


@pytest.mark.parametrize(
    ("pause", "length", "lacks"), [(0.08, 0.24, False), (0.12, 0.24, True), (0.12, 0.1, False)]
)
def test_speech_that_begins_a_packet_after_the_interim_is_another_word(
    pause: float, length: float, lacks: bool
) -> None:
    buffer = ReplayBuffer(bytes_per_second=RATE, align=2, limit=60 * RATE)
    interim = OpenInterim(buffer, Energy(buffer, "linear16"), HeardAudio(buffer))
    buffer.append_sent(LOUD * round(0.2 * RATE / 2))
    interim.came("hello you", lambda: 0.0, 0.2)
    buffer.append_sent(bytes(round(pause * RATE)) + LOUD * round(length * RATE / 2) + bytes(RATE))
    assert interim.lacks_words(1.0) is lacks
    interim.promote(1.0)
    assert not interim.lacks_words(1.0)


def told_before_the_drop(*numbers: int) -> Call:
    """A call on another connection, after an interim with these words; the words come again."""
    call = Call()
    call.connect()
    call.say(*numbers)
    call.hear(call.server.interim())
    call.reconnect(0.5)
    call.events.clear()
    return call


def shows(call: Call, *texts: str) -> list[str]:
    for text in texts:
        call.hear({"transcript": text, "is_final": False})
    return [each.text for each in call.all(Interim)]


def test_the_interims_of_a_replay_never_show_less_than_was_shown() -> None:
    assert shows(told_before_the_drop(1, 2, 3), "w1", "w1 w2") == []


def test_an_interim_of_a_replay_that_reads_otherwise_is_shown() -> None:
    assert shows(told_before_the_drop(1, 2), "w1", "x", "x y") == ["x", "x y"]


def test_an_interim_may_show_less_once_a_replay_has_shown_as_much() -> None:
    assert shows(told_before_the_drop(1, 2), "w1 w2", "w1") == ["w1 w2", "w1"]


def test_an_interim_of_the_same_connection_may_show_less() -> None:
    call = Call()
    call.connect()
    call.say(1, 2)
    assert shows(call, "w1 w2", "w1") == ["w1 w2", "w1"]


def test_words_that_a_replay_does_not_reach_are_delivered_all_the_same() -> None:
    call = told_before_the_drop(1, 2, 3)
    shows(call, "w1")
    call.finalize()
    call.pass_time(2.5)
    assert call.words == ["w1", "w2", "w3"]
