"""Writes the tables of `architecture.md` from the code. A test fails if the page is out of date.

python docs/tables.py
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pulse_plugins.core.session import session
from pulse_plugins.core.session.deadlines import TIMERS
from pulse_plugins.core.session.state import TRANSITIONS
from pulse_plugins.core.session.verdicts import TABLE, Achieved, Ended, Phase, Verdict

PAGE = Path(__file__).with_name("architecture.md")


def page(text: str) -> str:
    """The page with its generated parts written anew.

    Args:
        text: The page as it is.

    Raises:
        ValueError: The page lacks the place of a part.
    """
    for name, part in (("states", states()), ("verdicts", verdicts()), ("deadlines", deadlines())):
        start, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        before, found, rest = text.partition(start)
        _, closed, after = rest.partition(end)
        if not (found and closed):
            raise ValueError(f"{PAGE.name} has no place marked {name}")
        text = f"{before}{start}\n{part}\n\n{end}{after}"
    return text


def states() -> str:
    """The drawing of the states in the docstring of the session, and a table of all steps."""
    lines = (session.__doc__ or "").splitlines()
    first = next(n for n, line in enumerate(lines) if line.strip().startswith("IDLE"))
    drawing = "\n".join(line.removeprefix("    ") for line in lines[first:]).rstrip()
    steps = [[f"`{a.name}`", f"`{b.name}`", why] for (a, b), why in TRANSITIONS.items()]
    return f"```text\n{drawing}\n```\n\n{_table(['From', 'To', 'When'], steps)}"


def verdicts() -> str:
    """A table for each phase, and the meaning of each verdict."""
    parts = []
    for phase in Phase:
        rows = [
            [each.value, *(f"`{TABLE[phase, each, achieved].name}`" for achieved in Achieved)]
            for each in Ended
        ]
        heads = ["How the connection ended", *(achieved.value for achieved in Achieved)]
        parts.append(f"Phase `{phase.name}`, {phase.value}:\n\n{_table(heads, rows)}")
    meanings = [[f"`{each.name}`", each.value] for each in Verdict]
    parts.append(_table(["Verdict", "Meaning"], meanings))
    return "\n\n".join(parts)


def deadlines() -> str:
    """When each timer is set, and what happens when it is due."""
    rows = [[f"`{timer.name}`", *texts] for timer, texts in TIMERS.items()]
    return _table(["Timer", "Set when", "When it is due"], rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
