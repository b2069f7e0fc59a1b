"""Audio that tests of formats, converters and codecs share."""

from __future__ import annotations

import numpy as np

from pulse_plugins.core.audio.converter import FrameConverter
from pulse_plugins.core.audio.formats import SAMPLE_BYTES, AudioFormat, Encoding

ENCODINGS: list[Encoding] = ["linear16", "linear32", "float32", "mulaw", "alaw"]


def convert(data: bytes, source: AudioFormat, target: AudioFormat) -> bytes:
    converter = FrameConverter(source, target)
    return converter.convert(data) + converter.flush()


def pcm(*samples: float) -> bytes:
    return np.asarray(samples, "<i2").tobytes()


def noise(source: AudioFormat, frames: int, seed: int = 0) -> bytes:
    """Samples over the whole range; of floats some beyond it, and some that are no numbers."""
    random = np.random.default_rng(seed)
    count = frames * source.channels
    if source.encoding == "float32":
        samples = random.uniform(-1.2, 1.2, count).astype("<f4")
        samples[::97] = np.nan
        samples[5::89] = np.inf
        return samples.tobytes()
    return random.bytes(count * SAMPLE_BYTES[source.encoding])
