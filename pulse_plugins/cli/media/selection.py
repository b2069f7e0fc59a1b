"""What of a recording is read, and one piece of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

RawEncoding = Literal["linear16", "linear32", "float32", "mulaw", "alaw"]
# FFmpeg's names of headerless formats.
RAW_FORMATS: dict[RawEncoding, str] = {
    "linear16": "s16le",
    "linear32": "s32le",
    "float32": "f32le",
    "mulaw": "mulaw",
    "alaw": "alaw",
}


# What FFmpeg takes for these by their suffix alone, with a sample rate that it makes up.
HEADERLESS = frozenset(RAW_FORMATS.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which part of a recording is read, and how.

    Attributes:
        track: The audio track, counted from 1; None takes the container's default track.
        start: Seconds from the start of the recording at which reading begins.
        duration: Seconds that are read; None reads to the end.
        separate: Keep the channels apart instead of mixing them to mono.
        encoding: What the samples of a file without a header are; None means that the file has a
            header.
        rate: Hz of a file without a header.
    """

    track: int | None = None
    start: float = 0.0
    duration: float | None = None
    separate: bool = False
    encoding: RawEncoding | None = None
    rate: int = 8000

    @property
    def end(self) -> float:
        """Seconds from the start of the recording at which reading ends."""
        return float("inf") if self.duration is None else self.start + self.duration


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Some audio of a recording.

    Attributes:
        time: Seconds from the start of the recording to the first sample.
        samples: 16-bit samples, a row for each moment and a column for each channel.
    """

    time: float
    samples: NDArray[np.int16]
