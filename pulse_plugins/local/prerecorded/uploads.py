"""The body of an upload to samples, a piece at a time: a small file can hold days of silence.

Files are read by libsndfile, or where that knows none, by FFmpeg through PyAV (extra `codecs`).
Nothing here awaits: run it in a thread.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
import soxr
from numpy.typing import NDArray

from pulse_plugins.local.connection.driver import decoder_rate
from pulse_plugins.local.wire.encodings import EncodingError, WireAudio
from pulse_plugins.local.wire.parameters import Parameters
from pulse_plugins.local.wire.refusals import RefusedError

Samples = NDArray[np.int16]

_RATES = range(1_000, 384_001)  # Hz; what a header may say
_PIECE = 1 << 16  # samples of a file, or bytes without one, that are decoded at a time
_UNKNOWN = 2**63 - 1  # what libsndfile says of a stream that does not tell its length
_FFMPEG_RATE = 48_000  # Hz; what FFmpeg is asked for


@dataclass(frozen=True, slots=True)
class Upload:
    """Audio that is decoded while it is taken.

    Attributes:
        rate: Hz.
        seconds: Of audio, where a header says it, and else 0.
        pieces: Mono samples; taking one raises `RefusedError` where the audio is broken.
    """

    rate: int
    seconds: float
    pieces: Iterator[Samples]


def read(body: bytes, asked: Parameters, rates: frozenset[int], *, raw: bool) -> Upload:
    """Find out what an upload is.

    Args:
        body: A file, or samples in `asked.encoding` where no container is recognized.
        asked: What the query said.
        rates: Hz that the recognizer takes.
        raw: Whether the query named an encoding, so that the body may be bare samples.

    Raises:
        RefusedError: It holds no audio, or at a rate that no audio has.
    """
    found = _sound_file(body) or _any_container(body)
    if found is None:
        if not raw:
            raise _broken()
        rate = decoder_rate(asked.sample_rate, rates)
        wire = WireAudio(asked.encoding, asked.sample_rate, rate)
        return Upload(rate, 0.0, _bare(body, wire, asked.encoding))
    rate = decoder_rate(found.rate, rates)
    return (
        found if found.rate == rate else replace(found, rate=rate, pieces=_resampled(found, rate))
    )


def _sound_file(body: bytes) -> Upload | None:
    """What libsndfile reads."""
    import soundfile

    try:
        file = soundfile.SoundFile(io.BytesIO(body))
    except soundfile.LibsndfileError:
        return None
    rate, channels = _checked(file.samplerate), file.channels
    seconds = file.frames / rate if file.frames < _UNKNOWN else 0.0

    def pieces() -> Iterator[Samples]:
        size = max(1, _PIECE // channels)
        try:  # to the end of the data: a header may say anything
            while len(block := file.read(size, dtype="int16", always_2d=True)):
                yield block[:, 0] if channels == 1 else block.mean(axis=1).astype(np.int16)
        except soundfile.LibsndfileError as error:
            raise _broken() from error

    return Upload(rate, seconds, pieces())


def _any_container(body: bytes) -> Upload | None:
    """What FFmpeg reads: whether it is audio shows with the first frame."""
    try:
        import av
    except ImportError:
        return None
    try:
        container = av.open(io.BytesIO(body), "r")
        _checked(container.streams.audio[0].rate)
        frames = container.decode(audio=0)
        first = next(frames)
    except (av.FFmpegError, IndexError, ValueError, StopIteration):
        return None
    resampler = av.AudioResampler(format="s16", layout="mono", rate=_FFMPEG_RATE)

    def pieces() -> Iterator[Samples]:
        try:
            for frame in chain([first], frames, [None]):
                for piece in resampler.resample(frame):
                    yield piece.to_ndarray().reshape(-1).astype(np.int16)
        except (av.FFmpegError, ValueError) as error:
            raise _broken() from error

    return Upload(_FFMPEG_RATE, (container.duration or 0) / 1_000_000, _gathered(pieces()))


def _bare(body: bytes, wire: WireAudio, encoding: str) -> Iterator[Samples]:
    step = len(body) if encoding == "opus" else _PIECE  # bare Opus is one packet
    try:
        for start in range(0, len(body), step):
            yield from wire.feed(body[start : start + step])
    except EncodingError as error:
        raise RefusedError(400, str(error), "AudioDecodeError") from error
    yield wire.flush()


def _resampled(upload: Upload, rate: int) -> Iterator[Samples]:
    resampler = soxr.ResampleStream(upload.rate, rate, 1, dtype="int16", quality="HQ")

    def converted(samples: Samples, *, last: bool = False) -> Samples:
        return np.asarray(resampler.resample_chunk(samples, last=last), np.int16)

    for piece in upload.pieces:
        yield converted(piece)
    yield converted(np.empty(0, np.int16), last=True)


def _gathered(pieces: Iterator[Samples]) -> Iterator[Samples]:
    """The same in longer pieces: each one that is taken costs a change of threads."""
    held: list[Samples] = []
    for piece in pieces:
        held.append(piece)
        if sum(map(len, held)) >= _PIECE:
            yield np.concatenate(held)
            held.clear()
    if held:
        yield np.concatenate(held)


def _checked(rate: int) -> int:
    if rate not in _RATES:
        raise RefusedError(
            400,
            f"sample rate {rate} Hz: files have {_RATES.start} to {_RATES.stop - 1}",
            "AudioDecodeError",
        )
    return rate


def _broken() -> RefusedError:
    return RefusedError(400, "the audio cannot be decoded", "AudioDecodeError")
