"""The comparison of coverage with its gates."""

from __future__ import annotations

import pytest

from tests.coverage_gates import Row, compare

pytestmark = pytest.mark.unit


def summary(statements: int, lines: int, branches: int = 0, taken: int = 0) -> dict[str, int]:
    return {
        "num_statements": statements,
        "covered_lines": lines,
        "num_branches": branches,
        "covered_branches": taken,
    }


def test_lines_and_branches_of_a_package_count_together() -> None:
    files = {"p/core/a.py": summary(10, 10, 6, 4), "p/core/b.py": summary(4, 4)}
    (row,) = compare(files, {"p/core": 90})
    assert row == Row("p/core", 90.0, 90, 2)
    assert row.is_green
    assert not next(compare(files, {"p/core": 90.1})).is_green


def test_the_longest_gate_counts_and_a_file_without_one_is_red() -> None:
    files = {"p/a/b/c.py": summary(2, 1), "p/a/d.py": summary(3, 3), "q/e.py": summary(1, 1)}
    rows = {row.package: row for row in compare(files, {"p/a": 100, "p/a/b": 50})}
    assert rows["p/a"].percent == 100
    assert rows["p/a/b"].percent == 50
    assert [name for name, row in rows.items() if not row.is_green] == ["without a gate"]
