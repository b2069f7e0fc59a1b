"""What is deployed exists, and says what the code says."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "examples/phone_agent/deploy"


def manifest(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))


def command_of(dockerfile: str) -> list[str]:
    [line] = [line for line in dockerfile.splitlines() if line.startswith("CMD ")]
    command: list[str] = json.loads(line.removeprefix("CMD "))
    return command


@pytest.mark.parametrize("name", ["compose.yaml", "kubernetes/livekit-worker.yaml"])
def test_a_call_in_progress_is_finished(name: str) -> None:
    assert manifest(name)
    text = (DEPLOY / name).read_text(encoding="utf-8")
    assert "stop_grace_period" in text or "terminationGracePeriodSeconds" in text


def test_every_command_starts_a_module_that_exists() -> None:
    docker = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    pod = manifest("kubernetes/livekit-worker.yaml")["spec"]["template"]["spec"]
    for command in (command_of(docker), pod["containers"][0]["command"]):
        assert command[:2] == ["python", "-m"]
        assert importlib.util.find_spec(command[2]) is not None


def test_everything_that_is_copied_is_there() -> None:
    docker = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    copied = [line.split()[1:-1] for line in docker.splitlines() if line.startswith("COPY ")]
    assert copied
    for name in (name for names in copied for name in names):
        assert (ROOT / name).exists()


def test_the_environment_is_what_the_code_reads() -> None:
    code = "".join(path.read_text() for path in (ROOT / "examples/phone_agent").glob("*.py"))
    for name in manifest("compose.yaml")["services"]["agent"]["environment"]:
        assert name in code
