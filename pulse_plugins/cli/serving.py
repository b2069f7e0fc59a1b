"""What `serve` shows: each call as it happens, and the meaning of each setting and fault."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from datetime import datetime

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pulse_plugins.cli.terminal import Output, print_line
from pulse_plugins.local.connection.habits import QUIRKS
from pulse_plugins.local.connection.records import ConnectionRecord, ServerEvent
from pulse_plugins.local.faults import MEANINGS, MOMENTS
from pulse_plugins.local.settings import ServerOptions, descriptions


def printer(*, verbose: bool, as_json: bool) -> Callable[[ServerEvent], None]:
    """What prints an event. The server goes on if nobody reads it any more.

    Args:
        verbose: Print finals too, with what was said.
        as_json: Print objects.
    """
    console = Output(soft_wrap=True)

    def show(event: ServerEvent) -> None:
        if event.kind == "final" and not verbose:
            return
        if as_json:
            print_line(json.dumps(_fields(event)))
            return
        time = f"{datetime.now():%H:%M:%S}"
        console.print(f"[dim]{time}[/] {escape(_line(event))}")
        if event.kind == "connected":
            for note in event.record.notes:
                console.print(f"         [yellow]note:[/] {escape(_printable(note))}")

    return show


def _printable(text: str) -> str:
    """A text of a client without control characters, at most 200 characters long."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)[
        :200
    ]


def _line(event: ServerEvent) -> str:
    record = event.record
    number = f"#{record.number}"
    match event.kind:
        case "connected":
            query = " ".join(f"{name}={value}" for name, value in record.query.items())
            return _printable(f"{number} connected {record.path} {query}")
        case "refused":
            return _printable(f"{number} refused with {record.refused} {record.path}")
        case "final":
            return f'{number} final "{_printable(event.text.strip())}"'
        case "upload":
            return _printable(f"upload answered with {event.text} {record.path}")
        case _:
            return f"{number} closed {_summary(record)}"


def _summary(record: ConnectionRecord) -> str:
    parts = [
        f"with {record.close_code}:",
        f"{record.audio_seconds:.1f} s of audio,",
        f"{record.words} words, {record.interims} interims, {record.finals} finals,",
        f"{record.count('finalize')} finalizes",
    ]
    if record.faults:
        parts.append(f"(went wrong: {', '.join(record.faults)})")
    return " ".join(parts)


def _fields(event: ServerEvent) -> dict[str, object]:
    record = event.record
    found: dict[str, object] = {"event": event.kind, "connection": record.number}
    match event.kind:
        case "connected":
            found |= {"path": record.path, "query": dict(record.query), "notes": record.notes}
        case "refused":
            found |= {"path": record.path, "status": record.refused}
        case "final":
            found["text"] = event.text
        case "upload":
            found |= {"path": record.path, "status": int(event.text)}
        case _:
            found |= {
                "code": record.close_code,
                "seconds": record.audio_seconds,
                "words": record.words,
                "finals": record.finals,
                "faults": record.faults,
            }
    return found


def explain() -> None:
    """Print every setting, quirk and fault with its meaning."""
    console = Console(highlight=False)
    meanings = descriptions()
    habits = Table("setting", "default", "meaning", box=None, title="Settings: -s NAME=VALUE")
    for each in fields(ServerOptions):
        if each.name != "recognizer":
            habits.add_row(each.name, _default(each.default), _plain(meanings[each.name]))
    quirks = Table("quirk", "meaning", box=None, title="Quirks: -s quirks=NAME+NAME")
    for quirk, meaning in QUIRKS.items():
        quirks.add_row(quirk, _plain(meaning))
    faults = Table(
        "fault", "meaning", box=None, title=escape("Faults: --fault KIND[=N][@WHEN=N,WHEN=N]")
    )
    for kind, meaning in MEANINGS.items():
        faults.add_row(kind.value, _plain(meaning))
    moments = Table("when", "meaning", box=None, title="When a fault happens")
    for moment, meaning in MOMENTS.items():
        moments.add_row(moment, _plain(meaning))
    for table in (habits, quirks, faults, moments):
        table.title_justify = "left"
        console.print(table)
        console.print()


def _default(value: object) -> str:
    if isinstance(value, frozenset):
        return "+".join(sorted(value)) or "none of them"
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)


def _plain(text: str) -> str:
    return escape(text.replace("`", ""))
