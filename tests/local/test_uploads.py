"""What an upload is, and that a small one which claims or holds much costs little."""

from __future__ import annotations

import asyncio
import io
import shutil
import socket
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from pulse_plugins.local.prerecorded import uploads
from pulse_plugins.local.prerecorded.body import Body
from pulse_plugins.local.prerecorded.uploads import Upload
from pulse_plugins.local.recognizers.scripted import ScriptedDecoder, speak, spell
from pulse_plugins.local.wire.parameters import read
from pulse_plugins.local.wire.refusals import RefusedError
from tests.cli.rig import record

pytestmark = pytest.mark.unit

pytestmark = pytest.mark.process  # FFmpeg decodes in a process of its own

RATES = frozenset({8_000, 16_000})
Open = Callable[..., Upload]


@pytest.fixture
def opened() -> Iterator[Open]:
    """Find out what a body is; the body is closed with the test."""
    with ExitStack() as stack:

        def open_body(
            data: bytes, *, raw: bool = False, both: bool = False, **query: str
        ) -> Upload:
            body = stack.enter_context(Body(data))
            asked = read("pulse", query, languages=frozenset({"en"}), region="any")
            upload = uploads.read(body, asked, RATES, raw=raw, both=both)
            stack.callback(upload.pieces.close)
            return upload

        yield open_body


def file(
    seconds: float, rate: int, channels: int = 1, form: str = "WAV", subtype: str = "PCM_16"
) -> bytes:
    made = io.BytesIO()
    samples = np.full((round(seconds * rate), channels), 1000, np.int16)
    soundfile.write(made, samples, rate, format=form, subtype=subtype)
    return made.getvalue()


def heard(upload: Upload) -> NDArray[np.int16]:
    return np.concatenate(list(upload.pieces))


@pytest.mark.parametrize(
    ("rate", "channels", "form", "heard_at"),
    [(16_000, 1, "WAV", 16_000), (44_100, 2, "WAV", 16_000), (11_025, 6, "FLAC", 8_000)],
)
def test_any_rate_and_channels_become_mono_at_a_rate_of_the_recognizer(
    opened: Open, rate: int, channels: int, form: str, heard_at: int
) -> None:
    upload = opened(file(2.0, rate, channels, form))
    samples = heard(upload)
    assert (upload.rate, upload.seconds) == (heard_at, 2.0)
    assert len(samples) == pytest.approx(2.0 * heard_at, abs=2)
    assert np.median(samples) == pytest.approx(1000, abs=2)


@pytest.mark.parametrize("rate", [16_000, 44_100])
@pytest.mark.parametrize("form", ["WAV", "AIFF"])
def test_two_channels_stay_apart_where_both_are_asked_for(
    opened: Open, form: str, rate: int
) -> None:
    made = io.BytesIO()
    sides = np.tile(np.array([[1000, -500]], np.int16), (rate, 1))
    soundfile.write(made, sides, rate, format=form)
    samples = heard(opened(made.getvalue(), both=True))
    assert samples.shape == pytest.approx((16_000, 2), abs=2)
    assert list(np.median(samples, axis=0)) == [1000, -500]
    assert heard(opened(file(1.0, rate, 1, form), both=True)).ndim == 1


@pytest.mark.parametrize("suffix", [".m4a", ".webm"])
def test_what_libsndfile_does_not_know_is_read_by_ffmpeg(
    opened: Open, suffix: str, tmp_path: Path
) -> None:
    upload = opened(record(tmp_path / f"call{suffix}", 0).read_bytes())
    samples = heard(upload)
    assert len(samples) / upload.rate == pytest.approx(upload.seconds, abs=0.1)


def test_a_long_file_comes_in_pieces(opened: Open) -> None:
    upload = opened(file(3600.0, 8_000, form="FLAC"))
    assert upload.seconds == 3600.0
    assert all(len(piece) <= 1 << 16 for piece in islice(upload.pieces, 3))


def test_bare_opus_is_a_packet_and_other_samples_come_in_pieces(opened: Open) -> None:
    pieces = list(opened(bytes(400_000), raw=True, encoding="mulaw").pieces)
    assert len(pieces) > 5
    assert sum(map(len, pieces)) == 400_000
    with pytest.raises(RefusedError, match="Opus"):
        heard(opened(b"\xff" * 3200, raw=True, encoding="opus"))


def test_a_header_that_claims_more_than_there_is_ends_with_the_data(opened: Open) -> None:
    body = bytearray(file(1.0, 16_000, form="FLAC"))
    (packed,) = struct.unpack_from(">Q", body, 18)  # the last 36 bits: how many samples there are
    struct.pack_into(">Q", body, 18, packed | (1 << 36) - 1)
    upload = opened(bytes(body))
    assert upload.seconds > 1_000_000
    count = 0
    try:
        for piece in upload.pieces:
            assert len(piece)
            count += len(piece)
    except RefusedError:
        pass  # which libsndfile may make of it
    assert count <= 16_000


