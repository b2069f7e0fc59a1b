"""Writes the tables of docs/architecture.md anew from the code of the engine.

    python docs/engine_tables.py

The table of states, the verdict table and the table of timers stand in the page between comments
with their names. A test fails when they are out of date.
"""

from __future__ import annotations

import re
from pathlib import Path

from pulse_plugins.core.session.deadlines import TIMERS, Timer
from pulse_plugins.core.session.state import TRANSITIONS
from pulse_plugins.core.session.verdicts import TABLE, Achieved, Ended, Phase, Verdict

PAGE = Path(__file__).parent / "architecture.md"


def states() -> str:
    """The states of a stream and its steps from one to the other."""
    rows = [[before.name, after.name, why] for (before, after), why in TRANSITIONS.items()]
    return _table(["From", "To", "When"], rows)


def verdicts() -> str:
    """What follows when a connection is gone: one table for each phase of the stream."""
    parts = []
    for phase in Phase:
        head = ["How it ended", *(_name(achieved) for achieved in Achieved)]
        rows = [
            [_name(ended), *(TABLE[phase, ended, achieved].name for achieved in Achieved)]
            for ended in Ended
        ]
        parts.append(f"**{_name(phase)}**\n\n{_table(head, rows)}")
    meanings = _table(["Verdict", "Meaning"], [[each.name, each.value] for each in Verdict])
    return "\n\n".join([*parts, meanings])


def deadlines() -> str:
    """The timers of a session."""
    rows = [[timer.name, *TIMERS[timer]] for timer in Timer]
    return _table(["Timer", "Set when", "What happens"], rows)


def written(page: str) -> str:
    """The page with its generated parts as they must be."""
    for name, part in (("states", states()), ("verdicts", verdicts()), ("deadlines", deadlines())):
        pattern = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
        page, count = re.subn(
            pattern, lambda found, part=part: f"{found[1]}{part}\n{found[2]}", page, flags=re.S
        )
        assert count == 1, f"docs/architecture.md has no place for {name}"
    return page


def _name(member: Achieved | Ended | Phase) -> str:
    return f"{member.name} ({member.value})"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
