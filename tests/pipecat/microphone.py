"""Numbered words as a microphone gives them: frame by frame, in their own time."""

from __future__ import annotations

import asyncio

import numpy as np

from tests.pipecat.rig import Call
from tests.pipecat.tone_server import RATE, Samples, quiet, tone
from tests.support.scenarios import GAP

FRAME = 0.02  # seconds


def said(*numbers: int, tail: float = 0.0) -> Samples:
    pieces = [piece for number in numbers for piece in (tone(number), quiet(GAP))]
    return np.concatenate((*pieces, quiet(tail)))


async def speak(call: Call, samples: Samples, *, user: str | None = None) -> None:
    """Give audio as a microphone does, frame by frame in its own time."""
    size = round(FRAME * RATE)
    for start in range(0, len(samples), size):
        await call.give(samples[start : start + size], user=user)
        await asyncio.sleep(FRAME)
