"""The recordings that the demo plays in real time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pulse_plugins.cli.exits import needs
from pulse_plugins.cli.media.recording import pcm

FRAME = 0.02  # seconds; what a telephone or a browser sends
_TAIL = 2.5  # seconds of silence at the end, in which the last turn is taken


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A recording that the demo plays.

    Attributes:
        name: The name of the recording.
        samples: 16-bit mono.
        rate: Hz.
        text: The words of the recording, or None if they are not known.
        turns: Start and end of the caller's turns, in seconds; empty where they are not known.
    """

    name: str
    samples: NDArray[np.int16]
    rate: int
    text: str | None = None
    turns: tuple[tuple[float, float], ...] = ()

    @property
    def middle(self) -> float:
        """The middle of the last turn, in seconds."""
        if not self.turns:
            return len(self.samples) / self.rate / 2
        start, end = self.turns[-1]
        return start + (end - start) / 2

    def frames(self) -> list[NDArray[np.int16]]:
        """The recording in frames, with faint noise, and with silence at the end.

        No line is digitally silent, and recognizers know it: the noise is 60 dB below speech.
        """
        tail = np.zeros(round(_TAIL * self.rate), np.int16)
        whole = np.concatenate((self.samples, tail))
        noise = np.random.default_rng(1).normal(0.0, 6.0, len(whole))
        noisy = np.clip(whole + noise, -32768, 32767).astype(np.int16)
        size = round(FRAME * self.rate)
        return [noisy[start : start + size] for start in range(0, len(noisy), size)]


class Player:
    """Gives the frames of a call at the speed at which they are spoken.

    Attributes:
        began: The clock (`time.monotonic`) when the first sample was spoken.
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self._started = asyncio.Event()
        self.began = 0.0

    @property
    def now(self) -> float:
        """Seconds since the call began."""
        return time.monotonic() - self.began

    async def until(self, seconds: float) -> None:
        """Wait until this many seconds of the call have been spoken."""
        await self._started.wait()
        await asyncio.sleep(max(0.0, seconds - self.now))

    async def play(self) -> AsyncIterator[NDArray[np.int16]]:
        """Yield each frame when its last sample has been spoken."""
        self.began = time.monotonic()
        self._started.set()
        for number, frame in enumerate(self._call.frames(), 1):
            await asyncio.sleep(max(0.0, number * FRAME - self.now))
            yield frame


def shipped(name: str, rate: Literal[8000, 16000]) -> Call:
    """Load one of the recordings of the package."""
    with needs("local", "the recorded call"):
        from pulse_plugins.local import recordings

        found = recordings.load(name, rate)
    turns = tuple((turn.start, turn.end) for turn in found.turns)
    return Call(name, found.samples, found.sample_rate, found.text, turns)


async def of_file(path: Path) -> Call:
    """Load any recording, resampled to 16 kHz."""
    pieces = [piece async for piece in pcm(str(path), 16_000)]
    return Call(path.name, np.frombuffer(b"".join(pieces), np.int16), 16_000)
