"""The lines of the simulated caller, recorded as a telephone transmits them: 8 kHz, mono."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

FOLDER = Path(__file__).parent
RATE = 8000  # Hz

LINES = {
    "table": "I would like to book a table for four people on Friday at seven thirty.",
    "party": "A table for two people please.",
    "day": "On Saturday.",
    "time": "At eight o'clock.",
    "name": "My name is Robert Miller.",
    "phone": "My number is five five five, zero one four two.",
    "long_phone": "My number is two one two, five five five, zero one four two.",
    "yes": "Yes, that is correct.",
    "no": "No, that is wrong.",
    "six": "No, I said six people.",
    "repeat": "Can you repeat that please?",
    "unclear": "I am not sure.",
    "human": "I would like to speak to the manager please.",
}


def load(name: str) -> NDArray[np.int16]:
    """A line's samples.

    Args:
        name: One of `LINES`.

    Raises:
        KeyError: There is no such line.
    """
    if name not in LINES:
        raise KeyError(f"no line {name!r}; there is: {', '.join(LINES)}")
    samples, _ = soundfile.read(FOLDER / f"{name}.flac", dtype="int16")
    return np.asarray(samples, np.int16)
