"""Audio encodings and sampling rates that the service takes.

Source: docs/protocol.md, section 2.1.
"""

from __future__ import annotations

from typing import Literal

from pulse_plugins.core.base.errors import ConfigurationError

Encoding = Literal["linear16", "linear32", "alaw", "mulaw", "opus", "ogg_opus"]
ENCODINGS: tuple[Encoding, ...] = ("linear16", "linear32", "alaw", "mulaw", "opus", "ogg_opus")
SAMPLE_RATES = (8000, 16000, 22050, 24000, 44100, 48000)
"""Hz. The service does not resample: audio of another rate gives a wrong transcript."""
OPUS_RATES = (8000, 16000, 24000, 48000)
"""Hz that the Opus codec takes without resampling."""


def check_audio(encoding: Encoding, sample_rate: int) -> None:
    """Check that the service takes this encoding at this rate.

    Args:
        encoding: One of `ENCODINGS`.
        sample_rate: Hz.

    Raises:
        ConfigurationError: The service does not take the rate, or not with this encoding.
    """
    if sample_rate not in SAMPLE_RATES:
        raise ConfigurationError(
            f"sample_rate={sample_rate!r}: the service takes {_listed(SAMPLE_RATES)} Hz"
        )
    if encoding in ("mulaw", "alaw") and sample_rate != 8000:
        raise ConfigurationError(f"encoding={encoding!r} is 8 kHz audio: set sample_rate=8000")
    if encoding in ("opus", "ogg_opus") and sample_rate not in OPUS_RATES:
        raise ConfigurationError(f"encoding={encoding!r} takes {_listed(OPUS_RATES)} Hz")


def buffer_rate(encoding: Encoding, sample_rate: int) -> tuple[int, int]:
    """Bytes per second and bytes per sample of the audio that a stream buffers.

    Opus packets have no fixed size, so a stream with an Opus encoding buffers linear16 and encodes
    each packet when it is sent.
    """
    width = {"linear32": 4, "mulaw": 1, "alaw": 1}.get(encoding, 2)
    return sample_rate * width, width


def _listed(rates: tuple[int, ...]) -> str:
    return ", ".join(map(str, rates))
