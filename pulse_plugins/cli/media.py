"""Audio of any container that PyAV reads, a piece at a time, without holding the event loop."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Generator
from itertools import chain
from pathlib import Path
from urllib.parse import urlsplit

from pulse_plugins.cli.exits import CommandError, Exit, needs
from pulse_plugins.cli.threads import in_thread

SUFFIXES = frozenset(
    ".aac .aif .aiff .amr .au .flac .m4a .mka .mkv .mov .mp2 .mp3 .mp4 .oga .ogg .opus .wav .webm "
    ".wma".split()
)
PIECE = 0.5  # seconds of audio read at a time
_OPEN_TIMEOUT = 20.0  # seconds; for a URL


def is_url(source: str) -> bool:
    """Whether a source is fetched over the network."""
    return source.startswith(("http://", "https://"))


def _is_host_named(url: str) -> bool:
    try:
        return bool(urlsplit(url).hostname)
    except ValueError:
        return False


def find(sources: list[str]) -> list[str]:
    """The recordings that the arguments name; a directory stands for all that are in it.

    Raises:
        CommandError: An argument names nothing, a URL that cannot be, or a directory without any
            recording.
        OSError: A directory may not be read.
    """
    found: list[str] = []
    for source in sources:
        path = Path(source)
        if is_url(source) and not _is_host_named(source):
            raise CommandError(f"{source}: this URL names no host", Exit.USAGE)
        if is_url(source) or path.is_file():
            found.append(source)
        elif path.is_dir():
            os.scandir(path).close()  # one that may not be read is not one without audio
            named = (p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES)
            inside = sorted(p for p in named if p.is_file())
            if not inside:
                raise CommandError(f"{source}: no audio in this directory", Exit.USAGE)
            found += [str(p) for p in inside]
        else:
            raise CommandError(f"{source}: no such file or directory", Exit.USAGE)
    return list(dict.fromkeys(found))


def duration(source: str) -> float | None:
    """Seconds of audio as the container's header says, or None where it does not."""
    with needs("codecs", "reading audio files"):
        import av
    try:
        with av.open(source, timeout=_OPEN_TIMEOUT) as container:
            known = container.duration
    except (OSError, ValueError, av.error.FFmpegError):
        return None  # reading it will say what is wrong
    return None if known is None else known / 1_000_000


def _decode(source: str, rate: int) -> Generator[bytes, None, None]:
    """16-bit mono samples of the first audio track."""
    with needs("codecs", "reading audio files"):
        import av
    try:
        with av.open(source, timeout=_OPEN_TIMEOUT) as container:
            if not container.streams.audio:
                raise CommandError(f"{source}: there is no audio in it")
            resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
            held = bytearray()
            for frame in chain(container.decode(audio=0), [None]):
                for piece in resampler.resample(frame):
                    held += piece.to_ndarray().tobytes()
                if len(held) >= PIECE * rate * 2:
                    yield bytes(held)
                    held.clear()
            if held:
                yield bytes(held)
    except (av.error.FFmpegError, ValueError) as error:
        why = getattr(error, "strerror", None) or error  # FFmpeg's own text repeats the name
        raise CommandError(f"{source}: it cannot be read: {why}") from error


async def pcm(source: str, rate: int) -> AsyncGenerator[bytes, None]:
    """The audio of a file or URL as 16-bit little-endian mono.

    Args:
        source: A path or an http(s) URL.
        rate: Hz, what it is resampled to.

    Raises:
        CommandError: It is no audio, or is broken.
    """
    pieces = _decode(source, rate)
    # Nothing closes it here: a read that is still under way would refuse. Who drops it last does.
    while (piece := await in_thread(lambda: next(pieces, None))) is not None:
        yield piece
