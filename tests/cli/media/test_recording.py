"""Any container, in pieces; and what is not audio."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest

from pulse_plugins.cli.exits import CommandError
from pulse_plugins.cli.media import recording
from tests.support.patience import PATIENCE

pytestmark = pytest.mark.process

RATE = 44_100
SECONDS = 2.0


def tone(path: Path, codec: str, layout: str = "stereo") -> Path:
    """Write a 440 Hz tone in this codec."""
    with av.open(str(path), "w") as container:
        stream = cast("av.AudioStream", container.add_stream(codec, rate=RATE, layout=layout))
        samples = np.sin(np.arange(round(SECONDS * RATE)) * (2 * np.pi * 440 / RATE)) * 8000
        planes = np.repeat(
            samples.astype(np.int16)[None, :], 2 if layout == "stereo" else 1, axis=0
        )
        frame = av.AudioFrame.from_ndarray(planes, format="s16p", layout=layout)
        frame.sample_rate = RATE
        resampler = av.AudioResampler(stream.format.name, layout, RATE, stream.frame_size or 1024)
        for piece in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.wav", "pcm_s16le"),
        ("a.flac", "flac"),
        ("a.mp3", "libmp3lame"),
        ("a.m4a", "aac"),
        ("a.mkv", "pcm_s16le"),
    ],
)
async def test_every_container_gives_the_same_sound(name: str, codec: str, tmp_path: Path) -> None:
    path = tone(tmp_path / name, codec)
    data = b"".join([piece async for piece in recording.pcm(str(path), 16_000)])
    samples = np.frombuffer(data, "<i2").astype(float)
    assert len(samples) / 16_000 == pytest.approx(SECONDS, abs=0.08)  # codecs pad
    middle = samples[8000:24_000]
    peak = np.argmax(np.abs(np.fft.rfft(middle)))
    assert peak * 16_000 / len(middle) == pytest.approx(440, abs=2)
    known = recording.header(str(path)).seconds
    assert known == pytest.approx(SECONDS, abs=0.1)


async def test_long_audio_comes_in_pieces(tmp_path: Path) -> None:
    path = tone(tmp_path / "a.wav", "pcm_s16le")
    pieces = [piece async for piece in recording.pcm(str(path), 16_000)]
    assert len(pieces) >= 3
    assert max(map(len, pieces)) < 2 * 16_000 * 2 * recording.PIECE


@pytest.mark.parametrize("content", [b"", b"this is no audio at all" * 100])
async def test_what_is_not_audio_is_one_clear_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.wav"
    path.write_bytes(content)
    with pytest.raises(CommandError, match=r"bad\.wav") as caught:
        await anext(recording.pcm(str(path), 16_000))
    assert "\n" not in str(caught.value)
    assert recording.header(str(path)).seconds is None


async def test_a_video_without_sound_says_so(tmp_path: Path) -> None:
    path = tmp_path / "silent.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        image = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))
        container.mux(stream.encode(image))
        container.mux(stream.encode(None))
    with pytest.raises(CommandError, match="no audio in it"):
        await anext(recording.pcm(str(path), 16_000))


@pytest.mark.skipif(sys.platform == "win32", reason="named pipes are files on Unix only")
@pytest.mark.process
class TestNamedPipe:
    """Who opens a pipe a second time waits for a writer for ever."""

    async def test_a_recording_in_it_is_read_once(self, tmp_path: Path) -> None:
        content = tone(tmp_path / "a.wav", "pcm_s16le").read_bytes()
        assert len(await self.heard(tmp_path / "pipe", content)) > 16_000

    async def test_what_is_not_audio_is_told_without_a_second_look(self, tmp_path: Path) -> None:
        with pytest.raises(CommandError, match="it cannot be read: Invalid data"):
            await self.heard(tmp_path / "pipe", b"this is no audio at all" * 100)

    async def heard(self, pipe: Path, content: bytes) -> bytes:
        os.mkfifo(pipe)
        writing = asyncio.create_task(asyncio.to_thread(pipe.write_bytes, content))
        async with asyncio.timeout(PATIENCE):
            pieces = [piece async for piece in recording.pcm(str(pipe), 16_000)]
        await writing
        return b"".join(pieces)
