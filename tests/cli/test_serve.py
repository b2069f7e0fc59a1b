"""`serve`: starts with one line, does what it is told, and ends cleanly."""

from __future__ import annotations

import io
import json
import socket
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from pulse_plugins.cli import serving
from pulse_plugins.cli.exits import Exit
from pulse_plugins.local.connection.habits import QUIRKS
from pulse_plugins.local.faults import MOMENTS, Kind
from pulse_plugins.local.server import PulseServer
from pulse_plugins.local.settings import ServerOptions
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
        (("-s", "latency_final=x"), Exit.CONFIGURATION, "latency_final='x': use a number"),
        (("-s", "control=x"), Exit.CONFIGURATION, "use true or false"),
        (("-s", "region=x"), Exit.CONFIGURATION, "use any, us, india"),
        (("-s", "max_words=x"), Exit.CONFIGURATION, "use a whole number or none"),
        (("-s", "quirks=x"), Exit.CONFIGURATION, "; + joins several"),
        (("--paced",), Exit.USAGE, "--paced is for --replay"),
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


@pytest.mark.parametrize("content", [b"", b"no word that has sounds", b"\xff\x00" * 50])
async def test_a_dictionary_without_a_word_is_refused(content: bytes, tmp_path: Path) -> None:
    """A decoder without words hears nothing, and says nothing about it."""
    dictionary = tmp_path / "my.dict"
    dictionary.write_bytes(content)
    arguments = ("serve", "--port", "0", "--dictionary", str(dictionary))
    async with program(*arguments) as running:
        ended = await running.ended()
    assert ended.code == Exit.CONFIGURATION
    assert "the dictionary holds no pronunciation" in ended.err
    assert "Error" not in ended.err


async def test_a_folder_is_no_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await command("serve", "--language-model", str(tmp_path)) == Exit.CONFIGURATION
    assert "is a folder: name a file" in capsys.readouterr().err


class _Unread(io.StringIO):
    """An output whose reader has gone away, as with `| head`."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


@pytest.mark.parametrize("as_json", [True, False])
async def test_a_server_goes_on_when_nobody_reads_its_output(
    as_json: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script may read the URL and no more."""
    source = record(tmp_path / "a.wav", 3)
    monkeypatch.setattr(sys, "stdout", _Unread())
    show = serving.printer(verbose=True, as_json=as_json)
    async with PulseServer(ServerOptions(recognizer="scripted"), watch=show) as server:
        code = await command("transcribe", str(source), "-o", str(tmp_path), "--url", server.url)
        assert len(server.connections) == 1
    assert code == Exit.OK


async def test_it_lists_what_can_be_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert await command("serve", "--list") == Exit.OK
    assert "latency_final" in capsys.readouterr().out


async def test_each_call_is_shown_as_it_happens(tmp_path: Path) -> None:
    source = record(tmp_path / "a.wav", 3)
    shown = ("serve", "--port", "0", "--recognizer", "scripted", "-v", "--fault", "drop@word=2")
    async with program(*shown, COLUMNS="200") as running:
        url = (await running.line()).partition("on ")[2].partition(".  Ctrl")[0].split(" ")[0]
        url = url.rstrip(".")
        assert await command("transcribe", str(source), "-o", str(tmp_path), "--url", url) == 0
        assert await command("transcribe", str(source), "--rest", "--force", "--url", url) == 0
        running.terminate()
        ended = await running.ended()
    lines = ended.out.splitlines()
    assert any("#1 connected /waves/v1/pulse/get_text" in line for line in lines)
    assert any("#1 closed with 1006" in line and "drop@word=2" in line for line in lines)
    assert any('#2 final "' in line for line in lines)
    assert any("#2 closed with 1000" in line for line in lines)
    assert any("upload answered with 200" in line for line in lines)


