"""Finals with word times on the clock of the stream."""

from __future__ import annotations

import pytest

from pulse_plugins.core.audio.clock import ConnectionClock
from pulse_plugins.core.transcript.delivered import DeliveredWords
from pulse_plugins.core.transcript.placement import Placed, TimedPlacement
from pulse_plugins.core.wire.stream_messages import WireWord

pytestmark = pytest.mark.unit
CLOCK = ConnectionClock(10.0)


def wire(*words: tuple[str, float | None, float | None]) -> list[WireWord]:
    return [WireWord(word, start, end) for word, start, end in words]


class Line:
    """A placement and its memory."""

    def __init__(self) -> None:
        self.delivered = DeliveredWords()
        self.placement = TimedPlacement(self.delivered)

    def place(self, *words: tuple[str, float, float], text: str = "", sent: float = 99.0) -> Placed:
        found = self.placement.words(wire(*words), CLOCK, sent)
        assert found is not None
        return self.placement.place(found, text or " ".join(word for word, _, _ in words), " ")


def test_words_are_on_the_streams_clock_and_ack_up_to_the_last_one() -> None:
    placed = Line().place(("hello", 0.5, 0.8), ("you", 0.8, 1.0))
    assert (placed.text, placed.start, placed.end, placed.ack) == ("hello you", 10.5, 11.0, 11.0)
    assert placed.timed


@pytest.mark.parametrize(
    "words",
    [
        [],
        wire(("a", None, None)),
        wire(("a", 0.0, 0.0)),
        wire(("a", float("nan"), 1.0)),
        wire(("a", 5.6, 5.8)),
    ],
)
def test_times_that_cannot_be_are_not_used(words: list[WireWord]) -> None:
    assert Line().placement.words(words, CLOCK, 15.0) is None


@pytest.mark.parametrize(("start", "usable"), [(5.45, True), (5.55, False)])
def test_a_word_starts_at_most_half_a_second_after_the_sent_audio(
    start: float, usable: bool
) -> None:
    words = Line().placement.words(wire(("a", start, start + 0.1)), CLOCK, 15.0)
    assert (words is not None) is usable


def test_a_word_that_ends_far_ahead_ends_with_the_sent_audio() -> None:
    words = Line().placement.words(wire(("a", 1.0, 400.0)), CLOCK, 12.0)
    assert words is not None
    assert words[0].end == 12.0


def test_a_clock_that_restarts_with_each_segment_is_not_used() -> None:
    line = Line()
    line.place(("a", 3.0, 4.0))
    assert line.placement.words(wire(("b", 0.0, 0.4)), CLOCK, 15.0) is None


def test_a_final_that_comes_again_is_repeated() -> None:
    line = Line()
    line.place(("a", 0.0, 0.4))
    placed = line.place(("a", 0.0, 0.4))
    assert (placed.text, placed.repeated) == ("", True)


def test_only_new_words_are_delivered_with_the_services_own_writing() -> None:
    line = Line()
    line.place(("recent", 0.0, 0.4))
    placed = line.place(("recent", 0.1, 0.5), ("order", 0.5, 0.9), text="recent Order.")
    assert placed.text == "Order."
    assert [word.text for word in placed.words] == ["order"]


def test_a_rewritten_text_without_its_first_words_is_made_of_the_words() -> None:
    line = Line()
    line.place(("twenty", 0.0, 0.4))
    placed = line.place(("twenty", 0.1, 0.5), ("five", 0.5, 0.9), text="25")
    assert placed.text == "five"


@pytest.mark.parametrize(("end", "kept"), [(0.414, 1), (0.45, 2)])
def test_the_rest_of_the_last_word_at_the_start_of_a_replay_is_no_word(
    end: float, kept: int
) -> None:
    line = Line()
    line.place(("hello", 0.0, 0.4))
    line.placement.connection_changed(10.4)
    placed = line.place(("oh", 0.4, end), ("you", 0.5, 0.8))
    assert len(placed.words) == kept


def test_times_never_run_backwards() -> None:
    line = Line()
    line.place(("a", 1.0, 1.4))
    placed = line.place(("b", 0.9, 1.5))
    assert placed.words[0].start == 11.0


def test_speakers_are_texts() -> None:
    line = Line()
    words = line.placement.words([WireWord("a", 0.0, 0.4, speaker=0)], CLOCK, 15.0)
    assert words is not None
    assert words[0].speaker == "0"


def test_only_the_first_final_after_a_replay_begins_with_the_rest_of_a_word() -> None:
    line = Line()
    line.place(("hello", 0.0, 0.4))
    line.placement.connection_changed(10.4)
    line.place(("you", 0.5, 0.8))
    assert len(line.place(("oh", 0.8, 0.814)).words) == 1


@pytest.mark.parametrize(("end", "usable"), [(0.4, False), (0.41, True)])
def test_times_that_begin_again_with_each_final_are_not_used(end: float, usable: bool) -> None:
    line = Line()
    line.place(("yes", 0.1, 0.4))
    words = wire(("yes", 0.1, end))
    assert (line.placement.words(words, CLOCK, 99.0, may_repeat=False) is not None) is usable
    assert line.placement.words(words, CLOCK, 99.0) is not None


def test_another_connection_may_say_the_words_of_a_replay() -> None:
    line = Line()
    line.place(("yes", 0.1, 0.4))
    line.placement.connection_changed(10.0)
    assert line.placement.words(wire(("yes", 0.1, 0.4)), CLOCK, 99.0, may_repeat=False) is not None
