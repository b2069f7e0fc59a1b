"""With the extra `cli` alone each command works, or names the extra that it needs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pulse_plugins.cli.exits import Exit
from pulse_plugins.cli.imports import missing
from tests.cli.rig import record

HERE = Path(__file__).parents[2]
# What other extras bring, as if only `cli` were installed.
ABSENT = "pocketsphinx soundfile text_to_num pipecat livekit opentelemetry sounddevice".split()
START = f"""
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {ABSENT!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name.partition(".")[0])
sys.meta_path.insert(0, Absent())
from pulse_plugins.cli.__main__ import main
sys.argv[0] = "pulse-plugins"
main()
"""


def bare(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command as if only the extra `cli` were installed."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-c", START, *arguments],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        cwd=HERE,
        env=environment,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("--version",),
        ("doctor", "--offline"),
        ("transcribe", "--help"),
        ("live", "--help"),
        ("demo", "--help"),
        ("serve", "--help"),
        ("record", "--help"),
        ("bench", "--help"),
        ("bench",),
    ],
    ids=" ".join,
)
def test_a_command_that_needs_nothing_else_works(arguments: tuple[str, ...]) -> None:
    done = bare(*arguments)
    assert done.returncode == Exit.OK, done.stderr
    assert done.stderr == ""


def test_recordings_are_read(tmp_path: Path) -> None:
    source = record(tmp_path / "a.mp3", 1)
    done = bare("transcribe", str(source), "--dry-run")
    assert done.returncode == Exit.OK, done.stderr
    assert "(00:00:02)" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [
        (("demo",), "'pulse-plugins[pipecat,livekit,local]'"),
        (("demo", "--framework", "pipecat"), "'pulse-plugins[pipecat,local]'"),
        (("serve", "--port", "0"), "pulse-plugins[local]"),
        (("bench", "faults"), "'.[dev]'"),
        (("live", "--url", "ws://127.0.0.1:9"), "pip install sounddevice"),
    ],
)
def test_a_command_that_needs_more_says_so_in_one_line(
    arguments: tuple[str, ...], needed: str
) -> None:
    done = bare(*arguments)
    assert done.returncode == Exit.CONFIGURATION
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert needed in line


def test_every_benchmark_finds_what_it_needs_here() -> None:
    for script in (HERE / "tests" / "benchmarks").glob("*.py"):
        assert missing(script, HERE) == []


def test_what_a_script_lacks_is_found_through_the_modules_that_it_imports(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "part.py").write_text("import livekit.plugins.nothing\nimport json\n")
    script = tmp_path / "script.py"
    script.write_text("def f():\n    import no_such_package.part\nfrom tests.part import x\n")
    assert missing(script, tmp_path) == ["livekit-plugins-nothing", "no_such_package"]
