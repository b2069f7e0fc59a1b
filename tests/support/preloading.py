"""Imports what programs need, once, and starts each program as a copy of this process.

`tests.support.programs` starts this file and asks it for programs. Two processes start them, each
behind a socket of its own: `frameworks` has imported the frameworks and nothing of this project,
and `all` has imported the package, too. Both import at the first program that is asked for.

    python -m tests.support.preloading LISTENER LISTENER

The arguments are the numbers of two listening sockets that the file inherits. The processes end
with their standard input, which the process that started them holds open.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

FRAMEWORKS = [
    "pipecat.pipeline.worker",
    "pipecat.processors.aggregators.llm_response_universal",
    "pipecat.services.smallest.stt",
    "livekit.agents",
    "livekit.plugins.smallestai",
]
PACKAGE = [
    "pulse_plugins.cli.application",
    "pulse_plugins.cli.demo_livekit",
    "pulse_plugins.cli.demo_pipecat",
    "pulse_plugins.local.recognizers.pocketsphinx",
    "pulse_plugins.local.recognizers.scripted",
    "pipecat.runner.run",
]
NAMES = ("frameworks", "all")
STREAMS = 3  # standard input, output and error, which come with each request


def main() -> None:
    """Serve until standard input ends; in a copy of this process, run the program instead."""
    numbers = map(int, sys.argv[1:])
    listeners = {
        name: socket.socket(fileno=each) for name, each in zip(NAMES, numbers, strict=True)
    }
    job = _serve(listeners)
    del listeners
    _run(job)


def _serve(listeners: dict[str, socket.socket]) -> dict[str, Any]:
    """Start a copy for each request. Only the copy returns, with the program that it is to run."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests
    ready, second = False, 0
    while True:
        found, _, _ = select.select([0, *map(socket.socket.fileno, listeners.values())], [], [])
        _count_ended()
        if 0 in found:
            if second:
                os.waitpid(second, 0)
            os._exit(0)
        if not ready:
            _load(FRAMEWORKS)
            ready = True
        name = next(name for name, each in listeners.items() if each.fileno() in found)
        if len(listeners) == 2 and name == "all":
            second = os.fork()
            if second:
                listeners.pop("all").close()
                continue
            listeners.pop("frameworks").close()
            _load(PACKAGE)
        connection, _ = listeners[name].accept()
        if os.fork() == 0:
            for each in listeners.values():
                each.close()
            return _keep(connection)
        connection.close()


def _load(modules: list[str]) -> None:
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)  # Pipecat greets there
    try:
        for name in modules:
            importlib.import_module(name)
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
    gc.collect()
    gc.freeze()  # the collector of a copy need not look at them


def _count_ended() -> None:
    """Add the CPU time of what has ended to the time of this process, which the run is shown."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _keep(connection: socket.socket) -> dict[str, Any]:
    """Start the program as a copy of this copy, and tell its process number and its end."""
    text, streams, _, _ = socket.recv_fds(connection, 1 << 16, STREAMS)
    while not text.endswith(b"\n"):
        text += connection.recv(1 << 16)
    child = os.fork()
    if child == 0:
        connection.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        job: dict[str, Any] = json.loads(text)
        return job
    for stream in streams:
        os.close(stream)
    connection.sendall(b"%d\n" % child)
    _, status = os.waitpid(child, 0)
    connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _run(job: dict[str, Any]) -> NoReturn:
    """Become the program: `-m module` or the path of a script, with its arguments.

    The process ends without taking the interpreter down: libraries of C++ would join threads of
    the process that imported them.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(job["environment"])
    os.chdir(job["folder"])
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(write_through="PYTHONUNBUFFERED" in os.environ)
    if job["virtual"]:
        importlib.import_module("tests.support.virtual_time").use_in_program()
    code = _code(job["arguments"], job["folder"])
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = 120  # as the interpreter's own
    os._exit(code)


def _code(arguments: list[str], folder: str) -> int:
    """Run the program, and return the exit code that the interpreter would give."""
    try:
        if arguments[0] == "-m":
            sys.argv = arguments[1:]
            sys.path.insert(0, folder)
            runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        else:
            sys.argv = arguments
            sys.path.insert(0, str(Path(sys.argv[0]).absolute().parent))
            runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return (error.code or 0) & 0xFF
        sys.stderr.write(f"{error.code}\n")
        return 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


if __name__ == "__main__":
    main()
