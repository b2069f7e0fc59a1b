"""The process that decodes an upload with FFmpeg, so that no upload can harm the server.

The body is the standard input, a file. The standard output is one line of JSON with the sample
rate, the number of channels and the seconds that the file claims, and then 16-bit samples. The
process opens nothing else: it knows a list of containers, none of which names other files, and no
protocol. Its memory and its processor time are limited by the operating system.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import IO

import av
from av.audio.frame import AudioFrame
from av.container import InputContainer

from pulse_plugins.core.audio import ogg_links

# Containers that hold audio themselves. Playlists, SDP, `concat` and picture sequences name other
# files or hosts and are not among them.
FORMATS = "wav,w64,aiff,au,flac,mp3,aac,ogg,mov,mp4,m4a,matroska,webm,caf,amr"
_FLAC = b"fLaC\x00\x00\x00\x22"  # the mark, and the head of the first block of metadata
MEMORY_BYTES = 2 << 30
PROCESSOR_SECONDS = 600


def limit_resources() -> None:
    """Bound memory, processor time and files, where the operating system can."""
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    for what, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, PROCESSOR_SECONDS),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(ValueError, OSError):
            resource.setrlimit(what, (most, most))


def parts(body: IO[bytes]) -> Iterator[IO[bytes]]:
    """The files that a body is joined of, where FFmpeg loses audio at the joint.

    FFmpeg hears joined MP3 files to the end. Of joined FLAC files it loses the frame at each
    joint, and more with several threads. Of joined Ogg files FFmpeg 7 and later lose all that
    follows a change of the codec or of the channels.
    """
    head = body.read(8)
    body.seek(0)
    is_flac = head.startswith(_FLAC[:4])
    if not is_flac and not ogg_links.is_ogg(head):
        yield body
        return
    data = body.read()
    places = flac_joints(data) if is_flac else ogg_links.links(data)
    for start, end in zip(places, (*places[1:], None), strict=True):
        yield io.BytesIO(data[start:end])


def flac_joints(data: bytes) -> list[int]:
    """The places at which the FLAC files begin that were joined."""
    places = [0]
    while (place := data.find(_FLAC, places[-1] + 4)) >= 0:
        places.append(place)
    return places


def frames(container: InputContainer) -> Iterator[AudioFrame]:
    """The frames of the first audio stream; damaged packets are left out, as FFmpeg does it."""
    stream = container.streams.audio[0]
    stream.codec_context.thread_count = 1
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.FFmpegError):
            return
        with suppress(av.FFmpegError, ValueError):
            yield from packet.decode()


def samples(body: IO[bytes], channels: int) -> Iterator[bytes]:
    """The first line and the samples of a body."""
    layout, rate = "", 0
    resampler: av.AudioResampler | None = None
    shape: tuple[str, str, int] | None = None
    for container, frame in decoded(body):
        if resampler is None:
            rate = frame.sample_rate
            both = channels == 2 and len(frame.layout.channels) == 2
            layout = "stereo" if both else "mono"
            seconds = (container.duration or 0) / av.time_base
            head = {"rate": rate, "channels": 2 if both else 1, "seconds": max(0.0, seconds)}
            yield json.dumps(head).encode() + b"\n"
        found = (frame.format.name, frame.layout.name, frame.sample_rate)
        if found != shape:  # joined files need not be alike
            yield from _flushed(resampler)
            resampler = av.AudioResampler(format="s16", layout=layout, rate=rate)
            shape = found
        frame.pts = None  # times of joined files begin anew
        assert resampler is not None
        for piece in resampler.resample(frame):
            yield piece.to_ndarray().tobytes()
    yield from _flushed(resampler)


def decoded(body: IO[bytes]) -> Iterator[tuple[InputContainer, AudioFrame]]:
    """The frames of all parts, each with its container."""
    options = {"format_whitelist": FORMATS, "protocol_whitelist": "none"}
    for part in parts(body):
        with suppress(av.FFmpegError, ValueError):
            container = av.open(part, "r", options=options)
            if container.streams.audio:
                yield from ((container, frame) for frame in frames(container))


def _flushed(resampler: av.AudioResampler | None) -> Iterator[bytes]:
    if resampler is not None:
        for piece in resampler.resample(None):
            yield piece.to_ndarray().tobytes()


def main() -> None:
    """Decode the standard input."""
    limit_resources()
    av.logging.set_level(None)
    channels = int(sys.argv[1])
    with (
        os.fdopen(0, "rb", closefd=False) as body,
        os.fdopen(1, "wb", closefd=False) as out,
        suppress(BrokenPipeError),
    ):
        for piece in samples(body, channels):
            out.write(piece)
        out.flush()


if __name__ == "__main__":
    main()
