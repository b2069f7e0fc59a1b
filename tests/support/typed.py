"""Runs a program of the documents in a process of its own, without importing a framework each time.

An import of a framework takes longer than most of the programs. Therefore one process imports both
frameworks, and each program runs in a copy of that process. The copy has imported nothing of
`pulse_plugins`.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import sys
from collections.abc import Mapping
from pathlib import Path

_PRELOADED = [
    "pipecat.pipeline.worker",
    "pipecat.processors.aggregators.llm_response_universal",
    "pipecat.services.smallest.stt",
    "livekit.agents",
    "livekit.plugins.smallestai",
]
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(_PRELOADED)


def _run(path: str, output: str, environment: dict[str, str]) -> None:
    file = os.open(output, os.O_WRONLY | os.O_CREAT, 0o600)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(Path(path).parent)
    assert not any(name.partition(".")[0] == "pulse_plugins" for name in sys.modules)
    sys.argv = [path]
    sys.path.insert(0, str(Path(path).parent))
    runpy.run_path(path, run_name="__main__")


def run(path: Path, environment: Mapping[str, str], seconds: float) -> str:
    """Run a program with these variables, and no others, in its folder.

    Returns:
        What it wrote if it failed or took longer than so many seconds, or an empty string.
    """
    output = path.with_suffix(".txt")
    process = _processes.Process(target=_run, args=(str(path), str(output), dict(environment)))
    process.start()
    process.join(seconds)
    if process.exitcode is None:
        process.kill()
        process.join()
    if process.exitcode == 0:
        return ""
    return f"exit code {process.exitcode}\n{output.read_text() if output.exists() else ''}"
