"""A server that is sent speech and says nothing is found; one that has nothing to say is not."""

from __future__ import annotations

from collections import deque

from pulse_plugins.core.audio.replay_buffer import Timeline
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.session.connection import Link
from pulse_plugins.core.session.stall import Watchdog
from pulse_plugins.core.transcript.assembler import Recognition
from tests.support.hearing import RATE, spoken


class Watched:
    """A connection, its audio and its watchdog."""

    def __init__(self, stall: float) -> None:
        options = PulseOptions(base_url="ws://127.0.0.1:1", sample_rate=RATE)
        self.timeline = Timeline(bytes_per_second=2 * RATE, align=2, packet_bytes=1600, limit=10**7)
        self.recognition = Recognition(options, self.timeline, deque())
        self.link = Link(1, options, "ws://127.0.0.1:1")
        self.link.open(0.0)
        self.dog = Watchdog(stall)
        self.dog.watch(0, 0.0)

    def send(self, number: int, seconds: float) -> None:
        for _ in range(round(seconds / 0.2)):
            self.timeline.append(spoken(number))
        while self.timeline.unsent:
            self.timeline.next_packet()

    def found_at(self, until: float) -> float | None:
        while (at := self.dog.check_at) is not None and at <= until:
            if self.dog.is_dead(self.link, self.timeline.cursor, self.recognition, at):
                return at
        return None


def test_speech_without_a_word_back_is_a_dead_server() -> None:
    watched = Watched(4.0)
    watched.send(1, 6.0)
    found = watched.found_at(20.0)
    assert found is not None
    assert 4.0 <= found <= 6.0


def test_silence_without_a_word_back_is_a_silent_caller() -> None:
    watched = Watched(4.0)
    watched.send(0, 6.0)
    assert watched.found_at(60.0) is None


def test_patience_doubles_until_words_come_again() -> None:
    watched = Watched(4.0)
    watched.send(1, 6.0)
    assert watched.found_at(20.0) is not None
    watched.dog.watch(0, 0.0)
    second = watched.found_at(60.0)
    assert second is not None
    assert second >= 8.0
    watched.dog.heard_words()
    watched.dog.watch(0, 0.0)
    third = watched.found_at(60.0)
    assert third is not None
    assert third <= 6.0


def test_without_a_connection_there_is_nothing_to_watch() -> None:
    watched = Watched(4.0)
    watched.dog.rest()
    assert watched.dog.check_at is None
