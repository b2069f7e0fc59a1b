"""The public surface: exactly `__all__`, nothing imported before it is used."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import pulse_plugins
from tests.support.patience import PATIENCE

FRAMEWORKS = (
    "pipecat",
    "livekit",
    "typer",
    "rich",
    "pocketsphinx",
    "av",
    "soundfile",
    "opentelemetry",
    "prometheus_client",
)


@pytest.mark.parametrize("name", pulse_plugins.__all__)
def test_every_public_name_can_be_had(name: str) -> None:
    assert getattr(pulse_plugins, name) is not None
    assert name in dir(pulse_plugins)


def test_a_name_that_is_not_public_is_refused_like_any_other() -> None:
    with pytest.raises(AttributeError, match="PulseOption'"):
        pulse_plugins.PulseOption  # noqa: B018 - the access is the test


def test_every_event_and_error_of_core_is_public() -> None:
    events = importlib.import_module("pulse_plugins.core.base.events")
    errors = importlib.import_module("pulse_plugins.core.base.errors")
    public = {
        name
        for module in (events, errors)
        for name, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == module.__name__
    }
    assert public <= set(pulse_plugins.__all__)


@pytest.mark.parametrize(
    "module", ["pulse_plugins", "pulse_plugins.core", "pulse_plugins.cli.__main__"]
)
def test_importing_it_loads_no_framework(module: str) -> None:
    loaded = _modules_after(f"import {module}")
    found = [name for name in FRAMEWORKS if name in loaded]
    if module.endswith("__main__"):
        found = [name for name in found if name not in ("typer", "rich")]
    assert not found


def test_importing_the_package_imports_nothing_of_the_engine() -> None:
    loaded = _modules_after("import pulse_plugins, pulse_plugins.core")
    assert [name for name in loaded if name.startswith("pulse_plugins.core.")] == []


def test_using_the_engine_loads_no_framework() -> None:
    loaded = _modules_after("import pulse_plugins; pulse_plugins.PulseStream")
    assert "pulse_plugins.core.client.stream" in loaded
    assert not [name for name in FRAMEWORKS if name in loaded]


def test_importing_the_package_takes_no_time() -> None:
    code = "import time; t = time.perf_counter(); import pulse_plugins, pulse_plugins.core"
    (seconds,) = _run(f"{code}; print(time.perf_counter() - t)").split()
    assert float(seconds) < 0.25


def _modules_after(code: str) -> set[str]:
    """The names in `sys.modules` of a fresh interpreter that ran this."""
    return set(_run(f"{code}\nimport sys\nprint(*sys.modules)").split())


def _run(program: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    return result.stdout
