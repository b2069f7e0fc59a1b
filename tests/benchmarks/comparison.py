"""The README's comparison in six rows, read from the tables of `docs/benchmarks.md`.

    python -m tests.benchmarks.report    # writes the README's table anew

Each figure stands in the documents once, on the page of benchmarks. A test compares the README
with that page.
"""

from __future__ import annotations

import re

Table = list[list[str]]

_COLUMNS = "| | Pipecat, ours | Pipecat, official | LiveKit, ours | LiveKit, official |"
_RULE = "| --- | ---: | ---: | ---: | ---: |"


def table(page: str) -> str:
    """The comparison as a Markdown table.

    Args:
        page: The text of `docs/benchmarks.md`.

    Raises:
        LookupError: The page lacks a table, a row or a column that the comparison quotes.
    """
    words, recovery = _tables(page, "faults")[:2]
    pipecat = _tables(page, "turns_pipecat")[0]
    livekit = _tables(page, "turns_livekit")[0]
    bytecodes = _tables(page, "bytecodes")[0]
    contexts = [_tables(page, f"context_{family}")[0] for family in ("pipecat", "livekit")]
    plugins = ("pipecat ours", "pipecat official", "livekit ours", "livekit official")
    refused, drop = "drop, then three 503 refusals", "one drop"
    rows = [
        [
            f"words lost of {_cell(words, refused, 'words')}: a drop, then three refusals",
            *(_lost(_cell(words, refused, name)) for name in plugins),
        ],
        [
            "conversations that reach the LLM whole",
            *(
                f"{_cell(table, 'all', name)} of {_cell(table, 'all', 'number')}"
                for table in contexts
                for name in ("ours", "official")
            ),
        ],
        [
            "seconds until new words after one drop",
            *(_cell(recovery, drop, name) for name in plugins),
        ],
        [
            "seconds until the turn ends, the VAD deciding (median)",
            *(
                _cell(pipecat, "server marks its answers", f"{name} p50, s")
                for name in ("ours", "official")
            ),
            *(_of(livekit, "VAD decides", name, "p50, s") for name in ("ours", "official")),
        ],
        [
            "turns committed, the speech-to-text deciding",
            "-",
            "-",
            *(
                _of(livekit, "STT decides", name, "turns committed")
                for name in ("ours", "official")
            ),
        ],
        [
            "thousand Python bytecodes for one second of audio",
            *(
                _cell(bytecodes, family, name)
                for family in ("pipecat", "livekit")
                for name in ("ours", "official")
            ),
        ],
    ]
    return "\n".join([_COLUMNS, _RULE, *("| " + " | ".join(row) + " |" for row in rows)])


def _tables(page: str, mark: str) -> list[Table]:
    """The tables between the marks of one benchmark; the first row is the heading."""
    found = re.search(rf"<!-- {mark} -->\n(.*?)<!-- /{mark} -->", page, re.DOTALL)
    if found is None:
        raise LookupError(f"the page has no place marked {mark}")
    tables = re.findall(r"(?:^\|.*\n)+", found[1], re.MULTILINE)
    rows = [
        [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
        for text in tables
    ]
    return [[heading, *rest] for heading, _, *rest in rows]


def _cell(rows: Table, row: str, column: str) -> str:
    return _find(rows, [row], column)


def _of(rows: Table, row: str, plugin: str, column: str) -> str:
    return _find(rows, [row, plugin], column)


def _find(rows: Table, begins: list[str], column: str) -> str:
    if column not in rows[0]:
        raise LookupError(f"no column {column!r} in {rows[0]}")
    for row in rows[1:]:
        if row[: len(begins)] == begins:
            return row[rows[0].index(column)]
    raise LookupError(f"no row {begins!r}")


def _lost(cell: str) -> str:
    """The number of lost words in a cell of the table of words."""
    found = re.match(r"(\d+) lost", cell)
    return found[1] if found else "0"
