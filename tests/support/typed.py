"""Runs a program of the documents in a process of its own, as a reader would."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.programs import Program


def run(
    path: Path,
    variables: Mapping[str, str],
    seconds: float,
    *,
    before: Sequence[str] = (),
    virtual: bool = False,
) -> str:
    """Run a program with these variables, and no others, in its folder.

    It finds the frameworks imported, and nothing of `pulse_plugins`.

    Args:
        path: The program.
        variables: Its environment.
        seconds: How long it may take, in real time.
        before: What stands in front of its name: `-m`, a module that runs it, and options.
        virtual: Its event loop runs in virtual time.

    Returns:
        What it wrote if it failed or took longer than so many seconds, or an empty string.
    """
    output = path.with_suffix(".txt")
    with output.open("wb") as written, open(os.devnull, "rb") as nothing:
        streams = (nothing.fileno(), written.fileno(), written.fileno())
        program = Program(
            [*before, str(path)],
            variables,
            streams,
            folder=path.parent,
            imported="frameworks",
            virtual=virtual,
        )
    try:
        code = program.wait(seconds)
    except TimeoutError:
        program.kill()
        code = program.wait()
    return f"exit code {code}\n{output.read_text()}" if code else ""
