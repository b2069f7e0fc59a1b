"""`serve`: starts with one line, does what it is told, and ends cleanly."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from pulse_plugins.cli.exits import Exit
from tests.cli.rig import command, program, record, words

pytestmark = pytest.mark.process

SCRIPTED = ("serve", "--port", "0", "--json", "--recognizer", "scripted")


async def test_another_command_is_served(tmp_path: Path) -> None:
    source = record(tmp_path / "a.wav", 3)
    async with program(*SCRIPTED, "--fault", "drop@word=2") as running:
        url = json.loads(await running.line())["url"]
        assert await command("transcribe", str(source), "-o", str(tmp_path), "--url", url) == 0
        running.terminate()
        ended = await running.ended()
    assert ended.code == Exit.OK
    assert "Traceback" not in ended.err
    heard = (tmp_path / "a.txt").read_text().lower()
    assert "".join(filter(str.isalpha, heard)) == "".join(words(3, 4))


async def test_control_c_ends_it(tmp_path: Path) -> None:
    async with program(*SCRIPTED) as running:
        await running.line()
        running.interrupt()
        ended = await running.ended()
    assert ended.code == Exit.INTERRUPTED
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("more", "code", "text"),
    [
        (("--fault", "explode@audio=1"), Exit.CONFIGURATION, "unknown"),
        (("-s", "latency=1"), Exit.CONFIGURATION, "NAME=VALUE"),
        (("-s", "latency_final=nan"), Exit.CONFIGURATION, "latency_final"),
        (("-s", "send_timeout=inf"), Exit.CONFIGURATION, "send_timeout"),
        (("--fault", "drop@audio=inf"), Exit.CONFIGURATION, "audio"),
        (("--fault", "drop@audio=nan"), Exit.CONFIGURATION, "audio"),
        (("-s", "recognizer=foo"), Exit.USAGE, "--recognizer"),
        (("-r", "json:dumps"), Exit.CONFIGURATION, "json:dumps"),
        (("-r", "builtins:dict"), Exit.CONFIGURATION, "no recognizer"),
        (("-s", "latency_final=-1"), Exit.CONFIGURATION, "latency_final"),
        (("-r", "no_such_module:make"), Exit.CONFIGURATION, "no_such_module"),
        (("--language-model", "bookings"), Exit.USAGE, "pocketsphinx"),
        (("--port", "70000"), Exit.USAGE, "--port"),
    ],
)
async def test_what_cannot_work_is_one_line(
    more: tuple[str, ...], code: Exit, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await command("serve", "-r", "scripted", "--port", "0", *more) == code
    shown = capsys.readouterr().err
    assert text in shown
    assert len(shown.strip().splitlines()) == 1


async def test_a_broken_grammar_is_refused_before_it_listens(tmp_path: Path) -> None:
    grammar = tmp_path / "broken.gram"
    grammar.write_text("no grammar")
    async with program("serve", "--port", "0", "--json", "--grammar", str(grammar)) as running:
        ended = await running.ended()
    assert ended.code == Exit.CONFIGURATION
    assert json.loads(ended.out)["event"] == "error"
    assert "broken" in ended.err
    assert "Traceback" not in ended.err


async def test_a_port_that_is_taken_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert await command("serve", "-r", "scripted", "--port", port) == Exit.FAILED
    assert port in capsys.readouterr().err


async def test_it_lists_what_can_be_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert await command("serve", "--list") == Exit.OK
    assert "latency_final" in capsys.readouterr().out
