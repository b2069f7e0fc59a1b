"""Short phone calls of clear synthetic speech, and what was said in them.

Each has two turns of the caller with the pause between them in which an agent would speak.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pulse_plugins.core.base.errors import ConfigurationError

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Turn:
    """What the caller said between two silences.

    Attributes:
        start: Seconds from the beginning of the recording.
        end: Seconds from the beginning of the recording.
        text: The words, as one would write them.
    """

    start: float
    end: float
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """One call.

    Attributes:
        name: What `load` was asked for.
        path: The file that the samples are from.
        sample_rate: Hz; 16000, or 8000 for the telephone's mu-law.
        samples: Mono.
        turns: In order, not overlapping.
    """

    name: str
    path: Path
    sample_rate: int
    samples: NDArray[np.int16]
    turns: tuple[Turn, ...]

    @property
    def text(self) -> str:
        """All that was said."""
        return " ".join(turn.text for turn in self.turns)

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.samples) / self.sample_rate


def names() -> list[str]:
    """The calls that ship, sorted."""
    return sorted(path.stem for path in _HERE.glob("*.flac"))


def load(name: str, rate: Literal[8000, 16000] = 16_000) -> Recording:
    """Read a call.

    Args:
        name: One of `names()`.
        rate: Hz; 16000 reads the FLAC file, 8000 the mu-law one.

    Raises:
        ConfigurationError: No call is called that, or `soundfile` is not installed.
    """
    if name not in names():
        raise ConfigurationError(f"no recording {name!r}; there is: {', '.join(names())}")
    path = _HERE / (f"{name}.flac" if rate == 16_000 else f"{name}-8k.wav")
    try:
        import soundfile
    except ImportError as error:
        raise ConfigurationError("the recordings need pulse-plugins[local]") from error
    samples, sample_rate = soundfile.read(path, dtype="int16")
    reference = json.loads((_HERE / f"{name}.json").read_text(encoding="utf-8"))
    return Recording(
        name=name,
        path=path,
        sample_rate=int(sample_rate),
        samples=samples,
        turns=tuple(
            Turn(start=turn["start"], end=turn["end"], text=turn["text"])
            for turn in reference["turns"]
        ),
    )
