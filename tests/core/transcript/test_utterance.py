"""Segments joined into utterances, with a clock that is a number."""

from __future__ import annotations

import pytest

from pulse_plugins.core.base.events import Final, Interim, Word
from pulse_plugins.core.transcript.utterance import NOTHING, Policy, UtteranceAssembler

POLICY = Policy()


def segment(
    text: str, start: float = 0.0, *, finalize_id: int | None = None, promoted: bool = False
) -> Final:
    words = tuple(
        Word(word, start + 0.3 * index, start + 0.3 * index + 0.24)
        for index, word in enumerate(text.split())
    )
    end = words[-1].end if words else start
    return Final(text, start, end, words, finalize_id=finalize_id, promoted=promoted)


def answer(finalize_id: int) -> Final:
    return Final("", 0.0, 0.0, finalize_id=finalize_id)


@pytest.fixture
def utterance() -> UtteranceAssembler:
    return UtteranceAssembler()


def test_interims_carry_all_words_of_the_open_utterance(utterance: UtteranceAssembler) -> None:
    utterance.speech_started()
    utterance.interim(Interim("one", 0.0), 1.0)
    shown = utterance.final(segment("one two"), 1.5).interim
    assert shown is not None
    assert shown.text == "one two"
    shown = utterance.interim(Interim("three", 0.6), 1.8).interim
    assert shown is not None
    assert (shown.text, shown.start) == ("one two three", 0.0)
    assert utterance.closed_text == "one two"


def test_the_answer_to_the_finalize_brings_the_whole_utterance(
    utterance: UtteranceAssembler,
) -> None:
    utterance.speech_started()
    utterance.final(segment("one two"), 1.0)
    utterance.speech_stopped()
    utterance.requested(1, 1.2)
    released = utterance.final(segment("three", 0.6, finalize_id=1), 1.4)
    assert released.final is not None
    assert (released.final.text, released.final.finalize_id) == ("one two three", 1)
    assert [each.text for each in released.segments] == ["one two", "three"]
    assert released.complete
    assert not utterance.is_open


def test_an_empty_answer_releases_what_the_server_had_cut(utterance: UtteranceAssembler) -> None:
    utterance.speech_started()
    utterance.final(segment("one two"), 1.0)
    utterance.speech_stopped()
    utterance.requested(1, 1.2)
    released = utterance.final(answer(1), 1.4)
    assert released.final is not None
    assert (released.final.text, released.complete) == ("one two", True)


def test_an_answer_that_the_callers_next_words_overtake_releases_nothing(
    utterance: UtteranceAssembler,
) -> None:
    utterance.speech_started()
    utterance.speech_stopped()
    utterance.requested(1, 1.0)
    utterance.speech_started()
    assert utterance.final(segment("one", finalize_id=1), 1.2).final is None
    assert utterance.final(answer(1), 1.3) == NOTHING
    utterance.speech_stopped()
    utterance.requested(2, 2.0)
    released = utterance.final(segment("two", 1.0, finalize_id=2), 2.2)
    assert released.final is not None
    assert released.final.text == "one two"


def test_a_promoted_answer_does_not_complete_the_turn(utterance: UtteranceAssembler) -> None:
    utterance.requested(1, 1.0)
    released = utterance.final(segment("one", finalize_id=1, promoted=True), 3.0)
    assert released.final is not None
    assert not released.complete


def test_an_empty_answer_keeps_words_that_were_said_after_its_request(
    utterance: UtteranceAssembler,
) -> None:
    """A cough was taken for speech; its answer came after the first words of the turn."""
    utterance.requested(1, 1.0, mark=1.0)
    utterance.final(segment("one two", 1.5), 2.4)
    released = utterance.final(answer(1), 2.5)
    assert released.final is not None
    assert (released.final.text, released.complete) == ("", True)
    assert utterance.text == "one two"


@pytest.mark.parametrize(("start", "stays"), [(1.99, False), (2.0, True)])
def test_an_answer_whose_words_were_all_said_after_the_request_stays_open(
    utterance: UtteranceAssembler, start: float, stays: bool
) -> None:
    """A server that does not answer for no words: the next answer is taken for a cough's."""
    utterance.requested(1, 1.0, mark=2.0)
    released = utterance.final(segment("one two", start, finalize_id=1), 2.5)
    assert released.final is not None
    assert released.final.finalize_id == 1
    assert (released.final.text == "") is stays
    assert utterance.text == ("one two" if stays else "")


@pytest.mark.parametrize(("seconds", "leaves"), [(-0.01, False), (0.0, True)])
def test_without_a_request_closed_segments_leave_after_quiet(
    utterance: UtteranceAssembler, seconds: float, leaves: bool
) -> None:
    utterance.final(segment("one two"), 1.0)
    assert utterance.deadline == 1.0 + POLICY.quiet_seconds
    released = utterance.advance(1.0 + POLICY.quiet_seconds + seconds)
    assert (released.final is not None) is leaves
    assert not released.complete


