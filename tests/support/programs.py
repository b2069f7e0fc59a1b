"""Python programs in processes of their own, which need not import the frameworks again.

A process of its own imports in up to two seconds what this project needs, and most programs of the
tests end in less. Therefore one process for the whole run imports everything once, and each program
is a copy of it (see `preloading`). A test of what an interpreter does when it starts, such as its
choice of an encoding, starts an interpreter instead.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Literal

from tests.support.patience import PATIENCE
from tests.support.preloading import NAMES
from tests.support.virtual_time import VirtualLoop

ROOT = Path(__file__).parents[2]
_FOLDER = "TESTS_PRELOADING"  # the environment variable that tells workers where the sockets are

_Imported = Literal["frameworks", "all"]


class Preloading:
    """Holds the process that starts programs; it imports nothing before the first program."""

    def __init__(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="programs-")
        listeners = [socket.socket(socket.AF_UNIX) for _ in NAMES]
        for name, each in zip(NAMES, listeners, strict=True):
            each.bind(str(Path(self._folder, name)))
            each.listen(64)
        numbers = [each.fileno() for each in listeners]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.preloading", *map(str, numbers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=numbers,
            cwd=ROOT,
        )
        for each in listeners:
            each.close()
        os.environ[_FOLDER] = self._folder

    def close(self) -> None:
        """End it. Programs that still run go on."""
        del os.environ[_FOLDER]
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        shutil.rmtree(self._folder)


class Program:
    """A program that runs, or has ended.

    Attributes:
        pid: The number of its process.
        returncode: As of `subprocess`: negative is the number of the signal that ended it; None
            while it runs.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        streams: Sequence[int],
        *,
        folder: Path = ROOT,
        imported: _Imported = "all",
        virtual: bool = False,
    ) -> None:
        """Start it.

        Args:
            arguments: `-m` and a module, or the path of a script; then the program's arguments.
            environment: All its variables.
            streams: File descriptors that become its standard input, output and error.
            folder: The working directory.
            imported: What it finds imported; `frameworks` is nothing of this project.
            virtual: Its event loop runs in virtual time. No other process may talk to it.
        """
        job = {
            "arguments": arguments,
            "environment": dict(environment),
            "folder": str(folder),
            "virtual": virtual,
        }
        text = json.dumps(job).encode() + b"\n"
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.settimeout(PATIENCE)
        self._connection.connect(str(Path(os.environ[_FOLDER], imported)))
        sent = socket.send_fds(self._connection, [text], streams)
        self._connection.sendall(text[sent:])
        self._received = b""
        self.pid = self._number()
        self.returncode: int | None = None

    def _number(self) -> int:
        while b"\n" not in self._received:
            received = self._connection.recv(100)
            if not received:
                raise ConnectionError("the process that starts programs has failed")
            self._received += received
        line, _, self._received = self._received.partition(b"\n")
        return int(line)

    def wait(self, seconds: float | None = None) -> int:
        """Wait for the end.

        Raises:
            TimeoutError: It still runs after so many seconds.
        """
        if self.returncode is None:
            self._connection.settimeout(seconds)
            self.returncode = self._number()
            self._connection.close()
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, if it has not ended."""
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it without a warning, if it has not ended."""
        self.send_signal(signal.SIGKILL)


class Running:
    """A program beside an event loop on the real clock.

    Attributes:
        stdout: What it prints; nothing if that goes elsewhere.
        stderr: What it reports; nothing if that goes where the output goes.
    """

    def __init__(
        self, program: Program, stdout: asyncio.StreamReader, stderr: asyncio.StreamReader
    ) -> None:
        self._program = program
        self.stdout = stdout
        self.stderr = stderr

    @property
    def returncode(self) -> int | None:
        """As of `Program`."""
        return self._program.returncode

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, if it has not ended."""
        self._program.send_signal(number)

    async def wait(self) -> int:
        """Wait for the end."""
        return await asyncio.to_thread(self._program.wait)

    async def communicate(self) -> tuple[bytes, bytes]:
        """Wait for the end, and return what it printed and reported since the last read."""
        out, err, _ = await asyncio.gather(self.stdout.read(), self.stderr.read(), self.wait())
        return out, err


@asynccontextmanager
async def running(
    *arguments: str,
    environment: Mapping[str, str],
    stdout: int | None = None,
    joined: bool = False,
    imported: _Imported = "all",
    virtual: bool = False,
) -> AsyncIterator[Running]:
    """Start a program, and end it with the block.

    Args:
        arguments: `-m` and a module, or the path of a script; then the program's arguments.
        environment: All its variables.
        stdout: A file descriptor for what it prints; by default the test reads it.
        joined: What it reports goes where it prints.
        imported: What it finds imported; `frameworks` is nothing of this project.
        virtual: Its event loop runs in virtual time. No other process may talk to it.
    """
    if isinstance(asyncio.get_running_loop(), VirtualLoop):
        raise RuntimeError("another process has another clock: mark this test `process`")
    with ExitStack() as ours, ExitStack() as theirs:
        nothing = os.open(os.devnull, os.O_RDWR)
        theirs.callback(os.close, nothing)
        out = await _pipe(ours, theirs) if stdout is None else (asyncio.StreamReader(), stdout)
        err = (asyncio.StreamReader(), out[1]) if joined else await _pipe(ours, theirs)
        for reader in (*([out[0]] if stdout is not None else ()), *([err[0]] if joined else ())):
            reader.feed_eof()
        start = partial(
            Program,
            arguments,
            environment,
            (nothing, out[1], err[1]),
            imported=imported,
            virtual=virtual,
        )
        program = await asyncio.to_thread(start)
        theirs.close()
        try:
            yield Running(program, out[0], err[0])
        finally:
            program.kill()
            await asyncio.to_thread(program.wait)


async def _pipe(ours: ExitStack, theirs: ExitStack) -> tuple[asyncio.StreamReader, int]:
    """A reader of what is written to a file descriptor, which is the program's alone."""
    loop = asyncio.get_running_loop()
    reading, writing = os.pipe()
    theirs.callback(os.close, writing)
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading, "rb", 0)
    )
    ours.callback(transport.close)
    return reader, writing