async def test_what_was_said_is_shown_on_request_alone(tmp_path: Path) -> None:
    source = record(tmp_path / "a.wav", 3)
    async with program(*SCRIPTED) as running:
        url = json.loads(await running.line())["url"]
        assert await command("transcribe", str(source), "-o", str(tmp_path), "--url", url) == 0
        running.terminate()
        ended = await running.ended()
    events = [json.loads(line) for line in ended.out.splitlines()]
    assert [event["event"] for event in events] == ["connected", "closed"]
    assert not any(word in ended.out for word in words(3, 1))


async def test_list_explains_every_habit_and_fault_in_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    assert await command("serve", "--list") == Exit.OK
    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.split()}
    names = [each.name for each in fields(ServerOptions) if each.name != "recognizer"]
    for name in (*names, *QUIRKS, *MOMENTS, *(kind.value for kind in Kind)):
        meaning = rows[name].rstrip()
        assert meaning.endswith("."), name
        assert len(meaning.split()) >= 5, name


async def test_a_recorded_session_is_served_again(tmp_path: Path) -> None:
    source, session = record(tmp_path / "a.wav", 3), tmp_path / "session.jsonl"
    async with program(*SCRIPTED) as serving:
        url = json.loads(await serving.line())["url"]
        made = ("record", str(session), "--url", url, "--port", "0", "--json")
        async with program(*made) as recording:
            url = json.loads(await recording.line())["url"]
            assert await command("transcribe", str(source), "-o", str(tmp_path), "--url", url) == 0
            recording.terminate()
            assert (await recording.ended()).code == Exit.OK
    assert session.stat().st_mode & 0o077 == 0  # its owner's alone
    (tmp_path / "a.txt").unlink()
    async with program("serve", "--replay", str(session), "--port", "0", "--json") as replaying:
        url = json.loads(await replaying.line())["url"]
        assert await command("transcribe", str(source), "-o", str(tmp_path), "--url", url) == 0
    heard = (tmp_path / "a.txt").read_text().lower()
    assert "".join(filter(str.isalpha, heard)) == "".join(words(3, 4))


@pytest.mark.parametrize("name", ["serve", "serve --replay", "record"])
async def test_a_port_that_is_taken_is_said_and_leaves_no_file(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new, old = tmp_path / "new.jsonl", tmp_path / "old.jsonl"
    old.write_text(
        '{"pulse_session": 1, "words": true}\n'
        '{"connection": 1, "at": 0.0, "opened": {"path": "/a", "query": {}}}\n'
    )
    words_of = {
        "serve": ("serve", "-r", "scripted"),
        "serve --replay": ("serve", "--replay", str(old)),
        "record": ("record", str(new), "--url", "ws://127.0.0.1:9"),
    }
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code = await command(*words_of[name], "--port", str(port))
    shown = capsys.readouterr().err
    assert code == Exit.FAILED
    assert f"cannot listen on 127.0.0.1:{port}: another program listens there" in shown
    assert len(shown.strip().splitlines()) == 1
    assert not new.exists()


@pytest.mark.parametrize(
    "more", [("-r", "scripted"), ("-f", "drop@audio=1"), ("-s", "max_words=3"), ("-v",)]
)
async def test_an_option_without_effect_on_a_replay_is_refused(
    more: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "session.jsonl"
    path.write_text('{"pulse_session": 1, "words": true}\n')
    assert await command("serve", "--replay", str(path), *more) == Exit.USAGE
    assert "--replay answers from the file alone" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "code", "text"),
    [
        (("--no-words", "--audio"), Exit.USAGE, "--no-words"),
        (("--url", "nonsense"), Exit.CONFIGURATION, "wss://"),
    ],
)
async def test_a_recording_that_cannot_be_made_is_one_line(
    more: tuple[str, ...], code: Exit, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "session.jsonl"
    assert await command("record", str(path), "--port", "0", *more) == code
    shown = capsys.readouterr().err
    assert text in shown
    assert len(shown.strip().splitlines()) == 1
    path.touch()
    assert await command("record", str(path), "--port", "0") == Exit.USAGE
    assert "exists" in capsys.readouterr().err
