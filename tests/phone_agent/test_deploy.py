"""The files for deployment name what exists, and protect what they start."""

from __future__ import annotations

import importlib.util
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "examples/phone_agent/deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
LOCK = (DEPLOY / "requirements.lock").read_text(encoding="utf-8")


def manifest(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))


def pod() -> Any:
    return manifest("kubernetes/livekit-worker.yaml")["spec"]["template"]["spec"]


def instructions(name: str) -> list[str]:
    return [
        line.removeprefix(f"{name} ")
        for line in DOCKERFILE.splitlines()
        if line.startswith(f"{name} ")
    ]


def locked() -> dict[str, Version]:
    pins = re.findall(r"^([a-z0-9.-]+)(?:\[.*\])?==(\S+) \\$", LOCK, re.MULTILINE)
    return {canonicalize_name(name): Version(version) for name, version in pins}


def test_a_call_in_progress_has_time_to_end() -> None:
    assert manifest("compose.yaml")["services"]["agent"]["stop_grace_period"] == "5m"
    assert pod()["terminationGracePeriodSeconds"] >= 600


def test_every_command_starts_a_module_and_a_file_that_exist() -> None:
    [agent] = instructions("CMD")
    command = pod()["containers"][0]["command"]
    for each in (json.loads(agent), command):
        assert each[:2] == ["python", "-m"]
        assert importlib.util.find_spec(each[2]) is not None
    assert (ROOT / command[-1]).is_file()


def test_everything_that_is_copied_is_there() -> None:
    copied = [line.split()[:-1] for line in instructions("COPY") if "--from" not in line]
    names = [name for line in copied for name in line if not name.startswith("--")]
    assert len(names) > 3
    for name in names:
        assert (ROOT / name).exists()


def test_the_environment_is_what_the_code_reads() -> None:
    code = "".join(path.read_text() for path in (ROOT / "examples/phone_agent").glob("*.py"))
    for name in manifest("compose.yaml")["services"]["agent"]["environment"]:
        assert name in code


@pytest.mark.parametrize("name", ["PUBLIC_URL", "TWILIO_AUTH_TOKEN", "DATABASE_URL"])
def test_compose_does_not_start_without_what_protects_the_agent(name: str) -> None:
    assert ":?" in manifest("compose.yaml")["services"]["agent"]["environment"][name]


def test_only_this_machine_reaches_the_published_ports() -> None:
    services = manifest("compose.yaml")["services"]
    assert services["agent"]["ports"] == ["127.0.0.1:7860:7860"]
    assert "ports" not in services["database"]


def test_no_container_runs_as_root_or_with_rights_that_it_does_not_need() -> None:
    assert instructions("USER") == ["10001"]
    for service in manifest("compose.yaml")["services"].values():
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
    assert pod()["securityContext"]["runAsNonRoot"] is True
    assert pod()["automountServiceAccountToken"] is False
    context = pod()["containers"][0]["securityContext"]
    assert context["readOnlyRootFilesystem"] is True
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}


def test_the_image_installs_locked_packages_with_hashes() -> None:
    assert "--require-hashes -r requirements.lock" in DOCKERFILE
    entries = [line for line in LOCK.splitlines() if line and not line.startswith((" ", "#"))]
    assert len(entries) == len(locked())
    assert LOCK.count("--hash=sha256:") >= len(entries)


def test_the_lock_holds_what_the_extra_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["phone"], *extras["local"], *extras["livekit"]]
    pins = locked()
    for requirement in map(Requirement, wanted):
        name = canonicalize_name(requirement.name)
        if name != "pulse-plugins":
            assert requirement.specifier.contains(pins[name]), requirement
