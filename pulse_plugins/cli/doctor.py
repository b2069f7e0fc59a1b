"""`doctor`: checks the machine and the way to the server, and says what to do."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pulse_plugins.cli import checks, probe_report, target
from pulse_plugins.cli.checks import Check, State
from pulse_plugins.cli.exits import Exit
from pulse_plugins.cli.terminal import safe_line

_NAME = 14  # columns of the longest name
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
    probe: Annotated[
        bool,
        typer.Option(
            "--probe",
            help="Also test what the documents of the service do not say. This takes about a "
            "minute and sends about half a minute of audio.",
        ),
    ] = False,
    as_json: target.Json = False,
) -> int:
    """Find out why speech-to-text does not work here.

    The command checks Python, the frameworks, the key (which is never shown), the sound devices,
    the name of the host, TLS, the clock, the handshake, and the answer to one second of audio. A
    line that is marked note or bad says what to do. The first bad line decides the exit code.

    [bold]Examples[/]

    pulse-plugins doctor

    pulse-plugins doctor --url ws://127.0.0.1:8765

    pulse-plugins doctor --probe
    """
    worst = Exit.OK
    console = Console(highlight=False, emoji=False)
    found = checks.machine()
    make = partial(target.options, url=url, language=language, dialect=dialect, settings=settings)
    if not offline:
        with Console(stderr=True).status("checking the network …"):
            found += asyncio.run(checks.network(make, url, timeout))
    for check in found:
        if check.state is State.BAD and worst is Exit.OK:
            worst = check.code
        _show(console, check, as_json=as_json)
    if probe and not offline and worst is Exit.OK:
        asyncio.run(probe_report.run(make(), console, as_json=as_json))
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
    advice = f"→ {check.advice}" if check.advice else ""
    if not console.is_terminal:  # whole lines, for programs that search them
        console.print(
            f"{_MARKS[check.state]} {check.name:<{_NAME}} {escape(safe_line(check.found))}",
            soft_wrap=True,
        )
        if advice:
            console.print(f"     {'':<{_NAME}} {escape(safe_line(advice))}", soft_wrap=True)
        return
    line = Table.grid(padding=(0, 1))
    for width in (4, _NAME, None):
        line.add_column(width=width)
    line.add_row(_MARKS[check.state], check.name, escape(safe_line(check.found)))
    if advice:
        line.add_row("", "", escape(safe_line(advice)))
    console.print(line)