def test_quiet_counts_from_when_text_can_come(utterance: UtteranceAssembler) -> None:
    utterance.final(segment("one two"), 1.0)
    utterance.no_text_before(5.0)
    assert utterance.deadline == 5.0 + POLICY.quiet_seconds
    utterance.no_text_before(2.0)
    assert utterance.deadline == 5.0 + POLICY.quiet_seconds


def test_an_interim_whose_final_never_comes_leaves_nothing(utterance: UtteranceAssembler) -> None:
    utterance.speech_stopped()
    utterance.interim(Interim("one", 0.0), 1.0)
    assert utterance.advance(1.0 + POLICY.open_seconds) == NOTHING
    assert utterance.text == "one"


@pytest.mark.parametrize(("closed", "shown"), [((), ""), (("one two",), "one two")])
def test_an_interim_that_is_taken_back_leaves_the_closed_segments(
    utterance: UtteranceAssembler, closed: tuple[str, ...], shown: str
) -> None:
    for text in closed:
        utterance.final(segment(text), 1.0)
    utterance.interim(Interim("three", 0.6), 1.2)
    released = utterance.interim(Interim("", 0.6), 1.4)
    assert released.interim is not None
    assert (released.interim.text, released.final) == (shown, None)
    assert utterance.text == shown
    assert utterance.deadline == (1.2 + POLICY.quiet_seconds if closed else None)


def test_an_empty_final_that_answers_nothing_changes_nothing(
    utterance: UtteranceAssembler,
) -> None:
    utterance.interim(Interim("one", 0.0), 1.0)
    assert utterance.final(Final("", 0.0, 0.0), 1.2) == NOTHING
    assert utterance.text == "one"


def test_words_are_before_a_mark_where_they_began_before_it_or_have_no_times(
    utterance: UtteranceAssembler,
) -> None:
    assert not utterance.has_words_before(9.0)
    utterance.final(segment("one", 1.0), 2.0)
    assert not utterance.has_words_before(1.0)
    assert utterance.has_words_before(1.1)
    utterance.final(Final("two", 5.0, 6.0), 6.0)
    assert utterance.has_words_before(0.5)


def test_the_caller_speaks_only_where_a_voice_detector_hears_it(
    utterance: UtteranceAssembler,
) -> None:
    utterance.interim(Interim("one", 0.0), 1.0)
    assert utterance.caller_speaks is False
    utterance.speech_started()
    assert utterance.caller_speaks is True
    utterance.speech_stopped()
    assert utterance.caller_speaks is False


def test_new_text_puts_the_quiet_off(utterance: UtteranceAssembler) -> None:
    utterance.final(segment("one two"), 1.0)
    utterance.interim(Interim("three", 0.6), 1.4)
    assert utterance.deadline == 1.4 + POLICY.open_seconds
    assert not utterance.wants_finalize(1.4 + POLICY.open_seconds - 0.01)
    assert utterance.wants_finalize(1.4 + POLICY.open_seconds)


def test_an_interim_that_stays_open_asks_for_no_finalize_while_the_caller_speaks(
    utterance: UtteranceAssembler,
) -> None:
    utterance.speech_started()
    utterance.interim(Interim("one", 0.0), 1.0)
    assert utterance.deadline is None
    assert not utterance.wants_finalize(100.0)


@pytest.mark.parametrize(("words", "leaves"), [(59, False), (60, True)])
def test_a_monologue_leaves_after_a_number_of_words(
    utterance: UtteranceAssembler, words: int, leaves: bool
) -> None:
    utterance.speech_started()
    released = utterance.final(segment(" ".join(["word"] * words)), 1.0)
    assert (released.final is not None) is leaves


@pytest.mark.parametrize(("seconds", "leaves"), [(-0.01, False), (0.0, True)])
def test_a_monologue_leaves_after_a_time(
    utterance: UtteranceAssembler, seconds: float, leaves: bool
) -> None:
    utterance.speech_started()
    utterance.final(segment("one"), 1.0)
    assert utterance.deadline == 1.0 + POLICY.monologue_seconds
    released = utterance.advance(1.0 + POLICY.monologue_seconds + seconds)
    assert (released.final is not None) is leaves


def test_without_a_voice_detector_the_bound_is_longer(utterance: UtteranceAssembler) -> None:
    for second in range(1, 59):
        assert utterance.final(segment("w", float(second)), float(second)).final is None
    assert utterance.final(segment("w", 61.0), 61.0).final is not None


