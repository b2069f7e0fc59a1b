"""Samples as the bytes of a WAV file."""

from __future__ import annotations

import io
import wave

import numpy as np
from numpy.typing import NDArray


def wav(pcm: NDArray[np.int16], rate: int = 16_000) -> bytes:
    """A WAV file of samples of shape `(n,)` or `(n, channels)`."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1 if pcm.ndim == 1 else pcm.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm.astype("<i2").tobytes())
    return buffer.getvalue()
