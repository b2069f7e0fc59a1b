"""What an upload is, and that a small one which claims or holds much costs little."""

from __future__ import annotations

import io
import struct
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import soundfile

from pulse_plugins.local.prerecorded import uploads
from pulse_plugins.local.wire.parameters import Parameters, read
from pulse_plugins.local.wire.refusals import RefusedError
from tests.cli.rig import record

pytestmark = pytest.mark.unit

RATES = frozenset({8_000, 16_000})


def asked(**query: str) -> Parameters:
    return read("pulse", query, languages=frozenset({"en"}), region="any")


def file(seconds: float, rate: int, channels: int = 1, form: str = "WAV") -> bytes:
    made = io.BytesIO()
    samples = np.full((round(seconds * rate), channels), 1000, np.int16)
    soundfile.write(made, samples, rate, format=form, subtype="PCM_16")
    return made.getvalue()


@pytest.mark.parametrize(
    ("rate", "channels", "form", "heard_at"),
    [(16_000, 1, "WAV", 16_000), (44_100, 2, "WAV", 16_000), (11_025, 6, "FLAC", 8_000)],
)
def test_any_rate_and_channels_become_mono_at_a_rate_of_the_recognizer(
    rate: int, channels: int, form: str, heard_at: int
) -> None:
    upload = uploads.read(file(2.0, rate, channels, form), asked(), RATES, raw=False)
    samples = np.concatenate(list(upload.pieces))
    assert (upload.rate, upload.seconds) == (heard_at, 2.0)
    assert len(samples) == pytest.approx(2.0 * heard_at, abs=2)
    assert np.median(samples) == pytest.approx(1000, abs=2)


@pytest.mark.parametrize("suffix", [".m4a", ".webm"])
def test_what_libsndfile_does_not_know_is_read_by_ffmpeg(suffix: str, tmp_path: Path) -> None:
    body = record(tmp_path / f"call{suffix}", 0).read_bytes()
    upload = uploads.read(body, asked(), RATES, raw=False)
    samples = np.concatenate(list(upload.pieces))
    assert len(samples) / upload.rate == pytest.approx(upload.seconds, abs=0.1)


def test_a_long_file_comes_in_pieces() -> None:
    upload = uploads.read(file(3600.0, 8_000, form="FLAC"), asked(), RATES, raw=False)
    assert upload.seconds == 3600.0
    assert all(len(piece) <= 1 << 16 for piece in islice(upload.pieces, 3))


def test_bare_opus_is_a_packet_and_other_samples_come_in_pieces() -> None:
    upload = uploads.read(bytes(400_000), asked(encoding="mulaw"), RATES, raw=True)
    pieces = list(upload.pieces)
    assert len(pieces) > 5
    assert sum(map(len, pieces)) == 400_000
    with pytest.raises(RefusedError, match="Opus"):
        list(uploads.read(b"\xff" * 3200, asked(encoding="opus"), RATES, raw=True).pieces)


def test_a_header_that_claims_more_than_there_is_ends_with_the_data() -> None:
    body = bytearray(file(1.0, 16_000, form="FLAC"))
    (packed,) = struct.unpack_from(">Q", body, 18)  # the last 36 bits: how many samples there are
    struct.pack_into(">Q", body, 18, packed | (1 << 36) - 1)
    upload = uploads.read(bytes(body), asked(), RATES, raw=False)
    assert upload.seconds > 1_000_000
    heard = 0
    try:
        for piece in upload.pieces:
            assert len(piece)
            heard += len(piece)
    except RefusedError:
        pass  # which libsndfile may make of it
    assert heard <= 16_000
