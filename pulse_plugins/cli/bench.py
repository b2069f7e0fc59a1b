"""`bench`: runs the benchmarks of a checkout, which are scripts beside the tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from pulse_plugins.cli.exits import CommandError, Exit

_CHECKOUT = Path(__file__).resolve().parents[2]


def available(checkout: Path = _CHECKOUT) -> dict[str, Path]:
    """The benchmarks by name; none outside a checkout."""
    folder = checkout / "tests" / "benchmarks"
    found = folder.glob("*.py")
    return {
        path.stem: path
        for path in sorted(found)
        if "__main__" in path.read_text(encoding="utf-8")  # the others are parts of these
    }


def command(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="Which; without it they are listed.")] = None,
) -> int:
    """Run a benchmark against the local server; needs a checkout.

    What follows the name goes to the benchmark; with [bold]--help[/] it says what it measures.

    [bold]Examples[/]

    pulse-plugins bench

    pulse-plugins bench faults --help
    """
    found = available()
    if not found:
        raise CommandError("no benchmarks here: they are in a checkout of the source", Exit.USAGE)
    if name not in found and {"-h", "--help"} & {name, *context.args}:
        print(context.get_help())
        return Exit.OK
    if name is None:
        print("\n".join(found))
        return Exit.OK
    if name not in found:
        raise CommandError(f"no benchmark {name!r}; there is {', '.join(found)}", Exit.USAGE)
    environment = {**os.environ, "PYTHONPATH": str(_CHECKOUT)}
    arguments = [sys.executable, str(found[name]), *context.args]
    return subprocess.run(arguments, check=False, env=environment).returncode
