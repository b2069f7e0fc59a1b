"""`doctor`: checks the machine and the way to the server, and says what to do."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from pulse_plugins.cli import checks, target
from pulse_plugins.cli.checks import Check, State
from pulse_plugins.cli.exits import Exit

_MARKS = {
    State.GOOD: "[green]ok  [/]",
    State.NOTE: "[yellow]note[/]",
    State.BAD: "[bold red]bad [/]",
}


def command(
    url: target.Url = target.DEFAULT_URL,
    language: target.Language = "en",
    dialect: target.Dialect = "pulse",
    settings: target.Settings = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Check this machine only, and connect to no server.")
    ] = False,
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout", min=0.5, max=600, help="Seconds that each check of the network may take."
        ),
    ] = 5.0,
    as_json: target.Json = False,
) -> int:
    """Find out why speech-to-text does not work here.

    Checks Python, the frameworks, the key (which is never shown), the sound devices, the name of
    the host, TLS, the clock, the handshake, and the answer to one second of audio. A line that is
    marked note or bad says what to do. The exit code is that of the first bad line.

    [bold]Examples[/]

    pulse-plugins doctor

    pulse-plugins doctor --url ws://127.0.0.1:8765
    """
    worst = Exit.OK
    console = Console(highlight=False, soft_wrap=True)
    found = checks.machine()
    if not offline:
        make = partial(
            target.options, url=url, language=language, dialect=dialect, settings=settings
        )
        with Console(stderr=True).status("checking the network …"):
            found += asyncio.run(checks.network(make, url, timeout))
    for check in found:
        if check.state is State.BAD and worst is Exit.OK:
            worst = check.code
        _show(console, check, as_json=as_json)
    return worst


def _show(console: Console, check: Check, *, as_json: bool) -> None:
    if as_json:
        print(
            json.dumps(
                {
                    "check": check.name,
                    "state": check.state.value,
                    "found": check.found,
                    "advice": check.advice,
                }
            )
        )
        return
    console.print(f"{_MARKS[check.state]} {check.name:<16} {escape(check.found)}")
    if check.advice:
        console.print(f"     [dim]{'':<16}[/] → {escape(check.advice)}")
