"""`python -m tests.mutations`: what the engine's own tests notice when one rule of it is changed.

Each mutation halves or doubles one constant of the engine, or takes one mechanism away, in a copy
of the project. The unit tests of the engine run on the copy; when they notice nothing, the
random calls of a session do. A mutation that nothing notices shows a rule that no test holds: the
command names it and ends with 1.

    python -m tests.mutations                  all of them, two at a time; this takes half an hour
    python -m tests.mutations stall.py RACE    those with one of these words in their name
    python -m tests.mutations --write          all, and the table into docs/mutations.md

`tests/mechanisms.toml` holds the mechanisms. The constants are found in the source.
"""

from __future__ import annotations

import argparse
import ast
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.seeded_bugs import ROOT, failed_tests

CORE = ROOT / "pulse_plugins" / "core"
PAGE = ROOT / "docs" / "mutations.md"
_MECHANISMS = ROOT / "tests" / "mechanisms.toml"
_FILES = (
    *sorted(CORE.glob("session/*.py")),
    *sorted(CORE.glob("transcript/*.py")),
    CORE / "audio" / "energy.py",
    # Bounds and times of the rest. Other files hold facts of formats, and sizes of internal steps.
    CORE / "audio" / "clock.py",
    CORE / "audio" / "packetizer.py",
    CORE / "audio" / "replay_buffer.py",
    CORE / "base" / "text.py",
    CORE / "client" / "batch.py",
    CORE / "client" / "dispatcher.py",
    CORE / "client" / "packet_length.py",
    CORE / "client" / "websocket.py",
    CORE / "config" / "keywords.py",
    CORE / "config" / "retry.py",
    CORE / "config" / "timing.py",
    CORE / "observe" / "event_log.py",
    CORE / "observe" / "throttle.py",
    CORE / "wire" / "error_fields.py",
    CORE / "wire" / "stream_messages.py",
)
_UNITS = (
    "tests/core/transcript",
    "tests/core/session",
    "tests/core/audio/test_energy.py",
    "tests/core/audio/test_replay_buffer.py",
)
_CALLS = "tests/core/test_session_properties.py"
_HEAD = """# Mutations

`python -m tests.mutations --write` writes this page. Each row is one change of the engine, and the
first test below `tests/core` that fails with it. A constant is halved and doubled. A mechanism is
taken away.

| File | Change | Test that notices |
|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Mutation:
    """One change of one file.

    Attributes:
        file: Below `pulse_plugins/core`.
        name: What is changed.
        text: The whole file with the change.
    """

    file: str
    name: str
    text: str


def mutations() -> list[Mutation]:
    """All of them, in the order of the files.

    Raises:
        ValueError: A mechanism's text does not stand in its file exactly once.
    """
    found: list[Mutation] = []
    mechanisms = tomllib.loads(_MECHANISMS.read_text(encoding="utf-8"))
    for path in _FILES:
        file, text = path.relative_to(CORE).as_posix(), path.read_text(encoding="utf-8")
        found += _of_constants(file, text)
        for name, (old, *new) in mechanisms.get(file, {}).items():
            if text.count(old) != 1:
                raise ValueError(f"{file}, {name}: its text stands {text.count(old)} times there")
            names = (
                (f"without: {name}",) if len(new) == 1 else (f"{name} halved", f"{name} doubled")
            )
            for each, replaced in zip(names, new, strict=True):
                found.append(Mutation(file, each, text.replace(old, replaced)))
    return found


def constants(text: str) -> Iterator[tuple[str, ast.Constant]]:
    """The numbers of a module, and the defaults of its dataclasses, that have a name."""
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Module | ast.ClassDef):
            continue
        for each in node.body:
            target = each.targets[0] if isinstance(each, ast.Assign) else None
            target = each.target if isinstance(each, ast.AnnAssign) else target
            value = each.value if isinstance(each, ast.Assign | ast.AnnAssign) else None
            if (
                isinstance(target, ast.Name)
                and isinstance(value, ast.Constant)
                and type(value.value) in (int, float)
                and value.value
            ):
                yield target.id, value


def _of_constants(file: str, text: str) -> Iterator[Mutation]:
    for name, node in constants(text):
        number = node.value
        assert isinstance(number, int | float)
        halved = number // 2 if isinstance(number, int) else number / 2
        for how, value in (("halved", halved), ("doubled", number * 2)):
            lines = text.splitlines(keepends=True)
            line = lines[node.lineno - 1]
            lines[node.lineno - 1] = (
                f"{line[: node.col_offset]}{value}{line[node.end_col_offset :]}"
            )
            yield Mutation(file, f"{name} {how}: {value:g}", "".join(lines))


def noticed_by(mutation: Mutation) -> str:
    """The first test that fails with a mutation, or an empty string."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("pulse_plugins", "tests"):
            unneeded = shutil.ignore_patterns("__pycache__", "*.pyc")
            shutil.copytree(ROOT / part, folder / part, ignore=unneeded)
        shutil.copy(ROOT / "pyproject.toml", folder)
        (folder / "pulse_plugins" / "core" / mutation.file).write_text(mutation.text, "utf-8")
        package, _, module = mutation.file.partition("/")
        own = sorted((ROOT / "tests/core" / package).glob(f"test_{module.removesuffix('.py')}*.py"))
        first = tuple(path.relative_to(ROOT).as_posix() for path in own)
        failed = failed_tests(folder, (*first, *_UNITS)) or failed_tests(folder, (_CALLS,))
    return failed[0].partition(" ")[2] if failed else ""


def _report(chosen: Sequence[Mutation]) -> list[str]:
    """Try mutations and print each; the rows of the table."""
    rows: list[str] = []
    with ThreadPoolExecutor(2) as pool:
        for each, test in zip(chosen, pool.map(noticed_by, chosen), strict=True):
            shown = f"`{test.removeprefix('tests/core/')}`" if test else "**SURVIVED**"
            rows.append(f"| {each.file} | {each.name} | {shown} |\n")
            sys.stdout.write(rows[-1])
            sys.stdout.flush()
    return rows


def main() -> int:
    """Try the mutations that are named, or all; 1 if one survives."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutations", description=__doc__.splitlines()[0]
    )
    parser.add_argument("words", nargs="*", metavar="WORD", help="part of a name; all by default")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    asked = parser.parse_args()
    known = mutations()
    chosen = [
        each
        for each in known
        if not asked.words or any(word in f"{each.file} {each.name}" for word in asked.words)
    ]
    rows = _report(chosen)
    survived = sum("SURVIVED" in row for row in rows)
    sys.stdout.write(f"{len(rows) - survived} of {len(rows)} are noticed\n")
    if asked.write and not asked.words:
        PAGE.write_text(_HEAD + "".join(rows), encoding="utf-8")
    return 1 if survived else 0


if __name__ == "__main__":
    raise SystemExit(main())
