"""`bench`: runs the benchmarks of a checkout, which are scripts in tests/benchmarks."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from pulse_plugins.cli.exits import CommandError, Exit
from pulse_plugins.cli.imports import missing

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


def _purpose(script: Path) -> str:
    """The first line of what a script says about itself."""
    text = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0]


def command(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(help="The name of a benchmark. Without a name, all are listed."),
    ] = None,
) -> int:
    """Run a benchmark against the local server; this needs a checkout of the source.

    Options after the name belong to the benchmark: with [bold]--help[/] it says what it measures.

    [bold]Examples[/]

    pulse-plugins bench

    pulse-plugins bench faults --help
    """
    found = available()
    if not found:
        raise CommandError("the benchmarks are only in a checkout of the source", Exit.USAGE)
    if name not in found and {"-h", "--help"} & {name, *context.args}:
        print(context.get_help())
        return Exit.OK
    if name is None:
        for each, path in found.items():
            print(f"{each:<16}{_purpose(path)}")
        return Exit.OK
    if name not in found:
        raise CommandError(
            f"there is no benchmark {name!r}; the benchmarks are {', '.join(found)}", Exit.USAGE
        )
    if absent := missing(found[name], _CHECKOUT):
        raise CommandError(
            f"the benchmark {name} needs {', '.join(absent)}: in the checkout, run "
            "python -m pip install -e '.[dev]'",
            Exit.CONFIGURATION,
        )
    environment = {**os.environ, "PYTHONPATH": str(_CHECKOUT)}
    arguments = [sys.executable, str(found[name]), *context.args]
    return subprocess.run(arguments, check=False, env=environment).returncode
