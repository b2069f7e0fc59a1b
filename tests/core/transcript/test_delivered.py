"""Which words were delivered before."""

from __future__ import annotations

import pytest

from pulse_plugins.core.transcript.delivered import DeliveredWord, DeliveredWords, timed_word

pytestmark = pytest.mark.unit


def memory(*words: tuple[str, float, float]) -> DeliveredWords:
    delivered = DeliveredWords()
    delivered.add([timed_word(*word) for word in words], words[-1][2])
    return delivered


def overlap(delivered: DeliveredWords, *words: tuple[str, float, float]) -> int:
    return delivered.overlap([timed_word(*word) for word in words])


def test_the_same_word_at_the_same_time_is_known() -> None:
    assert overlap(memory(("no", 1.0, 1.3)), ("No,", 1.0, 1.3)) == 1


def test_the_same_word_right_after_it_is_new() -> None:
    assert overlap(memory(("no", 1.0, 1.3)), ("no", 1.3, 1.6)) == 0


@pytest.mark.parametrize(("start", "known"), [(1.29, 0), (1.27, 1)])
def test_rounded_times_that_touch_are_not_the_same_word(start: float, known: int) -> None:
    assert overlap(memory(("no", 1.0, 1.3)), ("no", start, 1.6)) == known


def test_the_last_20_ms_of_a_word_are_the_same_word_wherever_it_was_said() -> None:
    for frame in range(1000):  # sums of times differ in their last digits
        start = frame * 0.06
        delivered = DeliveredWords()
        delivered.add([timed_word("a", start, start + 0.24)], start + 0.24)
        assert delivered.overlap([timed_word("a", start + 0.22, start + 0.24)]) == 1


@pytest.mark.parametrize("length", [0.0, 0.02])
@pytest.mark.parametrize(("start", "known"), [(1.0, 1), (1.1, 1), (1.14, 0)])
def test_a_word_without_a_length_is_known_where_no_other_word_can_begin(
    length: float, start: float, known: int
) -> None:
    assert overlap(memory(("no", 1.0, 1.0 + length)), ("no", start, start + 0.3)) == known


def test_a_short_word_right_after_an_equal_short_word_is_new() -> None:
    assert overlap(memory(("I", 1.0, 1.04)), ("I", 1.06, 1.1)) == 0


def test_another_word_at_the_same_time_is_new() -> None:
    assert overlap(memory(("no", 1.0, 1.3)), ("know", 1.0, 1.3)) == 0


def test_only_leading_words_are_known() -> None:
    delivered = memory(("a", 0.0, 0.2), ("b", 0.2, 0.4), ("c", 0.4, 0.6))
    assert overlap(delivered, ("b", 0.2, 0.4), ("c", 0.4, 0.6), ("d", 0.6, 0.8)) == 2
    assert overlap(delivered, ("x", 0.2, 0.4), ("c", 0.4, 0.6)) == 0


def test_an_older_final_that_comes_again_is_known() -> None:
    delivered = memory(("a", 0.0, 0.2), ("b", 0.2, 0.4), ("c", 0.4, 0.6), ("d", 0.6, 0.8))
    assert overlap(delivered, ("a", 0.0, 0.2), ("b", 0.2, 0.4)) == 2


def test_a_word_that_was_cut_is_known_while_its_sound_goes_on() -> None:
    delivered = memory(("recent", 1.0, 1.2))
    assert overlap(delivered, ("recent", 1.25, 1.5)) == 0
    delivered.last.latest = 1.5
    assert overlap(delivered, ("recent", 1.25, 1.5), ("order", 1.5, 1.9)) == 1


def test_words_that_a_promoted_interim_said_are_known_even_if_some_were_revised() -> None:
    delivered = DeliveredWords()
    delivered.add_promoted(["book", "a", "cable"], 0.0, 2.0)
    assert overlap(delivered, ("book", 0.1, 0.3), ("a", 0.3, 0.4), ("table", 0.4, 0.9)) == 3


def test_a_promoted_interim_of_which_less_than_half_is_equal_hides_only_that() -> None:
    delivered = DeliveredWords()
    delivered.add_promoted(["book", "x", "y", "z"], 0.0, 2.0)
    assert overlap(delivered, ("book", 0.1, 0.3), ("a", 0.3, 0.4)) == 1


