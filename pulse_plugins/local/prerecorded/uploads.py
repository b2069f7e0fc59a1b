"""The body of an upload to samples, a piece at a time: a small file can hold days of silence.

Plain WAV and FLAC files are read by libsndfile. All others are read by FFmpeg, in a process of
its own, where PyAV (extra `codecs`) is installed: joined and chained files, files of unknown
length and float samples then come out as FFmpeg's own program decodes them. Without PyAV
libsndfile reads what it knows.

Nothing here awaits: run it in a thread.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import IO

import numpy as np
import soxr
from numpy.typing import NDArray

from pulse_plugins.local.prerecorded.body import Body
from pulse_plugins.local.wire.encodings import EncodingError, Samples, WireAudio, decoder_rate
from pulse_plugins.local.wire.parameters import Parameters
from pulse_plugins.local.wire.refusals import RefusedError

_RATES = range(1_000, 384_001)  # Hz; what a header may say
_PIECE = 1 << 16  # samples of a file, or bytes without one, that are decoded at a time
_UNKNOWN = 2**63 - 1  # what libsndfile says of a stream that does not tell its length
_WORKER = "pulse_plugins.local.prerecorded.ffmpeg_worker"
_PLAIN_WAV = frozenset({1, 6, 7})  # PCM of whole numbers, A-law and mu-law


@dataclass(frozen=True, slots=True)
class Upload:
    """Audio that is decoded while it is taken.

    Attributes:
        rate: Hz.
        seconds: Of audio, where a header says it, and else 0.
        pieces: Samples of shape `(n,)`, or `(n, 2)` for a recording of two channels where both
            were asked for. Taking one raises `RefusedError` where the audio is broken.
    """

    rate: int
    seconds: float
    pieces: Generator[Samples, None, None]


def read(
    body: Body,
    asked: Parameters,
    rates: frozenset[int],
    *,
    raw: bool,
    both: bool = False,
    timeout: float = 30.0,
) -> Upload:
    """Find out what an upload is.

    Args:
        body: A file, or samples in `asked.encoding` where no container is recognized.
        asked: What the query said.
        rates: Hz that the recognizer takes.
        raw: Whether the query named an encoding, so that the body may be bare samples.
        both: Give the two channels of a two-channel recording apart.
        timeout: Seconds that FFmpeg may take for the first piece and for each one after it.

    Raises:
        RefusedError: It holds no audio, or at a rate that no audio has.
    """
    has_ffmpeg = find_spec("av") is not None
    found = None
    if _is_plain(body.file(), body.size) or not has_ffmpeg:
        found = _sound_file(body.file(), 2 if both else 1)
    if found is None and has_ffmpeg:
        found = _ffmpeg(body, 2 if both else 1, timeout)
    if found is None:
        if not raw:
            raise _broken()
        rate = decoder_rate(asked.sample_rate, rates)
        wire = WireAudio(asked.encoding, asked.sample_rate, rate)
        return Upload(rate, 0.0, _bare(body, wire, asked.encoding))
    rate = decoder_rate(_checked(found.rate), rates)
    if found.rate == rate:
        return found
    return replace(found, rate=rate, pieces=_resampled(found, rate))


def _is_plain(file: IO[bytes], size: int) -> bool:
    """Whether libsndfile and FFmpeg hear the same in a file."""
    head = file.read(12)
    if head[:4] == b"fLaC":
        return not _holds_again(file, b"fLaC")
    if head[:4] != b"RIFF" or head[8:] != b"WAVE":
        return False
    place, form = 12, 0
    while len(chunk := file.read(8)) == 8:
        name, length = chunk[:4], struct.unpack("<I", chunk[4:])[0]
        place += 8 + length + length % 2
        if name == b"data":
            return length > 0 and form in _PLAIN_WAV and size - 1 <= place <= size + 1
        content = file.read(length + length % 2) if length < 1 << 16 else b""
        if not content:
            return False
        if name == b"fmt " and length >= 2:
            form = struct.unpack("<H", content[:2])[0]
    return False


def _holds_again(file: IO[bytes], mark: bytes) -> bool:
    """Whether the rest of a file holds these bytes."""
    tail = b""
    while block := file.read(1 << 20):
        if mark in tail + block:
            return True
        tail = block[-len(mark) :]
    return False


def _sound_file(body: IO[bytes], channels: int) -> Upload | None:
    """What libsndfile reads."""
    import soundfile

    try:
        file = soundfile.SoundFile(body)
    except soundfile.LibsndfileError:
        return None
    rate = _checked(file.samplerate)
    seconds = file.frames / rate if file.frames < _UNKNOWN else 0.0
    both = channels == 2 and file.channels == 2
    # Asked for whole numbers, libsndfile cuts float samples to -1, 0 and 1.
    floats = file.subtype in ("FLOAT", "DOUBLE")

    def pieces() -> Generator[Samples, None, None]:
        size = max(1, _PIECE // file.channels)
        kind = "float32" if floats else "int16"
        try:  # to the end of the data: a header may say anything
            while len(block := file.read(size, dtype=kind, always_2d=True)):
                if floats:
                    block = (block * 32768.0).clip(-32768, 32767)
                yield block.astype(np.int16) if both else mono(block)
        except soundfile.LibsndfileError as error:
            raise _broken() from error

    return Upload(rate, seconds, pieces())


def mono(block: NDArray[np.generic]) -> Samples:
    """The mean of the channels of shape `(n, channels)`."""
    if block.ndim == 1:
        return block.astype(np.int16)
    if block.shape[1] == 1:
        return block[:, 0].astype(np.int16)
    return np.asarray(block.mean(axis=1)).astype(np.int16)


def _ffmpeg(body: Body, channels: int, timeout: float) -> Upload | None:
    """What FFmpeg reads: whether it is audio shows with the first line."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or "." for path in sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", _WORKER, str(channels)],
        stdin=body.descriptor(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    assert process.stdout is not None
    line = _Patient(process, timeout).read(process.stdout.readline)
    if not line.endswith(b"\n"):
        _end(process)
        return None
    head = json.loads(line)
    pieces = _pieces(process, process.stdout, head["channels"], timeout)
    return Upload(head["rate"], head["seconds"], pieces)


def _pieces(
    process: subprocess.Popen[bytes], output: IO[bytes], channels: int, timeout: float
) -> Generator[Samples, None, None]:
    size = 2 * channels * (_PIECE // channels)
    patient = _Patient(process, timeout)
    try:
        while data := patient.read(lambda: output.read(size)):
            block = np.frombuffer(data[: len(data) // (2 * channels) * (2 * channels)], np.int16)
            yield block.reshape(-1, channels) if channels == 2 else block
        if patient.gave_up:
            raise RefusedError(400, "the audio takes too long to decode", "AudioDecodeError")
    finally:
        _end(process)


class _Patient:
    """Reads from a process, which is ended where it keeps the reader waiting too long."""

    def __init__(self, process: subprocess.Popen[bytes], timeout: float) -> None:
        self._process = process
        self._timeout = timeout
        self.gave_up = False

    def read(self, call: Callable[[], bytes]) -> bytes:
        """The bytes of one blocking call; fewer where the process was ended."""
        timer = threading.Timer(self._timeout, self._give_up)
        timer.start()
        try:
            return call()
        finally:
            timer.cancel()

    def _give_up(self) -> None:
        self.gave_up = True
        self._process.kill()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    if process.stdout is not None:
        process.stdout.close()
    process.wait()


def _bare(body: Body, wire: WireAudio, encoding: str) -> Generator[Samples, None, None]:
    file = body.file()
    step = body.size if encoding == "opus" else _PIECE  # bare Opus is one packet
    try:
        while data := file.read(step):
            yield from wire.feed(data)
    except EncodingError as error:
        raise RefusedError(400, str(error), "AudioDecodeError") from error
    yield wire.flush()


def _resampled(upload: Upload, rate: int) -> Generator[Samples, None, None]:
    resampler: soxr.ResampleStream | None = None

    def converted(samples: Samples, *, last: bool = False) -> Samples:
        assert resampler is not None
        return np.asarray(resampler.resample_chunk(samples, last=last), np.int16)

    shape: tuple[int, ...] = (0,)
    with closing(upload.pieces):
        for piece in upload.pieces:
            if resampler is None:
                channels = 1 if piece.ndim == 1 else piece.shape[1]
                shape = (0,) if piece.ndim == 1 else (0, channels)
                resampler = soxr.ResampleStream(
                    upload.rate, rate, channels, dtype="int16", quality="HQ"
                )
            yield converted(piece)
    if resampler is not None:
        yield converted(np.empty(shape, np.int16), last=True)


def _checked(rate: int) -> int:
    if rate not in _RATES:
        text = f"sample rate {rate} Hz: files have {_RATES.start} to {_RATES.stop - 1}"
        raise RefusedError(400, text, "AudioDecodeError")
    return rate


def _broken() -> RefusedError:
    return RefusedError(400, "the audio cannot be decoded", "AudioDecodeError")
