"""The commands together: help, exit codes, and what is said when something is missing."""

from __future__ import annotations

import errno
import json
import logging
import sys

import pytest

from pulse_plugins.cli import bench, exits
from pulse_plugins.cli.__main__ import main
from pulse_plugins.cli.application import run
from pulse_plugins.cli.exits import CommandError, Exit
from pulse_plugins.core.base import errors
from pulse_plugins.version import __version__
from tests.cli.rig import program

pytestmark = pytest.mark.process

COMMANDS = ["demo", "transcribe", "live", "serve", "doctor", "bench"]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_teaches_by_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == Exit.OK
    shown = capsys.readouterr().out
    assert f"pulse-plugins {name}" in shown
    assert "Exit codes" in shown


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    run(["--help"])
    shown = capsys.readouterr().out
    assert all(name in shown for name in COMMANDS)


def test_the_version_is_the_package_s(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == Exit.OK
    assert capsys.readouterr().out.strip() == __version__


@pytest.mark.parametrize("words", [["nonsense"], ["transcribe"], ["serve", "--port", "x"]])
def test_wrong_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words) == Exit.USAGE
    assert "--help" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ConfigurationError("x"), Exit.CONFIGURATION),
        (errors.from_status(401), Exit.CONFIGURATION),
        (errors.from_status(402), Exit.CONFIGURATION),
        (errors.from_status(429), Exit.CONNECTION),
        (errors.from_status(503), Exit.CONNECTION),
        (errors.ConnectionLostError("x"), Exit.CONNECTION),
        (errors.StreamClosedError("x"), Exit.FAILED),
        (PermissionError("x"), Exit.FAILED),
        (CommandError("x", Exit.USAGE), Exit.USAGE),
    ],
)
def test_an_exit_code_says_whose_fault_it_was(error: Exception, code: Exit) -> None:
    assert exits.code_of(error) is code


def test_for_machines_an_error_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["transcribe", "missing.wav", "--json", "--url", "ws://127.0.0.1:9"]) == Exit.USAGE
    line = json.loads(capsys.readouterr().out)
    assert line["event"] == "error"
    assert line["exit"] == Exit.USAGE


def test_a_missing_extra_is_told_with_the_command_that_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)  # as if it were not installed
    with (
        pytest.raises(CommandError, match=r"pip install 'pulse-plugins\[codecs\]'") as caught,
        exits.needs("codecs", "reading audio files"),
    ):
        import av  # noqa: F401
    assert caught.value.code is Exit.CONFIGURATION


def test_benchmarks_are_of_a_checkout(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "no-such-benchmark"]) == Exit.USAGE
    assert all(path.is_file() for path in bench.available().values())


def test_the_list_of_benchmarks_says_what_each_measures(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["bench"]) == Exit.OK
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(bench.available())
    assert all(len(line.split()) > 5 for line in lines)


def test_a_warning_of_the_package_is_a_note(capsys: pytest.CaptureFixture[str]) -> None:
    logging.getLogger("pulse_plugins").warning("language %r is unknown", "xx\x1b[2J")
    logging.getLogger("pulse_plugins.stream").warning("disconnected")
    assert capsys.readouterr().err == "note: language 'xx\\x1b[2J' is unknown\n"


def test_help_after_a_benchmarks_name_is_the_benchmarks(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "faults", "--help"]) == Exit.OK
    assert "three scenarios" in capfd.readouterr().out
    assert run(["bench", "--help"]) == Exit.OK
    assert "needs a checkout" in capfd.readouterr().out


async def test_a_character_that_the_terminal_lacks_is_escaped() -> None:
    async with program("doctor", "--url", "wss://x.smallest.ai", PYTHONIOENCODING="ascii") as it:
        ended = await it.ended()
    assert ended.code == Exit.CONFIGURATION  # there is no key
    assert "\\u2192 export SMALLEST_API_KEY=\\u2026" in ended.out
    assert "Traceback" not in ended.err


async def test_a_closed_standard_output_is_no_error() -> None:
    shell = ("sh", "-c", 'exec "$@" >&-', "sh")
    async with program("--version", before=shell) as running:
        ended = await running.ended()
    assert (ended.code, ended.err) == (Exit.OK, "")


async def test_a_closed_standard_input_is_empty() -> None:
    shell = ("sh", "-c", 'exec "$@" <&-', "sh")
    words = ("transcribe", "-", "--url", "ws://127.0.0.1:9")
    async with program(*words, before=shell) as running:
        ended = await running.ended()
    assert (ended.code, ended.err) == (Exit.FAILED, "error: standard input: the file is empty\n")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (FileNotFoundError(errno.ENOENT, "No such file", "a.wav"), "a.wav: No such file"),
        (OSError(errno.ENOSPC, "No space left"), "the output cannot be written: No space left"),
        (ConnectionError(errno.ECONNREFUSED, "Connection refused"), "Connection refused"),
        (OSError("unknown"), "unknown"),
    ],
)
def test_an_error_of_the_system_names_the_file_and_no_number(
    error: OSError, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exits.report(error) is Exit.FAILED
    assert capsys.readouterr().err == f"error: {text}\n"


def test_control_c_during_the_imports_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Interrupting:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "pulse_plugins.cli.application":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "pulse_plugins.cli.application")
    monkeypatch.setattr(sys, "meta_path", [Interrupting(), *sys.meta_path])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == Exit.INTERRUPTED
    assert capsys.readouterr().err == "stopped\n"


def test_without_a_command_the_help_is_shown_and_no_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run([]) == Exit.USAGE
    shown = capsys.readouterr()
    assert "transcribe" in shown.out
    assert shown.err == ""


def test_the_short_help_of_the_benchmarks(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "-h"]) == Exit.OK
    assert "needs a checkout" in capsys.readouterr().out
