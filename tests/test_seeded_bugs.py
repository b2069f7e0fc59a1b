"""The table of seeded bugs fits the code and the documents. The command itself runs at night."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.seeded_bugs import BUGS, ROOT, Bug, table

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_bug_can_be_seeded_and_its_tests_exist(bug: Bug) -> None:
    text = (ROOT / "pulse_plugins" / bug.file).read_text(encoding="utf-8")
    assert text.count(bug.old) == 1
    assert bug.old != bug.new
    compile(text.replace(bug.old, bug.new), bug.file, "exec")
    for word in bug.tests:
        assert not word.startswith("tests/") or Path(ROOT / word.partition("::")[0]).exists()


def test_contributing_holds_the_table() -> None:
    assert table() in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
