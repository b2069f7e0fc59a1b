"""Prints what `doctor --probe` found beside what this project assumes."""

from __future__ import annotations

import json

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pulse_plugins.cli.probe import Finding, Probe
from pulse_plugins.cli.probe_call import shipped_speech
from pulse_plugins.cli.terminal import safe_line
from pulse_plugins.core.config.options import PulseOptions


async def run(options: PulseOptions, console: Console, *, as_json: bool) -> None:
    """Ask the server, and print the answers.

    Args:
        options: The server, the endpoint and the key.
        console: Where the table goes.
        as_json: Print one object for each answer instead.

    Raises:
        ConfigurationError: The extra `local` is missing, which reads the shipped speech.
    """
    probe = Probe(options, shipped_speech())
    with Console(stderr=True).status("asking the server; this takes about a minute …"):
        findings = await probe.run()
    if as_json:
        for finding in findings:
            print(json.dumps(_fields(finding)))
        return
    table = Table("question", "assumed", "found", "docs/protocol.md", box=None)
    for each in findings:
        found = escape(safe_line(each.found))
        found = found if each.agrees else f"[bold yellow]{found}[/]"
        table.add_row(escape(each.question), escape(each.assumed), found, each.section)
    console.print()
    console.print(table)
    differing = sum(not each.agrees for each in findings)
    console.print(
        f"\n{len(findings)} questions, {differing} answers differ from what is assumed; "
        f"{probe.audio:.0f} s of audio were sent to {escape(options.dialect)}."
    )


def _fields(finding: Finding) -> dict[str, object]:
    return {
        "probe": finding.question,
        "assumed": finding.assumed,
        "found": finding.found,
        "agrees": finding.agrees,
        "section": finding.section,
    }