def test_words_after_a_promoted_interim_are_new() -> None:
    delivered = DeliveredWords()
    delivered.add_promoted(["yes"], 0.0, 1.0)
    assert overlap(delivered, ("yes", 1.2, 1.4)) == 0


@pytest.mark.parametrize("is_all", [True, False])
def test_a_word_after_a_promoted_interim_that_was_heard_again_is_new(is_all: bool) -> None:
    delivered = DeliveredWords()
    delivered.add_promoted(["a", "b"], 0.0, 3.0)
    again = [timed_word("a", 0.2, 0.4), timed_word("b", 0.5, 0.7)]
    assert delivered.overlap(again) == 2
    delivered.heard_again(again, is_all=is_all)
    assert delivered.overlap([timed_word("b", 0.52, 0.7)]) == 1
    assert delivered.overlap([timed_word("b", 2.0, 2.2)]) == 0


@pytest.mark.parametrize(("begins", "known"), [(0.95, 1), (1.05, 0)])
def test_the_last_word_of_a_promoted_interim_may_have_been_cut(begins: float, known: int) -> None:
    delivered = DeliveredWords()
    delivered.add_promoted(["a", "b", "c"], 0.0, 3.0)
    delivered.heard_again([timed_word("a", 0.2, 0.4), timed_word("b", 0.5, 0.7)], is_all=True)
    assert delivered.overlap([timed_word("b", begins, begins + 0.2)]) == known
    assert delivered.overlap([timed_word("a", 0.6, 0.8)]) == 0  # no request cut this one


def test_a_promoted_interim_may_come_again_in_two_finals() -> None:
    delivered = DeliveredWords()
    delivered.add_promoted(["a", "b", "c"], 0.0, 2.0)
    assert overlap(delivered, ("a", 0.1, 0.3), ("b", 0.3, 0.5)) == 2
    delivered.heard_again([timed_word("a", 0.1, 0.3), timed_word("b", 0.3, 0.5)], is_all=True)
    assert overlap(delivered, ("c", 0.6, 0.9), ("d", 0.9, 1.1)) == 1
    delivered.heard_again([timed_word("c", 0.6, 0.9)], is_all=False)
    assert not delivered.may_repeat


def untimed(*keys: str, start: float = 0.0, until: float = 2.0) -> DeliveredWords:
    delivered = DeliveredWords()
    delivered.add([DeliveredWord(key, start, until) for key in keys], start)
    return delivered


def test_a_replay_without_times_is_known_by_its_words() -> None:
    delivered = untimed("a", "b", "c")
    delivered.connection_changed(0.5, "en")
    assert delivered.overlap_of_text(["b", "c", "d"], 0.5) == (2, 3)


def test_the_first_word_of_a_replay_may_be_a_fragment() -> None:
    delivered = untimed("hello", "there", "you")
    delivered.connection_changed(0.5, "en")
    assert delivered.overlap_of_text(["lo", "there", "you", "now"], 0.5) == (3, 3)


def test_without_a_replay_equal_text_is_new() -> None:
    assert untimed("yes").overlap_of_text(["yes"], 0.5) == (0, 0)


def test_words_that_ended_before_the_replay_are_not_heard_again() -> None:
    delivered = untimed("yes", until=1.0)
    delivered.connection_changed(1.0, "en")
    assert not delivered.may_repeat


@pytest.mark.parametrize(("seconds", "known"), [(0.4, 4), (0.2, 2)])
def test_a_replay_holds_no_more_words_than_can_be_said(seconds: float, known: int) -> None:
    words = [f"w{number}" for number in range(20)]
    delivered = untimed(*words, until=10.0)
    delivered.connection_changed(10.0 - seconds, "en")
    assert len(delivered._replayable) == 1 + known


def test_a_replay_in_two_finals_goes_on_where_the_first_ended() -> None:
    delivered = untimed("a", "b", "c")
    delivered.connection_changed(0.0, "en")
    known, replayed = delivered.overlap_of_text(["a", "b"], 0.0)
    again = [DeliveredWord(key, 0.0, 2.0) for key in ("a", "b")][:known]
    delivered.heard_again(again, is_all=True, replayed=replayed)
    assert delivered.overlap_of_text(["c", "d"], 0.0) == (1, 1)
    delivered.heard_again([DeliveredWord("c", 0.0, 2.0)], is_all=False, replayed=1)
    assert delivered.overlap_of_text(["c"], 0.0) == (0, 0)


