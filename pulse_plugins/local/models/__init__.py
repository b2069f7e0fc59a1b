"""Small language models that ship with the package, each with its cut-down dictionary."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pulse_plugins.core.base.errors import ConfigurationError

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class LanguageModel:
    """A recognizer's words and how likely each follows another.

    Attributes:
        ngrams: The n-gram model, an ARPA file.
        dictionary: The pronunciations of its words, in CMUdict's form.
    """

    ngrams: Path
    dictionary: Path


def names() -> list[str]:
    """The models that ship, sorted."""
    return sorted(path.stem for path in _HERE.glob("*.arpa"))


def find(name: str) -> LanguageModel:
    """The shipped model of that name.

    `bookings` knows how callers speak to a restaurant's phone agent: party size, day, time, name,
    phone number, yes and no, corrections, and asking for a human.

    Raises:
        ConfigurationError: None is called that.
    """
    if name not in names():
        raise ConfigurationError(
            f"no language model {name!r} ships; there is: {', '.join(names())}"
        )
    return LanguageModel(ngrams=_HERE / f"{name}.arpa", dictionary=_HERE / f"{name}.dict")
