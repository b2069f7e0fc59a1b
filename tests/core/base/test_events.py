"""What events say about themselves."""

from __future__ import annotations

import pytest

from pulse_plugins.core.base.events import AudioLost, Final, Word


def test_a_final_knows_whether_it_answers_a_finalize() -> None:
    assert Final("hi", 0.0, 1.0, finalize_id=3).finalized
    assert not Final("hi", 0.0, 1.0).finalized


@pytest.mark.parametrize(
    ("confidences", "mean"),
    [([], None), ([None], None), ([0.5], 0.5), ([0.9, None, 0.4], 0.6), ([0.0, 1.0], 0.001)],
)
def test_the_confidence_of_a_final_is_the_geometric_mean(
    confidences: list[float | None], mean: float | None
) -> None:
    words = tuple(Word("a", 0.0, 1.0, confidence) for confidence in confidences)
    assert Final("a", 0.0, 1.0, words).confidence == (None if mean is None else pytest.approx(mean))


def test_lost_audio_has_an_end() -> None:
    assert AudioLost(1.5, 2.0, "why").end == 3.5
