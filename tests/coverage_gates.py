"""`python -m tests.coverage_gates`: compares what the tests ran with the gate of each package.

The gates stand in `pyproject.toml`, under `[tool.coverage_gates]`. Reads the data that
`python -m pytest --cov` left, prints a table, and fails if a package is below its gate or has none.
"""

from __future__ import annotations

import json
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import coverage

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Row:
    """One package.

    Attributes:
        package: Its path.
        percent: How many of its lines and branches ran.
        gate: How many must.
        missed: Lines and branches that did not run.
    """

    package: str
    percent: float
    gate: float | None
    missed: int

    @property
    def is_green(self) -> bool:
        """Whether the package has a gate and reaches it."""
        return self.gate is not None and self.percent >= self.gate


def compare(files: Mapping[str, Mapping[str, int]], gates: Mapping[str, float]) -> Iterator[Row]:
    """A row for each gate, and one for all files that no gate covers.

    Args:
        files: Coverage's summary of each file, by its path.
        gates: The least percentage of each package; the longest path that fits a file counts.
    """
    groups: dict[str | None, list[Mapping[str, int]]] = {package: [] for package in gates}
    for path, summary in files.items():
        fits = [package for package in gates if path.startswith(f"{package}/")]
        groups.setdefault(max(fits, key=len, default=None), []).append(summary)
    for package, summaries in groups.items():
        lines, ran = _sum(summaries)
        percent = 100.0 * ran / lines if lines else 100.0
        gate = None if package is None else gates[package]
        yield Row(package or "without a gate", percent, gate, lines - ran)


def _sum(summaries: Iterable[Mapping[str, int]]) -> tuple[int, int]:
    """How many lines and branches there are, and how many ran."""
    lines = ran = 0
    for each in summaries:
        lines += each["num_statements"] + each.get("num_branches", 0)
        ran += each["covered_lines"] + each.get("covered_branches", 0)
    return lines, ran


def _files() -> dict[str, Mapping[str, int]]:
    measured = coverage.Coverage(config_file=str(ROOT / "pyproject.toml"))
    measured.load()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        measured.json_report(outfile=str(report))
        found: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))["files"]
    return {Path(path).as_posix(): each["summary"] for path, each in found.items()}


def main() -> int:
    """Print the table; 1 if a package is not green."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    rows = list(compare(_files(), settings["tool"]["coverage_gates"]))
    for row in rows:
        gate = "none" if row.gate is None else f"{row.gate:g} %"
        verdict = "" if row.is_green else "  BELOW ITS GATE"
        figures = f"{row.percent:7.2f} %  gate {gate:>7}  missed {row.missed}"
        sys.stdout.write(f"{row.package:<32} {figures}{verdict}\n")
    return 0 if all(row.is_green for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
