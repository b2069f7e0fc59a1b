"""The same checks run in `.ci/run`, before a commit, and in public continuous integration."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parent.parent
RUN = (ROOT / ".ci/run").read_text(encoding="utf-8")


def hooks() -> dict[str, str]:
    """The command of each hook, by its id."""
    found: dict[str, Any] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    return {each["id"]: each["entry"] for each in found["repos"][0]["hooks"]}


def test_a_hook_runs_what_ci_runs() -> None:
    steps = dict(re.findall(r'^  step "(\w+)";\s+(.+)$', RUN, re.MULTILINE))
    commands = hooks()
    for name in ("lint", "format", "types"):
        assert commands[name] == steps[name]
    assert commands["tests"] == "python -m pytest"
    assert f"&& {commands['tests']}'" in RUN


def test_ci_gives_nothing_a_second_try() -> None:
    assert "last-failed" not in RUN
    assert "reruns" not in RUN


def test_the_workflow_runs_ci_on_every_python_that_the_package_claims() -> None:
    workflow: Any = yaml.safe_load((ROOT / ".github/workflows/checks.yml").read_text())
    job = workflow["jobs"]["checks"]
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    claimed = re.findall(r"Programming Language :: Python :: (3\.\d+)", project)
    assert job["strategy"]["matrix"]["python"] == claimed
    assert job["steps"][-1]["run"] == ".ci/run"


def test_each_changelog_fragment_has_a_kind_that_the_changelog_knows() -> None:
    fragments = [path.name for path in (ROOT / "changelog.d").iterdir()]
    pattern = r"README\.md|(\+[\w-]+|\d+)(\.\w*)?\.(added|changed|fixed|removed)\.md"
    assert [name for name in fragments if not re.fullmatch(pattern, name)] == []
