"""With the extra `cli` alone each command works, or names the extra that it needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from pulse_plugins.cli.exits import Exit
from pulse_plugins.cli.imports import missing
from tests.cli.rig import record

HERE = Path(__file__).parents[2]
# What other extras bring, as if only `cli` were installed.
ABSENT = "pocketsphinx soundfile text_to_num pipecat livekit opentelemetry sounddevice".split()
# Each command runs in a copy of one process, which has imported what every command imports.
START = f"""
import json, os, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {ABSENT!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name.partition(".")[0])
sys.meta_path.insert(0, Absent())
from pulse_plugins.cli import __main__, application
for line in sys.stdin:
    if os.fork() == 0:
        arguments, output = json.loads(line)
        for number in (1, 2):
            os.dup2(os.open(f"{{output}}.{{number}}", os.O_WRONLY | os.O_CREAT, 0o600), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.argv = ["pulse-plugins", *arguments]
        __main__.main()
    print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
"""
Bare = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bare]:
    """Runs a command as if only the extra `cli` were installed."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    folder = tmp_path_factory.mktemp("output")
    with subprocess.Popen(
        [sys.executable, "-c", START],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
        cwd=HERE,
        env=environment,
    ) as process:
        numbers = count()

        def run(*arguments: str) -> subprocess.CompletedProcess[str]:
            assert process.stdin is not None
            assert process.stdout is not None
            output = folder / str(next(numbers))
            process.stdin.write(json.dumps([arguments, str(output)]) + "\n")
            code = int(process.stdout.readline())
            shown, errors = (output.with_suffix(f".{each}").read_text() for each in (1, 2))
            return subprocess.CompletedProcess(arguments, code, shown, errors)

        yield run
        process.communicate()


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
def test_a_command_that_needs_nothing_else_works(arguments: tuple[str, ...], bare: Bare) -> None:
    done = bare(*arguments)
    assert done.returncode == Exit.OK, done.stderr
    assert done.stderr == ""


def test_recordings_are_read(tmp_path: Path, bare: Bare) -> None:
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
    arguments: tuple[str, ...], needed: str, bare: Bare
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
