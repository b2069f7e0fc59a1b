"""A local server for commands, recordings of words it understands, and commands run as users do."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.container import OutputContainer
from av.stream import Disposition
from numpy.typing import NDArray

from pulse_plugins.cli.application import run
from pulse_plugins.local.recognizers import scripted
from pulse_plugins.local.server import PulseServer
from pulse_plugins.local.settings import ServerOptions
from tests.support.patience import PATIENCE
from tests.support.programs import Running, running

RATE = 16_000
_ENVIRONMENT = ("PATH", "HOME", "PYTHONPATH", "LANG", "VIRTUAL_ENV", "SYSTEMROOT")


@asynccontextmanager
async def server(faults: Sequence[str] = (), **options: Any) -> AsyncIterator[PulseServer]:
    """A server that hears the words which `record` hides in the audio."""
    made = ServerOptions(**{"recognizer": "scripted", **options})
    async with PulseServer(made, faults=faults) as running:
        yield running


async def command(*words: str) -> int:
    """Run a command beside this loop; its output goes to the test's."""
    return await asyncio.to_thread(run, words)


@dataclass(frozen=True, slots=True)
class Ended:
    """What a process said and how it left."""

    code: int
    out: str
    err: str


class Program:
    """A command in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process | Running) -> None:
        self._process = process

    async def line(self) -> str:
        """The next line that it prints."""
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            return (await self._process.stdout.readline()).decode().strip()

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def terminate(self) -> None:
        """Ask it to end, as a supervisor does."""
        self._process.send_signal(signal.SIGTERM)

    async def ended(self) -> Ended:
        """Wait for its end."""
        async with asyncio.timeout(PATIENCE):
            out, err = await self._process.communicate()
        assert self._process.returncode is not None
        return Ended(self._process.returncode, (out or b"").decode(), err.decode())

    def kill(self) -> None:
        """End it without a warning, if it has not ended."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)


# The superuser may write anywhere, except without these two capabilities.
LIKE_A_USER = (
    ("setpriv", "--bounding-set", "-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
)


@asynccontextmanager
async def program(
    *words: str,
    before: Sequence[str] = (),
    stdout: int | None = None,
    virtual: bool = False,
    **environment: str,
) -> AsyncIterator[Program]:
    """Start `pulse-plugins` with these words, as a copy of a process that has imported it.

    Args:
        before: A command that starts it; this and variables of Python need a new interpreter.
        stdout: A file descriptor for what it prints; by default the test reads it.
        virtual: Its event loop runs in virtual time. No other process may talk to it.
    """
    kept = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    arguments = ("-m", "pulse_plugins.cli", *words)
    if not before and not any(name.startswith("PYTHON") for name in environment):
        variables = {**kept, **environment}
        async with running(*arguments, environment=variables, stdout=stdout, virtual=virtual) as it:
            yield Program(it)
        return
    assert not virtual
    process = await asyncio.create_subprocess_exec(
        *before,
        sys.executable,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE if stdout is None else stdout,
        stderr=asyncio.subprocess.PIPE,
        env={**kept, **environment},
        cwd=Path(__file__).parents[2],
    )
    made = Program(process)
    try:
        yield made
    finally:
        made.kill()
        await process.wait()


CODECS = {
    ".wav": "pcm_s16le",
    ".flac": "flac",
    ".mp3": "libmp3lame",
    ".m4a": "aac",
    ".ogg": "libopus",
    ".mkv": "pcm_s16le",
    ".aiff": "pcm_s16be",
    ".au": "pcm_s16be",
    ".mov": "pcm_s16le",
    ".webm": "libopus",
}


def words(first: int, count: int) -> list[str]:
    """The words that a recording of these numbers holds."""
    return [scripted.spell(number) for number in range(first, first + count)]


def record(path: Path, first: int, count: int = 4) -> Path:
    """Write a recording of numbered words, in the container that its name asks for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    said = scripted.speak(range(first, first + count), RATE, lead_seconds=0.4, tail_seconds=0.4)
    codec = CODECS[path.suffix]
    return save(path, said, codec=codec, rate=48_000 if codec == "libopus" else RATE)


def save(
    path: Path,
    samples: NDArray[np.int16],
    *,
    codec: str,
    rate: int = RATE,
    start: float = 0.0,
    tracks: Sequence[NDArray[np.int16]] = (),
    picture: float = 0.0,
    holes: Sequence[tuple[float, float]] = (),
    default: int = 1,
    **options: str,
) -> Path:
    """Write a recording as any codec in any container.

    Args:
        samples: At `RATE`; a column for each channel, or mono.
        codec: FFmpeg's name of the encoder.
        rate: Hz that the encoder gets.
        start: Seconds at which the audio begins in the container.
        tracks: More audio tracks.
        picture: Seconds of a black picture beside the audio, from the start; 0: none.
        holes: After how many seconds the time stamps jump, and by how many seconds.
        default: The track that the container calls its default one, counted from 1.
        options: For the container.
    """
    with av.open(str(path), "w", options=options) as container:
        film = container.add_stream("mpeg4", rate=10) if picture else None
        if film is not None:
            film.width = film.height = 64
            film.pix_fmt = "yuv420p"
        writers = [
            _Track(container, each, codec, rate, is_default=number == default)
            for number, each in enumerate((samples, *tracks), 1)
        ]
        if film is not None:
            black = np.zeros((64, 64, 3), np.uint8)
            for _ in range(round(picture * 10)):
                container.mux(film.encode(av.VideoFrame.from_ndarray(black)))
            container.mux(film.encode(None))
        for writer in writers:
            writer.write(start, holes)
    return path


class _Track:
    """One audio track of a container that is being written."""

    def __init__(
        self,
        container: OutputContainer,
        samples: NDArray[np.int16],
        codec: str,
        rate: int,
        *,
        is_default: bool,
    ) -> None:
        self._container = container
        self._samples = samples if samples.ndim == 2 else samples[:, None]
        count = self._samples.shape[1]
        self._layout = {1: "mono", 2: "stereo", 4: "4.0", 6: "5.1"}[count]
        self._stream = cast(
            "av.AudioStream", container.add_stream(codec, rate=rate, layout=self._layout)
        )
        self._stream.disposition = Disposition.default if is_default else Disposition(0)
        self._rate = rate
        if codec not in ("flac", "alac") and not codec.startswith(("pcm", "adpcm")):
            self._stream.bit_rate = 128_000

    def write(self, start: float, holes: Sequence[tuple[float, float]]) -> None:
        """Encode all of it."""
        stream = self._stream
        planes = np.ascontiguousarray(self._samples.T)
        frame = av.AudioFrame.from_ndarray(planes, format="s16p", layout=self._layout)
        frame.sample_rate = RATE
        size = stream.codec_context.frame_size or 1024
        resampler = av.AudioResampler(stream.format.name, self._layout, self._rate, size)
        at = round(start * self._rate)
        for piece in (*resampler.resample(frame), *resampler.resample(None)):
            time = at / self._rate
            late = sum(length for after, length in holes if time - start >= after)
            piece.pts = at + round(late * self._rate)
            piece.time_base = Fraction(1, self._rate)
            at += piece.samples
            self._container.mux(stream.encode(piece))
        self._container.mux(stream.encode(None))
