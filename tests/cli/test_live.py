"""`live --file`: captions in real time; the microphone needs a machine that has one."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from types import ModuleType

import pytest

from pulse_plugins.cli import live
from pulse_plugins.cli.exits import Exit
from pulse_plugins.core.config.timing import Timeouts
from tests.cli.rig import command, program, record, server, words
from tests.support.patience import PATIENCE

pytestmark = pytest.mark.process


async def test_a_file_is_heard_in_real_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = record(tmp_path / "a.wav", 20, count=4)
    begin = time.monotonic()
    async with server(faults=["drop@word=2"]) as local:
        code = await command("live", "--file", str(source), "--json", "--url", local.url)
    assert code == Exit.OK
    assert time.monotonic() - begin > 1.5  # it lasts as long as the speech
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    finals = " ".join(event["text"] for event in events if event["event"] == "Final")
    assert "".join(filter(str.isalpha, finals.lower())) == "".join(words(20, 4))
    assert [event["event"] for event in events].count("Recovered") == 1


async def test_captions_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = record(tmp_path / "a.wav", 20, count=2)
    async with server() as local:
        assert await command("live", "--file", str(source), "--url", local.url) == Exit.OK
    assert words(20, 1)[0] in capsys.readouterr().out.lower()


async def test_control_c_ends_it_and_the_last_words_still_come(tmp_path: Path) -> None:
    source = record(tmp_path / "a.wav", 20, count=60)
    async with server(latency_final=0.5) as local:
        arguments = ("live", "--file", str(source), "--json", "--url", local.url)
        async with program(*arguments) as running:
            while '"Interim"' not in await running.line():
                pass
            running.interrupt()
            ended = await running.ended()
    assert ended.code == Exit.INTERRUPTED
    assert ended.err == "stopped\n"
    events = [json.loads(line) for line in ended.out.splitlines()]
    finals = " ".join(event["text"] for event in events if event["event"] == "Final")
    assert "".join(filter(str.isalpha, finals.lower())).startswith(words(20, 1)[0])


async def test_a_second_control_c_waits_for_no_words(tmp_path: Path) -> None:
    source = record(tmp_path / "a.wav", 20, count=60)
    async with server(faults=["blackhole@word=1"]) as local:
        arguments = ("live", "--file", str(source), "--json", "--url", local.url)
        async with program(*arguments) as running:
            await local.wait_for(lambda each: bool(each.faults.happened), timeout=PATIENCE)
            running.interrupt()
            await local.wait_for(lambda each: bool(each.connections[0].controls), PATIENCE)
            begin = time.monotonic()
            running.interrupt()
            ended = await running.ended()
            assert time.monotonic() - begin < Timeouts().close  # it would wait so long for words
    assert ended.code == Exit.INTERRUPTED
    assert "Traceback" not in ended.err


async def test_a_file_and_a_microphone_exclude_each_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = record(tmp_path / "a.wav", 20, count=1)
    assert await command("live", "--file", str(source), "--device", "1") == Exit.USAGE
    assert "leave out --file" in capsys.readouterr().err


async def test_without_sounddevice_it_says_what_to_install_and_calls_nobody(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    called: list[object] = []
    monkeypatch.setattr(live, "PulseStream", lambda *_, **__: called.append(1))
    assert await command("live", "--url", "ws://127.0.0.1:9") == Exit.CONFIGURATION
    assert called == []
    assert "pip install sounddevice" in capsys.readouterr().err


async def test_what_a_slow_machine_drops_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    class Overwhelming:
        def __init__(self, *, callback: Callable[[bytes], None], **_: object) -> None:
            self._callback = callback

        def __enter__(self) -> None:
            for _ in range(150):
                self._callback(b"\0\0")

        def __exit__(self, *_: object) -> None:
            return

    module = ModuleType("sounddevice")
    module.__dict__.update(RawInputStream=Overwhelming, PortAudioError=OSError)
    recorded = live._recorded(module, None, 16_000)
    assert isinstance(recorded, AsyncGenerator)
    assert await anext(recorded) == b"\0\0"
    await recorded.aclose()
    assert "2.5 s of the microphone were dropped" in capsys.readouterr().err


async def test_an_outage_is_shown_once_and_on_standard_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = record(tmp_path / "a.wav", 20, count=4)
    async with server(faults=["drop@word=2", "refuse=503@connection=2"]) as local:
        assert await command("live", "--file", str(source), "--url", local.url) == Exit.OK
    shown = capsys.readouterr()
    assert shown.err.count("trying again") == 1
    assert shown.err.count("connected again") == 1
    assert "again" not in shown.out
