"""When the text of an open utterance is worth a reply that begins early."""

from __future__ import annotations

from math import pi

import numpy as np
import pytest

from pulse_plugins.core.transcript.eager import STABLE, EagerText

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
    assert eager.stable(5.0 + STABLE - 0.01) is None
    assert eager.stable(5.0 + STABLE) == "three"
    assert eager.deadline is None
    assert eager.stable(9.0) is None


def test_not_while_the_caller_speaks() -> None:
    eager = taught()
    hear(eager, LOUD, 1.0)
    eager.reads("three", 5.0, closed=False)
    hear(eager, LOUD, 0.4)
    assert eager.stable(5.5) is None
    assert eager.deadline is not None
    assert eager.deadline > 5.5  # it is asked again
    hear(eager, SILENCE, 0.5)
    assert eager.stable(eager.deadline) == "three"


@pytest.mark.parametrize(("lag", "quiet", "worth_it"), [(0.6, 0.55, False), (0.6, 0.75, True)])
def test_not_while_a_word_is_on_its_way(lag: float, quiet: float, worth_it: bool) -> None:
    eager = taught(lag)
    hear(eager, LOUD, 0.6)
    eager.reads("three", 5.0, closed=False)
    hear(eager, SILENCE, quiet)
    assert eager.ended(5.0 + quiet) == ("three" if worth_it else None)


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
