"""A recognizer that knows the recordings: real speech for every VAD, and words without mistakes.

How well a recognizer hears is not what the turn benchmarks measure, and one that mishears would
blur what they do. Its words come when their place in the audio was really received.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pulse_plugins.local.recordings import Turn
from tests.livekit.rig import Reader


class ReadingRecognizer:
    """Hears these turns in whatever it is given."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._turns = turns

    @property
    def sample_rates(self) -> frozenset[int]:
        """Hz; those of the recordings and of a room."""
        return frozenset((8000, 16_000, 24_000, 48_000))

    @property
    def languages(self) -> frozenset[str]:
        """That of the recordings."""
        return frozenset(("en",))

    async def open(
        self, *, sample_rate: int, language: str, keywords: Mapping[str, float]
    ) -> Reader:
        """A reader at the first turn."""
        return Reader(self._turns, sample_rate)

    async def close(self) -> None:
        """There is nothing to give back."""


def bare(text: str) -> list[str]:
    """The words without what formatting adds."""
    return [word.strip(".,?!").lower() for word in text.split()]
