"""When the text of an open utterance is worth a reply that begins early."""

from __future__ import annotations

from math import pi

import numpy as np
import pytest

from pulse_plugins.core.transcript.eager import EagerText

pytestmark = pytest.mark.unit

FRAME = 0.02  # seconds
LOUD = (np.sin(np.arange(320) * 2 * pi * 0.02) * 8000).astype("<i2").tobytes()
SILENCE = bytes(640)


def hear(eager: EagerText, data: bytes, seconds: float) -> None:
    for _ in range(round(seconds / FRAME)):
        eager.audio(data, FRAME)


def taught(lag: float = 0.1, *, exact: bool = False, final: str = "one two") -> EagerText:
    """A stream whose first utterance was heard: 1 s of speech, shown `lag` seconds later."""
    eager = EagerText(exact=exact)
    hear(eager, LOUD, 1.0)
    hear(eager, SILENCE, lag)
    eager.reads("one two", 1.0, closed=False)
    eager.compare("one two", final, 1.0)
    eager.left(final)
    return eager


def test_a_stable_text_of_a_quiet_caller_is_passed_on_once() -> None:
    eager = taught()
    hear(eager, LOUD, 0.6)
    eager.reads("three", 5.0, closed=False)
    hear(eager, SILENCE, 0.6)
    assert eager.stable(5.39) is None
    assert eager.stable(5.4) == "three"
    assert eager.deadline is None
    assert eager.stable(9.0) is None


@pytest.mark.parametrize(("since", "text"), [(0.79, None), (0.81, "three")])
def test_words_are_as_late_after_audio_was_sent_again(since: float, text: str | None) -> None:
    eager = taught(lag=0.7)
    hear(eager, LOUD, 0.6)
    eager.reads("three", 5.0, closed=False)
    hear(eager, SILENCE, 1.0)
    eager.sent_again(6.0)
    assert eager.ended(6.0 + since) == text


def test_the_same_text_again_is_no_new_text() -> None:
    eager = taught()
    hear(eager, LOUD, 0.6)
    eager.reads("three", 5.0, closed=False)
    hear(eager, SILENCE, 0.6)
    eager.reads("three", 5.3, closed=False)
    assert eager.stable(5.4) == "three"


@pytest.mark.parametrize(("exact", "text"), [(True, "Three."), (False, None)])
def test_the_final_of_a_text_that_was_passed_on_is_new_to_an_exact_listener_only(
    exact: bool, text: str | None
) -> None:
    eager = taught(exact=exact)
    hear(eager, LOUD, 0.6)
    eager.reads("three", 5.0, closed=False)
    hear(eager, SILENCE, 0.6)
    assert eager.stable(5.4) == "three"
    eager.reads("Three.", 5.5, closed=True)
    assert eager.stable(6.0) == text


def test_an_empty_frame_changes_nothing() -> None:
    eager = taught()
    hear(eager, LOUD, 0.6)
    eager.reads("three", 5.0, closed=False)
    hear(eager, SILENCE, 0.6)
    eager.audio(b"", 0.0)
    assert eager.stable(5.4) == "three"


def test_not_while_the_caller_speaks() -> None:
    eager = taught()
    hear(eager, LOUD, 1.0)
    eager.reads("three", 5.0, closed=False)
    hear(eager, LOUD, 0.4)
    assert eager.stable(5.5) is None
    assert eager.deadline == pytest.approx(5.6)  # it is asked again
    hear(eager, SILENCE, 0.5)
    assert eager.stable(5.6) == "three"


@pytest.mark.parametrize(("lag", "quiet", "worth_it"), [(0.6, 0.55, False), (0.6, 0.75, True)])
def test_not_while_a_word_is_on_its_way(lag: float, quiet: float, worth_it: bool) -> None:
    eager = taught(lag)
    hear(eager, LOUD, 0.6)
    eager.reads("three", 5.0, closed=False)
    hear(eager, SILENCE, quiet)
    assert eager.ended(5.0 + quiet) == ("three" if worth_it else None)


@pytest.mark.parametrize(("lag", "worth_it"), [(1.38, True), (1.44, False)])
def test_not_on_a_stream_whose_words_are_later_than_audio_is_kept(
    lag: float, worth_it: bool
) -> None:
    eager = taught(lag)
    hear(eager, LOUD, 0.6)
    eager.reads("three", 5.0, closed=False)
    hear(eager, SILENCE, 2.0)
    assert (eager.deadline is not None) is worth_it
    assert eager.ended(7.0) == ("three" if worth_it else None)


def test_the_known_end_of_speech_needs_no_stable_text() -> None:
    eager = taught(0.1)
    hear(eager, LOUD, 0.6)
    hear(eager, SILENCE, 0.5)
    eager.reads("three", 5.0, closed=False)
    assert eager.ended(5.0) == "three"


def test_nothing_before_interims_were_seen_to_become_finals() -> None:
    eager = EagerText()
    hear(eager, LOUD, 0.6)
    eager.reads("three", 5.0, closed=False)
    hear(eager, SILENCE, 0.6)
    assert eager.deadline is None
    assert eager.ended(6.0) is None


@pytest.mark.parametrize(("exact", "worth_it"), [(True, False), (False, True)])
def test_how_exactly_texts_must_agree_is_the_listeners_affair(exact: bool, worth_it: bool) -> None:
    eager = taught(exact=exact, final="One two.")
    hear(eager, LOUD, 0.6)
    eager.reads("three", 5.0, closed=False)
    hear(eager, SILENCE, 0.6)
    assert eager.ended(6.0) == ("three" if worth_it else None)


