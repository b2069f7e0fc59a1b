"""A local server for commands, recordings of words it understands, and commands run as users do."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import av
import numpy as np

from pulse_plugins.cli.application import run
from pulse_plugins.local.recognizers import scripted
from pulse_plugins.local.server import PulseServer
from pulse_plugins.local.settings import ServerOptions

RATE = 16_000
_ENVIRONMENT = ("PATH", "HOME", "PYTHONPATH", "LANG", "VIRTUAL_ENV", "SYSTEMROOT")


@asynccontextmanager
async def server(faults: Sequence[str] = (), **options: Any) -> AsyncIterator[PulseServer]:
    """A server that hears the words which `record` hides in the audio."""
    made = ServerOptions(recognizer="scripted", **options)
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

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def line(self) -> str:
        """The next line that it prints."""
        assert self._process.stdout is not None
        async with asyncio.timeout(40):
            return (await self._process.stdout.readline()).decode().strip()

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def terminate(self) -> None:
        """Ask it to end, as a supervisor does."""
        self._process.send_signal(signal.SIGTERM)

    async def ended(self) -> Ended:
        """Wait for its end."""
        async with asyncio.timeout(40):
            out, err = await self._process.communicate()
        assert self._process.returncode is not None
        return Ended(self._process.returncode, (out or b"").decode(), err.decode())

    def kill(self) -> None:
        """End it without a warning, if it has not ended."""
        if self._process.returncode is None:
            self._process.kill()


# The superuser may write anywhere, except without these two capabilities.
LIKE_A_USER = (
    ("setpriv", "--bounding-set", "-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
)


@asynccontextmanager
async def program(
    *words: str, before: Sequence[str] = (), stdout: int | None = None, **environment: str
) -> AsyncIterator[Program]:
    """Start `pulse-plugins` with these words.

    Args:
        before: A command that starts it.
        stdout: A file descriptor for what it prints; by default the test reads it.
    """
    kept = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        *before,
        sys.executable,
        "-m",
        "pulse_plugins.cli",
        *words,
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
    quiet = scripted.silence(0.4, RATE)
    said = scripted.speak(range(first, first + count), RATE)
    samples = np.concatenate((quiet, said, quiet))
    codec = CODECS[path.suffix]
    rate = 48_000 if codec == "libopus" else RATE
    with av.open(str(path), "w") as container:
        stream = cast("av.AudioStream", container.add_stream(codec, rate=rate, layout="mono"))
        stream.bit_rate = 128_000
        frame = av.AudioFrame.from_ndarray(samples[None, :], format="s16", layout="mono")
        frame.sample_rate = RATE
        size = stream.codec_context.frame_size or 1024
        resampler = av.AudioResampler(stream.format.name, "mono", rate, size)
        for piece in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return path
