"""The word that was under way when a finalize was asked."""

from __future__ import annotations

from math import inf

import pytest

from pulse_plugins.core.audio.energy import Energy
from pulse_plugins.core.audio.replay_buffer import ReplayBuffer
from pulse_plugins.core.transcript.cut_word import CutWord
from pulse_plugins.core.transcript.delivered import DeliveredWords, timed_word
from pulse_plugins.core.transcript.finalize_requests import FinalizeRequests
from tests.support.hearing import RATE, spoken

pytestmark = pytest.mark.unit


def asked_at(mark: float, *numbers: int) -> CutWord:
    """A finalize at this stream_time; the audio is words of 0.2 s, 0 is silence.

    The last delivered word is "two", and ended at the mark.
    """
    buffer = ReplayBuffer(bytes_per_second=2 * RATE, align=2, limit=10**7)
    for number in numbers:
        buffer.append(spoken(number))
        buffer.next_packet()
    return cut_word(buffer, mark)


def cut_word(buffer: ReplayBuffer, mark: float) -> CutWord:
    requests, delivered = FinalizeRequests(), DeliveredWords()
    requests.sent_marks.append(buffer.offset(mark))
    delivered.add([timed_word("two", 0.2, mark)], mark)
    return CutWord(buffer, Energy(buffer, "linear16"), requests, delivered)


@pytest.mark.parametrize(("end", "cut"), [(0.25, True), (0.35, True), (0.23, False), (0.37, False)])
def test_a_word_that_ends_at_a_mark_was_cut_and_is_kept_from_its_beginning(
    end: float, cut: bool
) -> None:
    word = asked_at(0.3, 0, 2, 0)
    start = word.keep_from(end, new=True)
    assert (start < inf) is cut
    assert (word.mark is not None) is cut
    assert start == inf or 0.15 <= start <= 0.2


def test_a_mark_in_a_pause_cuts_no_word() -> None:
    word = asked_at(0.6, 0, 2, 0)
    assert word.keep_from(0.6, new=True) == inf
    assert word.mark is None


def test_the_next_word_is_not_cut_any_more() -> None:
    word = asked_at(0.3, 0, 2, 3)
    assert word.keep_from(0.3, new=True) < inf
    assert word.keep_from(0.6, new=True) == inf
    assert word.mark is None


def test_a_cut_word_is_kept_while_the_server_repeats_its_first_part() -> None:
    word = asked_at(0.3, 0, 2, 3)
    start = word.keep_from(0.3, new=True)
    assert word.keep_from(0.3, new=False) == start
    assert word.keep_from(0.4, new=False) == inf  # the rest has come, and was known


def test_a_text_begins_with_the_rest_only_if_it_begins_with_the_same_word() -> None:
    word = asked_at(0.3, 0, 2, 0)
    assert not word.begins("two")
    word.keep_from(0.3, new=True)
    assert word.begins("Two,")
    assert not word.begins("three")


def test_a_word_whose_sound_ended_at_the_mark_is_said_again_by_the_caller() -> None:
    word = asked_at(0.4, 0, 2, 0)
    word.keep_from(0.4, new=True)
    assert not word.begins("two")


def test_a_cut_word_goes_on_to_the_end_of_its_sound() -> None:
    word = asked_at(0.3, 0, 2, 0)
    word.keep_from(0.3, new=True)
    word.stretch()
    assert word._delivered.overlap([timed_word("two", 0.36, 0.4)]) == 1


@pytest.mark.parametrize(("start", "same"), [(0.425, 1), (0.44, 0)])
def test_the_rest_of_a_cut_word_may_be_reported_late(start: float, same: int) -> None:
    word = asked_at(0.3, 0, 2, 0)
    word.keep_from(0.3, new=True)
    word.stretch()
    assert word._delivered.overlap([timed_word("two", start, 0.6)]) == same


def test_a_word_that_was_not_cut_does_not_go_on() -> None:
    word = asked_at(0.3, 0, 2, 0)
    word.stretch()
    assert word._delivered.overlap([timed_word("two", 0.36, 0.4)]) == 0


@pytest.mark.parametrize(
    ("pause", "mark", "cut"), [(0.0, 0.25, True), (0.04, 0.21, True), (0.04, 0.25, False)]
)
def test_a_word_that_begins_at_the_mark_is_not_the_rest_of_the_word_before(
    pause: float, mark: float, cut: bool
) -> None:
    buffer = ReplayBuffer(bytes_per_second=2 * RATE, align=2, limit=10**7)
    buffer.append_sent(spoken(2) + bytes(round(RATE * pause) * 2) + spoken(2))
    word = cut_word(buffer, mark)
    word.keep_from(0.2, new=True)
    assert (word.mark is not None) is cut


@pytest.mark.parametrize("mark", [0.385, 0.4])
def test_an_equal_word_soon_after_a_word_that_ended_at_the_mark_is_another_one(
    mark: float,
) -> None:
    word = asked_at(mark, 0, 2, 0)
    word.keep_from(0.4, new=True)
    word.stretch()
    assert word._delivered.overlap([timed_word("two", 0.425, 0.6)]) == 0


@pytest.mark.parametrize(
    ("mark", "again"),
    [(0.25, True), (0.31, True), (0.2, False), (0.15, False), (0.45, False)],
)
def test_an_interim_may_begin_with_a_whole_word_again_into_which_a_request_fell(
    mark: float, again: bool
) -> None:
    buffer = ReplayBuffer(bytes_per_second=2 * RATE, align=2, limit=10**7)
    buffer.append_sent(spoken(0) + spoken(2) + spoken(0))
    requests, delivered = FinalizeRequests(), DeliveredWords()
    requests.sent_marks.append(buffer.offset(mark))
    delivered.add([timed_word("two", 0.2, 0.4)], 0.4)
    word = CutWord(buffer, Energy(buffer, "linear16"), requests, delivered)
    assert word.keep_from(0.4, new=True) == inf  # its audio need not be heard again
    assert word.begins("Two,") is word.may_repeat is again
    assert not word.begins("three")
    word.stretch()
    assert delivered.overlap([timed_word("two", 0.44, 0.6)]) == 0  # "two, two" stays two words


def test_a_mark_between_two_sounds_of_a_word_is_in_no_word() -> None:
    buffer = ReplayBuffer(bytes_per_second=2 * RATE, align=2, limit=10**7)
    buffer.append_sent(spoken(2) + spoken(0) + spoken(2))
    requests, delivered = FinalizeRequests(), DeliveredWords()
    requests.sent_marks.append(buffer.offset(0.38))
    delivered.add([timed_word("two", 0.0, 0.6)], 0.6)
    word = CutWord(buffer, Energy(buffer, "linear16"), requests, delivered)
    word.keep_from(0.6, new=True)
    assert not word.may_repeat


def test_the_word_after_a_whole_one_is_another_one() -> None:
    buffer = ReplayBuffer(bytes_per_second=2 * RATE, align=2, limit=10**7)
    buffer.append_sent(spoken(0) + spoken(2) + spoken(3) + spoken(0))
    requests, delivered = FinalizeRequests(), DeliveredWords()
    requests.sent_marks.append(buffer.offset(0.3))
    delivered.add([timed_word("two", 0.2, 0.4)], 0.4)
    word = CutWord(buffer, Energy(buffer, "linear16"), requests, delivered)
    word.keep_from(0.4, new=True)
    assert word.may_repeat
    delivered.add([timed_word("three", 0.4, 0.6)], 0.6)
    word.keep_from(0.6, new=True)
    assert not word.may_repeat
