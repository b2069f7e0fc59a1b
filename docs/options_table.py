"""Writes `options.md` from the options themselves; a test fails when the page is not up to date.

python docs/options_table.py
"""

from __future__ import annotations

import inspect
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from pulse_plugins.core.base.languages import LANGUAGES, Language
from pulse_plugins.core.config.dialects import DIALECTS
from pulse_plugins.core.config.options import PulseOptions, wire_fields
from pulse_plugins.core.config.retry import RetryPolicy
from pulse_plugins.core.config.timing import Limits, Timeouts

PAGE = Path(__file__).with_name("options.md")

INTRODUCTION = """# Options

Written by `docs/options_table.py` from `PulseOptions`, so it cannot drift. An option left at its
default of *not sent* leaves the decision to the service.

Every option is a field of `PulseOptions`, a keyword argument of `pulse_plugins.livekit.STT`, and,
where it may change during a call, a field of `PulseSTTService.Settings`. What cannot work is
refused with one line before a connection is opened.

## On the wire

A mark says that the endpoint of that [dialect](#dialects) knows the parameter. A parameter is sent
to the other endpoints too: the service ignores parameters that it does not know.
"""


def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION, _wire(), _client(), _dialects(), _languages()]
    for title, kind in (("Limits", Limits), ("Timeouts", Timeouts), ("RetryPolicy", RetryPolicy)):
        parts.append(_values(title, kind))
    return "\n".join(parts)


def _wire() -> str:
    rows = []
    for each in wire_fields():
        wire, default = each.metadata["wire"], each.default
        marks = ["●" if wire in row.parameters else "" for row in DIALECTS.values()]
        shown = "*not sent*" if default is None else f"`{default}`"
        limits, what = _range(each.metadata), each.metadata["doc"]
        rows.append([f"`{each.name}`", f"`{wire}`", shown, limits, what, *marks])
    names = ["option", "wire", "default", "range", "what", *DIALECTS]
    return _table(names, rows)


def _range(limits: Any) -> str:
    low, high, choices = limits["low"], limits["high"], limits["choices"]
    if choices:
        return ", ".join(f"`{choice}`" for choice in choices)
    if low is None:
        return ""
    return f"at least {low:g}" if high is None else f"{low:g} to {high:g}"


def _client() -> str:
    sent = {each.name for each in wire_fields()}
    rows = []
    texts = _attributes(PulseOptions)
    for each in fields(PulseOptions):
        if each.name in sent or not each.init:
            continue
        plain = each.default is not MISSING and each.default is not None
        rows.append([f"`{each.name}`", f"`{each.default}`" if plain else "", texts[each.name]])
    return "\n## The client's own\n\n" + _table(["option", "default", "what"], rows)


def _dialects() -> str:
    rows = [
        [
            f"`{row.name}`",
            f"`{row.path}`",
            f"`{row.batch_path}`" if row.batch_path else "none",
            f"`{row.finalize}`" if row.finalize else "none",
            f"`{row.close}`",
            f"`{row.keepalive}`" if row.keepalive else "silence",
        ]
        for row in DIALECTS.values()
    ]
    names = ["dialect", "stream", "pre-recorded", "finalize", "end", "keepalive"]
    return "\n## Dialects\n\n" + _table(names, rows)


def _languages() -> str:
    names = [each.name for each in fields(Language)]
    rows = [[_cell(getattr(each, name)) for name in names] for each in LANGUAGES.values()]
    return (
        "\n## Languages\n\nWhere the service's documents disagree the newest decides. "
        "Any other code is passed on as it is.\n\n" + _table(names, rows)
    )


def _cell(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else ""
        case _:
            return str(value)


def _values(title: str, kind: type[Any]) -> str:
    texts = _attributes(kind)
    rows = [[f"`{each.name}`", f"`{each.default}`", texts[each.name]] for each in fields(kind)]
    return f"\n## {title}\n\n" + _table(["field", "default", "what"], rows)


def _attributes(kind: type[Any]) -> dict[str, str]:
    """The texts of a docstring's `Attributes:` section."""
    section = (inspect.getdoc(kind) or "").partition("Attributes:\n")[2]
    texts: dict[str, str] = {}
    name = ""
    for line in section.splitlines():
        if not line.strip():
            break
        head, colon, rest = line.strip().partition(": ")
        if colon and line.startswith("    ") and not line.startswith("     "):
            name = head
            texts[name] = rest
        else:
            texts[name] += " " + line.strip()
    return texts


def _table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
