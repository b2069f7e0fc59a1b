"""The shipped calls: what they promise to those who play them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.local import recordings

pytestmark = pytest.mark.unit

RATES: tuple[Literal[8000, 16000], ...] = (8000, 16000)


def test_the_calls_are_few_and_small() -> None:
    assert recordings.names() == ["booking", "change", "human"]
    folder = Path(recordings.__file__).parent
    assert sum(path.stat().st_size for path in folder.iterdir() if path.is_file()) < 2_000_000


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("name", recordings.names())
def test_speech_lies_in_the_turns_and_silence_between_them(
    name: str, rate: Literal[8000, 16000]
) -> None:
    call = recordings.load(name, rate)
    assert call.sample_rate == rate
    assert call.samples.dtype == np.int16
    assert call.samples.ndim == 1
    first, second = call.turns
    assert second.start - first.end >= 1.2
    assert call.duration - second.end >= 1.0
    inside = np.zeros(len(call.samples), bool)
    for turn in call.turns:
        inside[round((turn.start - 0.02) * rate) : round((turn.end + 0.02) * rate)] = True
    level = call.samples.astype(np.float64)
    assert np.sqrt(np.mean(level[inside] ** 2)) > 1000
    assert np.sqrt(np.mean(level[~inside] ** 2)) < 60  # noise, but not digital silence
    assert np.any(level[~inside])


@pytest.mark.parametrize("name", recordings.names())
def test_both_files_of_a_call_hold_the_same_call(name: str) -> None:
    wide, narrow = recordings.load(name), recordings.load(name, 8000)
    assert wide.path.suffix == ".flac"
    assert narrow.path.suffix == ".wav"
    assert narrow.turns == wide.turns
    assert narrow.duration == pytest.approx(wide.duration, abs=0.001)


def test_the_text_is_that_of_the_turns() -> None:
    call = recordings.load("booking")
    assert call.text == " ".join(turn.text for turn in call.turns)
    assert "table for four" in call.text


def test_an_unknown_call_is_refused_with_the_names_of_the_known() -> None:
    with pytest.raises(ConfigurationError, match="booking, change, human"):
        recordings.load("opera")
