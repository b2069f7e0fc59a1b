"""The bytes that a stream buffers, by encoding."""

from __future__ import annotations

import pytest

from pulse_plugins.core.config.encodings import ENCODINGS, Encoding, buffer_rate


@pytest.mark.parametrize(
    ("encoding", "rate", "found"),
    [
        ("linear16", 16_000, (32_000, 2)),
        ("linear32", 16_000, (64_000, 4)),
        ("mulaw", 8_000, (8_000, 1)),
        ("alaw", 8_000, (8_000, 1)),
        ("opus", 48_000, (96_000, 2)),  # buffered as linear16
        ("ogg_opus", 24_000, (48_000, 2)),
    ],
)
def test_bytes_per_second_and_per_sample(
    encoding: Encoding, rate: int, found: tuple[int, int]
) -> None:
    assert encoding in ENCODINGS
    assert buffer_rate(encoding, rate) == found
