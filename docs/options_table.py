"""Writes `options.md` from the classes of the options. A test fails if the page is out of date.

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

_GROUPS: dict[str, type[Any]] = {"limits": Limits, "timeouts": Timeouts, "retry": RetryPolicy}

INTRODUCTION = """# Options

Every option is a field of `PulseOptions` and a keyword argument of `pulse_plugins.livekit.STT`.
An option that may change during a call is also a field of `PulseSTTService.Settings`. Options that
cannot work are refused with a `ConfigurationError` before a connection is opened.
`docs/options_table.py` writes this page from the code.

## Options of the service

These options are query parameters. An option whose default is *not sent* leaves the decision to the
service. The last column names the [dialects](#dialects) whose endpoint knows the parameter. A
parameter is sent to the other endpoints too, because the service ignores unknown parameters.
"""


def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION, _wire(), _client(), _dialects(), _languages()]
    parts += [_values(kind.__name__, kind) for kind in _GROUPS.values()]
    return "\n".join(parts)


def _wire() -> str:
    rows = []
    for each in wire_fields():
        wire, default = each.metadata["wire"], each.default
        known = [name for name, row in DIALECTS.items() if wire in row.parameters]
        shown = "*not sent*" if default is None else f"`{default}`"
        sent = "" if wire == each.name else f" Sent as `{wire}`."
        text = f"{_sentence(each.metadata['doc'])}{_range(each.metadata)}{sent}"
        dialects = "all" if len(known) == len(DIALECTS) else ", ".join(known)
        rows.append([f"`{each.name}`", shown, text, dialects])
    return _table(["Option", "Default", "Meaning", "Dialects"], rows)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:].rstrip('.')}."


def _range(limits: Any) -> str:
    low, high, choices = limits["low"], limits["high"], limits["choices"]
    if choices:
        return f" One of {', '.join(f'`{choice}`' for choice in choices)}."
    if low is None:
        return ""
    return f" At least {low:g}." if high is None else f" {low:g} to {high:g}."


def _client() -> str:
    sent = {each.name for each in wire_fields()}
    rows = []
    texts = _attributes(PulseOptions)
    for each in fields(PulseOptions):
        if each.name in sent or not each.init:
            continue
        plain = each.default not in (MISSING, None) and each.name not in _GROUPS
        kind = _GROUPS.get(each.name)
        see = f" See [{kind.__name__}](#{kind.__name__.lower()})." if kind else ""
        shown = f"`{each.default}`" if plain else ""
        rows.append([f"`{each.name}`", shown, texts[each.name] + see])
    return "\n## Options of the client\n\n" + _table(["Option", "Default", "Meaning"], rows)


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
    names = ["Dialect", "Stream", "Pre-recorded", "Finalize", "End", "Keepalive"]
    return (
        "\n## Dialects\n\nA dialect is an endpoint with its messages. "
        "[Protocol](protocol.md#11-realtime-websocket) describes the four dialects.\n\n"
        + _table(names, rows)
    )


def _languages() -> str:
    names = [each.name for each in fields(Language)]
    rows = [[_cell(getattr(each, name)) for name in names] for each in LANGUAGES.values()]
    return (
        "\n## Languages\n\nIf the service's documents disagree, this table follows the newest one. "
        'A code without a "yes" is named by an older document only. Codes that are not in the '
        "table are sent unchanged.\n\n" + _table([name.capitalize() for name in names], rows)
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
    return f"\n## {title}\n\n" + _table(["Field", "Default", "Meaning"], rows)


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