def test_a_service_that_rewrites_its_interims_gets_none_until_it_stops() -> None:
    eager = taught()
    for text, final, worth_it in (
        ("twenty five", "$25", False),
        ("thirty one", "$31", False),
        ("yes", "yes", True),
    ):
        eager.compare(text, final, None)
        hear(eager, LOUD, 0.4)
        eager.reads(text, 5.0, closed=False)
        hear(eager, SILENCE, 0.6)
        assert (eager.ended(6.0) is not None) == worth_it
        eager.left(final)


def test_finals_that_hold_all_words_need_no_wait() -> None:
    eager = EagerText(exact=True)
    eager.reads("One two.", 5.0, closed=True)
    assert eager.ended(6.0) is None  # whether these are all words is not known
    assert eager.complete() == "One two."
    assert eager.complete() is None


def test_an_interim_is_not_complete() -> None:
    eager = taught()
    eager.reads("three", 5.0, closed=False)
    assert eager.complete() is None


def test_counts_what_came_true() -> None:
    eager = EagerText()
    for passed, final in (("One.", "One."), ("Two.", "Two three.")):
        eager.reads(passed, 5.0, closed=True)
        assert eager.complete() == passed
        eager.left(final)
    assert (eager.sent, eager.kept) == (2, 1)


def test_a_stretch_before_the_newest_audio_can_be_judged() -> None:
    eager = taught()
    hear(eager, LOUD, 0.4)
    hear(eager, SILENCE, 0.5)
    assert eager.is_quiet(0.4)
    assert not eager.is_quiet(0.4, before=0.5)
    assert not eager.is_quiet(0.9)


def test_a_part_of_a_long_packet_can_be_judged() -> None:
    eager = taught()
    eager.audio(LOUD * 10 + SILENCE * 10, 0.4)
    assert eager.is_quiet(0.18)
    assert not eager.is_quiet(0.4)


def scaled(level: float) -> bytes:
    """A frame so many times as loud as `LOUD`."""
    return (np.frombuffer(LOUD, "<i2") * level).astype("<i2").tobytes()


@pytest.mark.parametrize(("level", "quiet"), [(0.25, True), (0.35, False)])
def test_audio_is_quiet_below_three_tenths_of_the_loudness_of_words(
    level: float, quiet: bool
) -> None:
    eager = EagerText()
    hear(eager, LOUD, 0.5)
    eager.reads("one", 1.0, closed=False)
    hear(eager, scaled(level), 0.5)
    assert eager.is_quiet(0.4) is quiet


@pytest.mark.parametrize(("softer", "level", "quiet"), [(2, 0.12, True), (2, 0.25, False)])
def test_the_loudness_of_words_falls_by_a_fifth_with_each_softer_text(
    softer: int, level: float, quiet: bool
) -> None:
    eager = EagerText()
    hear(eager, LOUD, 0.5)
    eager.reads("one", 1.0, closed=False)
    for number in range(softer):
        hear(eager, scaled(0.25), 0.5)
        eager.reads(f"one {number}", 2.0, closed=False)
    hear(eager, scaled(level), 0.5)
    assert eager.is_quiet(0.4) is quiet


def test_three_texts_tell_how_loud_the_caller_is() -> None:
    eager = EagerText()
    hear(eager, LOUD, 0.5)
    eager.reads("one", 1.0, closed=False)
    for number in range(3):
        hear(eager, scaled(0.25), 0.5)
        eager.reads(f"one {number}", 2.0, closed=False)
    hear(eager, scaled(0.12), 0.5)
    assert not eager.is_quiet(0.4)


@pytest.mark.parametrize(("misses", "worth_it"), [(2, True), (3, False)])
def test_after_three_misses_one_hit_is_not_enough(misses: int, worth_it: bool) -> None:
    eager = taught()
    for _ in range(misses):
        eager.compare("twenty five", "$25", None)
    eager.compare("yes", "yes", None)
    eager.reads("three", 5.0, closed=False)
    assert (eager.deadline is not None) is worth_it


def silence_needed(eager: EagerText) -> float:
    """Seconds of silence after speech until a known end of speech is worth a reply."""
    hear(eager, LOUD, 0.6)
    eager.reads("three", 5.0, closed=False)
    for frame in range(1, 200):
        hear(eager, SILENCE, FRAME)
        if eager.ended(5.0) is not None:
            return frame * FRAME
    raise AssertionError("no silence was enough")


# A stretch is quiet when at most 0.09 of it is as loud as speech: hence 0.91 of each length below.
def test_audio_comes_a_packet_later_than_words_lag() -> None:
    assert silence_needed(taught(0.6)) == pytest.approx(0.91 * (0.6 + 0.1), abs=0.021)


def test_one_fast_final_proves_little() -> None:
    eager = taught(1.0)
    hear(eager, LOUD, 1.0)
    eager.reads("four", 4.0, closed=False)
    eager.compare("four", "four", 3.0)  # shown at once
    eager.left("four")
    assert silence_needed(eager) == pytest.approx(0.91 * (0.7 * 1.0 + 0.1), abs=0.021)


def test_a_final_does_not_tell_how_loud_the_caller_is() -> None:
    eager = EagerText()
    hear(eager, LOUD, 0.5)
    eager.reads("one", 1.0, closed=False)
    hear(eager, SILENCE, 0.5)
    eager.reads("One.", 2.0, closed=True)
    hear(eager, scaled(0.27), 0.5)
    assert eager.is_quiet(0.4)