def test_the_open_interim_begins_the_next_utterance(utterance: UtteranceAssembler) -> None:
    utterance.speech_started()
    utterance.final(segment("one"), 1.0)
    utterance.interim(Interim("two", 0.3), 1.5)
    released = utterance.advance(1.0 + POLICY.monologue_seconds)
    assert released.final is not None
    assert released.final.text == "one"
    assert released.interim is not None
    assert released.interim.text == "two"


def test_flush_lets_closed_segments_go_and_drops_the_interim(
    utterance: UtteranceAssembler,
) -> None:
    utterance.final(segment("one"), 1.0)
    utterance.interim(Interim("two", 0.3), 1.1)
    released = utterance.flush()
    assert released.final is not None
    assert (released.final.text, released.complete) == ("one", False)
    assert not utterance.is_open
    assert utterance.flush().final is None


def test_what_is_discarded_never_comes(utterance: UtteranceAssembler) -> None:
    utterance.final(segment("one"), 1.0)
    utterance.interim(Interim("two", 0.3), 1.1)
    utterance.discard()
    assert utterance.text == ""
    assert utterance.deadline is None


def test_languages_without_spaces_are_joined_without_them() -> None:
    utterance = UtteranceAssembler(language="zh")
    utterance.speech_started()
    utterance.final(Final("一", 0.0, 0.2), 1.0)
    shown = utterance.interim(Interim("二", 0.2), 1.2).interim
    assert shown is not None
    assert shown.text == "一二"


def test_words_after_the_mark_of_a_request_stay_open(utterance: UtteranceAssembler) -> None:
    """A cough was taken for speech: its empty answer comes after words of the next turn."""
    utterance.requested(1, 1.0, mark=2.0)
    utterance.final(segment("one two", 2.5), 1.5)
    released = utterance.final(answer(1), 1.6)
    assert released.final is not None
    assert (released.final.text, released.final.finalize_id) == ("", 1)
    utterance.requested(2, 2.0, mark=4.0)
    released = utterance.final(segment("three", 3.2, finalize_id=2), 2.2)
    assert released.final is not None
    assert released.final.text == "one two three"


def test_a_segment_before_an_answered_mark_leaves_at_once(utterance: UtteranceAssembler) -> None:
    """A server that marks no answer: a cut by word count was taken for the answer."""
    utterance.requested(1, 1.0, mark=3.0)
    utterance.final(segment("one two", 0.5, finalize_id=1), 1.1)
    released = utterance.final(segment("three", 1.5), 1.3)
    assert released.final is not None
    assert (released.final.text, released.final.finalize_id) == ("three", None)
    assert utterance.final(segment("four", 3.5), 2.0).final is None


def test_the_adapter_may_end_the_utterance(utterance: UtteranceAssembler) -> None:
    utterance.final(segment("one two"), 1.0)
    utterance.requested(1, 1.1)
    released = utterance.release(1.2)
    assert released.final is not None
    assert released.final.text == "one two"
    assert not utterance.awaits_answer


def test_half_a_second_of_quiet_ends_a_closed_segment(utterance: UtteranceAssembler) -> None:
    utterance.final(segment("one"), 1.0)
    assert utterance.deadline == 1.5


def test_an_open_interim_is_waited_on_for_two_and_a_half_seconds(
    utterance: UtteranceAssembler,
) -> None:
    utterance.interim(Interim("one", 0.0), 1.0)
    assert utterance.deadline == 3.5
    assert not utterance.wants_finalize(3.4)
    assert utterance.wants_finalize(3.5)


def test_a_monologue_is_cut_after_fifteen_seconds(utterance: UtteranceAssembler) -> None:
    utterance.speech_started()
    utterance.final(segment("one"), 1.0)
    assert utterance.deadline == 16.0


@pytest.mark.parametrize(("before", "stays"), [(0.08, True), (0.12, False)])
def test_a_segment_that_begins_a_tenth_of_a_second_before_the_mark_stays_open(
    utterance: UtteranceAssembler, before: float, stays: bool
) -> None:
    utterance.requested(1, 2.0, mark=2.0)
    utterance.final(segment("next", 2.0 - before), 2.1)
    released = utterance.final(answer(1), 2.2)
    assert released.final is not None
    assert (released.final.text == "") is stays
    assert utterance.is_open is stays


def test_the_answer_to_an_older_request_completes_no_turn(utterance: UtteranceAssembler) -> None:
    utterance.requested(1, 1.0)
    utterance.requested(2, 1.5)
    assert utterance.final(segment("one", finalize_id=1), 1.6).final is None
    released = utterance.final(answer(2), 1.7)
    assert released.final is not None
    assert (released.final.text, released.complete) == ("one", True)


def test_one_finalize_is_asked_for_at_a_time(utterance: UtteranceAssembler) -> None:
    utterance.interim(Interim("one", 0.0), 1.0)
    utterance.requested(1, 1.0)
    assert not utterance.wants_finalize(9.0)
