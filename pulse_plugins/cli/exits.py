"""The exit codes, and how a failure is reported: in one line that says what to do."""

from __future__ import annotations

import enum
import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

from pulse_plugins.cli.terminal import discard_output, safe
from pulse_plugins.core.base.errors import (
    ConfigurationError,
    PulseError,
    RateLimitError,
    RequestRejectedError,
)

MEANING = (
    "Exit codes: 0 done · 1 some of the work failed · 2 wrong usage · 3 a value that cannot work, "
    "no key, or a refusal by the service · 4 no connection · 130 stopped with Ctrl-C · 143 ended "
    "by SIGTERM."
)


# What a write to standard output can fail with; such an error names no file.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class Exit(enum.IntEnum):
    """The exit codes of every command."""

    OK = 0
    FAILED = 1
    USAGE = 2
    CONFIGURATION = 3
    CONNECTION = 4
    INTERRUPTED = 130


class CommandError(Exception):
    """A command cannot go on; the text is one line for the person who typed it."""

    def __init__(self, message: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.code = code


def code_of(error: BaseException) -> Exit:
    """The exit code for what went wrong."""
    match error:
        case CommandError():
            return error.code
        case RateLimitError():
            return Exit.CONNECTION
        case ConfigurationError() | RequestRejectedError():
            return Exit.CONFIGURATION
        case PulseError() if error.retryable:
            return Exit.CONNECTION
        case _:
            return Exit.FAILED


def text_of(error: BaseException) -> str:
    """What went wrong, without the number that an error of the system has."""
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    if isinstance(error.filename, str | bytes):
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    if error.errno in _FULL:
        return f"the output cannot be written: {error.strerror}"
    return error.strerror


def report(error: BaseException, *, as_json: bool = False) -> Exit:
    """Say what went wrong, on standard error or as a JSON line, and give the exit code."""
    code = code_of(error)
    kind = error.code if isinstance(error, PulseError) else type(error).__name__
    text = text_of(error)
    told = {"event": "error", "code": kind, "message": text, "exit": code}
    if not _printed(json.dumps(told) + "\n" if as_json else "") or not as_json:
        Console(stderr=True).print(f"[bold red]error:[/] {escape(safe(text))}", soft_wrap=True)
    return code


def _printed(text: str) -> bool:
    """Print this and what waits; if standard output is full, all of it is given up."""
    try:
        print(text, end="", flush=True)
    except OSError:
        discard_output()
        return False
    return True


@contextmanager
def needs(extra: str, what: str) -> Iterator[None]:
    """Turn a missing package into the command that installs it.

    Args:
        extra: The extra of this package that brings the missing package, or several with commas.
        what: What needs the package, such as "the demo".

    Raises:
        CommandError: An import inside failed for a package of others.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = error.name or "a package"
        if missing.startswith("pulse_plugins"):
            raise
        raise CommandError(
            f"{what} needs {missing}: python -m pip install 'pulse-plugins[{extra}]'",
            Exit.CONFIGURATION,
        ) from error


@contextmanager
def listening(host: str, port: int) -> Iterator[None]:
    """Say in one line why a server cannot listen.

    Args:
        host: The address that is bound.
        port: The port that is bound.

    Raises:
        CommandError: Binding failed inside.
    """
    try:
        yield
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            why = "another program listens there; choose another port with --port, or 0 for any"
        elif error.errno in (errno.EACCES, errno.EPERM):
            why = "the system does not permit this port; choose one above 1023 with --port"
        else:
            known = error.errno is not None and error.errno > 0
            reason = os.strerror(error.errno or 0) if known else error.strerror
            why = f"{reason}; --host takes an address of this machine"
        raise CommandError(f"cannot listen on {host}:{port}: {why}") from error