def test_a_doubled_word_before_the_rest_of_a_promoted_interim_does_not_shift_it() -> None:
    delivered = memory(("a", 0.0, 0.3))
    delivered.add_promoted(["b", "c", "d"], 0.0, 2.0)
    known = [timed_word("a", 0.1, 0.3), timed_word("b", 0.3, 0.5)]
    assert delivered.overlap(known) == 2
    delivered.heard_again(known, is_all=True)
    assert overlap(delivered, ("c", 0.5, 0.7), ("d", 0.7, 0.9)) == 2
    assert delivered.overlap_of_text(["c", "d"], 0.0) == (2, 0)  # an interim has no times


def test_a_word_that_was_said_at_another_time_is_new() -> None:
    delivered = memory(("no", 1.0, 1.3), ("a", 2.0, 2.3), ("b", 3.0, 3.3))
    assert overlap(delivered, ("no", 0.5, 0.8)) == 0
    assert overlap(delivered, ("no", 2.5, 2.8)) == 0


def test_512_words_are_remembered() -> None:
    delivered = memory(*((f"w{n}", n / 5, n / 5 + 0.2) for n in range(512)))
    assert overlap(delivered, ("w0", 0.0, 0.2)) == 1
    delivered.add([timed_word("more", 102.4, 102.6)], 102.6)
    assert overlap(delivered, ("w0", 0.0, 0.2)) == 0


def test_a_replay_holds_three_times_as_many_characters_as_words() -> None:
    delivered = untimed(*"今天天气很好我们去公园", until=10.0)
    delivered.connection_changed(9.8, "zh")
    assert len(delivered._replayable) == 1 + 5


@pytest.mark.parametrize(("rest", "heard"), [(0.004, False), (0.006, True)])
def test_a_word_with_less_than_a_rounding_left_is_not_heard_again(rest: float, heard: bool) -> None:
    delivered = untimed("yes", until=1.0 + rest)
    delivered.connection_changed(1.0, "en")
    assert delivered.may_repeat is heard


def test_a_promoted_interim_may_come_again_in_two_finals_without_times() -> None:
    delivered = DeliveredWords()
    delivered.add_promoted(["a", "b", "c"], 0.0, 2.0)
    delivered.heard_again([DeliveredWord("a", 0.0, 1.0), DeliveredWord("b", 0.0, 1.0)], is_all=True)
    assert delivered.overlap_of_text(["c", "d"], 0.0) == (1, 0)


def hears_again(delivered: DeliveredWords, *keys: str) -> int:
    """A final of a replay without times; returns how many of its words were delivered before."""
    known, replayed = delivered.overlap_of_text(keys, 0.0)
    again = [DeliveredWord(key, 0.0, 2.0) for key in keys[:known]]
    delivered.heard_again(again, is_all=known == len(keys), replayed=replayed)
    return known


@pytest.mark.parametrize(("interim", "final"), [("yes", "yes"), ("no sir", "no madam")])
def test_a_replay_says_a_promoted_interim_once(interim: str, final: str) -> None:
    delivered = untimed("a")
    delivered.add_promoted(interim.split(), 0.0, 2.0)
    delivered.connection_changed(0.0, "en")
    assert hears_again(delivered, "a") == 1
    assert hears_again(delivered, *final.split()) == len(final.split())
    assert hears_again(delivered, *interim.split()) == 0


def test_a_replay_says_a_word_and_an_equal_promoted_one() -> None:
    delivered = untimed("yes")
    delivered.add_promoted(["yes"], 0.0, 2.0)
    delivered.connection_changed(0.0, "en")
    assert hears_again(delivered, "yes") == 1
    assert hears_again(delivered, "yes") == 1
    assert hears_again(delivered, "yes") == 0


def test_a_final_of_other_words_ends_the_wait_for_a_promoted_interim() -> None:
    delivered = DeliveredWords()
    delivered.add_promoted(["a", "b"], 0.0, 2.0)
    delivered.heard_again([], is_all=False)
    assert not delivered.may_repeat


def test_a_final_with_a_new_word_ends_a_replay() -> None:
    delivered = untimed("a", "b", "c")
    delivered.connection_changed(0.0, "en")
    delivered.heard_again([DeliveredWord("a", 0.0, 2.0)], is_all=False, replayed=1)
    assert delivered.overlap_of_text(["b"], 0.0) == (0, 0)
