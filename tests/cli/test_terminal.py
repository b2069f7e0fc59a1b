"""What a terminal and a pipe get: bars that fit, a cursor that comes back, plain UTF-8."""

from __future__ import annotations

import asyncio
import io
import json
import os
import pty
import signal
from pathlib import Path

import pytest
from rich.console import Console

from pulse_plugins.cli.exits import Exit
from pulse_plugins.cli.transcribe import progress
from pulse_plugins.cli.transcribe.progress import Bars
from pulse_plugins.local.recognizers import scripted
from tests.cli.rig import program, record, server
from tests.support.patience import PATIENCE
from tests.support.programs import running

pytestmark = pytest.mark.process

HIDE, SHOW = b"\x1b[?25l", b"\x1b[?25h"


@pytest.mark.parametrize("columns", [80, 40])
def test_bars_fit_the_terminal_whatever_the_names_are(
    columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=columns, color_system=None)
    monkeypatch.setattr(progress, "Console", lambda **_: console)
    with Bars(quiet=False) as bars:
        bars.count(12)
        known = bars.begin("a recording with a name that is far too long for any terminal.wav")
        bars.length(known, 60.0)
        bars.advance(known, 30.0)
        bars.begin("a recording of unknown length.wav")
        shown = "".join(segment.text for segment in console.render(bars._progress))
    lines = shown.rstrip().split("\n")
    assert len(lines) == 3
    assert all(len(line) <= columns for line in lines)
    assert "12 recordings" in lines[0]
    assert "…" in lines[1]
    assert "50 %" in lines[1]
    assert "%" not in lines[2]
    assert "0:00:00" in lines[2]


def test_what_is_printed_between_bars_is_not_erased(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=60, color_system=None)
    monkeypatch.setattr(progress, "Console", lambda **_: console)
    with Bars(quiet=False) as bars:
        bars.begin("one.wav")
        bars.begin("two.wav")
        with bars.hidden():
            before = len(written.getvalue())
        after = written.getvalue()[before:]
    # The display that comes back is a new one: before its first frame no line is cleared.
    first = after.index("one.wav")
    assert "\x1b[1A" not in after[:first]


async def test_the_cursor_comes_back_after_sigterm(tmp_path: Path) -> None:
    source = record(tmp_path / "a.wav", 1, count=60)
    async with server(faults=["blackhole@word=5"]) as local:
        master, slave = pty.openpty()
        arguments = ("-m", "pulse_plugins.cli", "transcribe", str(source), "--url", local.url)
        variables = {**os.environ, "TERM": "xterm"}
        async with running(*arguments, environment=variables, stdout=slave, joined=True) as process:
            os.close(slave)
            seen = b""
            async with asyncio.timeout(PATIENCE):
                while HIDE not in seen:
                    seen += await asyncio.to_thread(os.read, master, 4096)
                await local.wait_for(lambda each: bool(each.faults.happened), timeout=PATIENCE)
                process.send_signal(signal.SIGTERM)
                code = await process.wait()
                try:
                    while more := await asyncio.to_thread(os.read, master, 4096):
                        seen += more
                except OSError:  # the other end is closed
                    pass
        os.close(master)
    assert code == 143
    assert seen.rindex(SHOW) > seen.rindex(HIDE)
    assert b"Traceback" not in seen


@pytest.mark.parametrize("locale", ["C", "POSIX"])
async def test_a_pipe_gets_utf_8_whatever_the_locale_is(locale: str, tmp_path: Path) -> None:
    path = record(tmp_path / "a.wav", 1)
    recognizer = scripted.ScriptedRecognizer({1: "日本"})
    async with (
        server(recognizer=recognizer) as local,
        program(
            *("transcribe", str(path), "--json", "--url", local.url),
            LC_ALL=locale,
            PYTHONUTF8="0",
            PYTHONCOERCECLOCALE="0",
        ) as running,
    ):
        ended = await running.ended()
    assert ended.code == Exit.OK
    assert "日本" in json.loads(ended.out)["text"]
    assert "日本" in ended.out


async def test_piped_captions_are_neither_wrapped_nor_decorated(tmp_path: Path) -> None:
    source = record(tmp_path / "a.wav", 1, count=10)
    long = "-and-on" * 4
    vocabulary = {number: f":smile:{number}{long}" for number in range(11)}
    recognizer = scripted.ScriptedRecognizer(vocabulary)
    async with (
        server(recognizer=recognizer, max_words=30) as local,
        program("live", "--file", str(source), "--url", local.url, COLUMNS="40") as running,
    ):
        ended = await running.ended()
    assert ended.code == Exit.OK
    (line,) = ended.out.splitlines()
    assert len(line) > 200
    assert ":smile:7" in line.lower()