# As FFmpeg's own program hears it


def speech(form: str = "WAV", subtype: str = "PCM_16", first: int = 0, channels: int = 1) -> bytes:
    made = io.BytesIO()
    pcm = speak(range(first, first + 4), 16_000, tail_seconds=0.1)
    pcm = np.repeat(pcm[:, None], channels, axis=1)
    soundfile.write(made, pcm, 16_000, format=form, subtype=subtype)
    return made.getvalue()


def without_length(length: int) -> bytes:
    """A WAV file written to a pipe: the writer did not know the length."""
    body = bytearray(speech())
    struct.pack_into("<I", body, body.index(b"data") + 4, length)
    struct.pack_into("<I", body, 4, length)
    return bytes(body)


ODD_FILES = {
    "float WAV": speech(subtype="FLOAT"),
    "double WAV": speech(subtype="DOUBLE"),
    "data length 0": without_length(0),
    "data length unknown": without_length(0xFFFFFFFF),
    "joined WAV": speech() + speech(first=4),
    "joined FLAC": speech("FLAC") + speech("FLAC", first=4),
    "chained Ogg": speech("OGG", "VORBIS") + speech("OGG", "VORBIS", first=4),
    "chained Ogg of other channels": speech("OGG", "VORBIS")
    + speech("OGG", "VORBIS", first=4, channels=2),
    "joined MP3": speech("MP3", "MPEG_LAYER_III") + speech("MP3", "MPEG_LAYER_III", first=4),
    "WAV with more behind it": speech() + b"LIST" + struct.pack("<I", 2000) + bytes(2000),
    "cut off in the middle": speech()[:30_001],
}
LOSSY = {
    "chained Ogg",
    "chained Ogg of other channels",
    "joined MP3",
}  # versions of FFmpeg differ by some samples at a joint


def spoken(samples: NDArray[np.int16]) -> list[str]:
    """The words of `speak` in samples."""

    async def recognize() -> list[str]:
        decoder = ScriptedDecoder(16_000)
        await decoder.feed(samples)
        return [word.text for word in await decoder.finish_segment()]

    return asyncio.run(recognize())


@pytest.mark.parametrize("name", ODD_FILES)
def test_an_odd_file_is_heard_as_by_the_program_of_ffmpeg(
    opened: Open, name: str, tmp_path: Path
) -> None:
    program = shutil.which("ffmpeg")
    if program is None:
        pytest.skip("needs the program ffmpeg")
    path = tmp_path / "call"
    path.write_bytes(ODD_FILES[name])
    wanted = subprocess.run(
        [
            program,
            "-v",
            "quiet",
            "-threads",
            "1",
            "-i",
            path,
            "-ac",
            "1",
            "-ar",
            "16000",
            "-f",
            "s16le",
            "-",
        ],
        capture_output=True,
        check=False,
    ).stdout
    expected = np.frombuffer(wanted, np.int16)
    samples = heard(opened(ODD_FILES[name]))
    assert len(samples) == pytest.approx(len(expected), abs=1300)  # a packet of MP3 or Vorbis
    if name not in LOSSY:
        difference = samples.astype(int) - expected
        assert np.abs(difference).max() <= 2
    words = range(8) if "joined" in name or "chained" in name else range(4)
    assert spoken(samples) == [spell(word) for word in words][: len(spoken(expected))]


@pytest.mark.parametrize("name", ["float WAV", "double WAV"])
def test_float_samples_are_heard_without_ffmpeg_too(
    opened: Open, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "find_spec", lambda name: None)
    samples = heard(opened(ODD_FILES[name]))
    assert np.abs(samples).max() > 10_000


# What FFmpeg must not be made to do

HOSTILE = {
    "HLS playlist": b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:%d/a.ts\n",
    "SDP": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    b"m=audio %d RTP/AVP 0\na=rtpmap:0 PCMU/8000\n",
    "concat": b"ffconcat version 1.0\nfile 'http://127.0.0.1:%d/a.wav'\n",
    "DASH": b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static">'
    b"<Period><AdaptationSet><Representation id='1'><BaseURL>http://127.0.0.1:%d/a</BaseURL>"
    b"</Representation></AdaptationSet></Period></MPD>",
    "file list": b"ffconcat version 1.0\nfile '/etc/hostname'\n#%d",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_names_other_files_or_hosts_is_refused(opened: Open, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        with pytest.raises(RefusedError) as caught:
            opened(HOSTILE[name].replace(b"%d", str(port).encode()))
        listening.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody has called
            listening.accept()
    assert caught.value.error_code == "AudioDecodeError"


def test_a_decoder_that_says_nothing_is_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(uploads, "_WORKER", "asyncio")  # an interpreter that waits for its input
    asked = read("pulse", {}, languages=frozenset({"en"}))
    with Body(without_length(0)) as body, pytest.raises(RefusedError):
        uploads.read(body, asked, RATES, raw=False, timeout=0.2)
