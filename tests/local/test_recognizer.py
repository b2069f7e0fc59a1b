"""Recognizers by name."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.local.recognizers.contract import Decoder, RecognizedWord, Recognizer, load
from pulse_plugins.local.recognizers.pocketsphinx import PocketSphinxRecognizer
from pulse_plugins.local.recognizers.scripted import ScriptedRecognizer

pytestmark = pytest.mark.unit

THEIR_MODULE = """
class Recognizer:
    sample_rates = frozenset({16000})
    languages = frozenset({"de"})

    def __init__(self, size="tiny"):
        self.size = size

    async def open(self, **asked):
        raise AssertionError

    async def close(self):
        pass

def not_a_recognizer():
    return {}

def cannot_be_made():
    raise OSError("no graphics card")

number = 3
"""


@pytest.fixture
def their_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "their_recognizer.py").write_text(THEIR_MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "their_recognizer", raising=False)
    return "their_recognizer"


def test_the_shipped_recognizers_have_short_names() -> None:
    assert isinstance(load("scripted"), ScriptedRecognizer)
    assert isinstance(load("pocketsphinx", language_model="bookings"), PocketSphinxRecognizer)


def test_a_dotted_name_loads_a_recognizer_of_the_user_with_options(their_module: str) -> None:
    recognizer = load(f"{their_module}:Recognizer", size="large")
    assert recognizer.languages == {"de"}
    assert vars(recognizer) == {"size": "large"}


@pytest.mark.parametrize(
    "name",
    [
        "whisper",
        ":Recognizer",
        "their_recognizer:",
        "their_recognizer:Missing",
        "their_recognizer:number",
        "their_recognizer:not_a_recognizer",
        "their_recognizer:cannot_be_made",
        "no_such_package.here:Recognizer",
    ],
)
def test_a_name_that_leads_nowhere_is_named_in_the_error(their_module: str, name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        load(name)


def test_the_contract_can_be_met_without_inheritance() -> None:
    class Silent:
        async def feed(self, pcm: NDArray[np.int16]) -> Sequence[RecognizedWord] | None:
            return None

        async def finish_segment(self) -> Sequence[RecognizedWord]:
            return ()

        async def close(self) -> None:
            return None

    class Deaf:
        sample_rates = frozenset({16_000})
        languages = frozenset({"en"})

        async def open(
            self, *, sample_rate: int, language: str, keywords: Mapping[str, float]
        ) -> Decoder:
            return Silent()

        async def close(self) -> None:
            return None

    recognizer: Recognizer = Deaf()  # the type checker is the judge
    assert recognizer.sample_rates == {16_000}
