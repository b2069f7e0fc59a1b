"""`transcribe`: many formats at once, resumable, and every failure clean."""

from __future__ import annotations

import asyncio
import json
import os
import resource
from pathlib import Path

import pytest

from pulse_plugins.cli.exits import Exit
from tests.cli.rig import CODECS, command, program, record, server, words


def heard(path: Path) -> list[str]:
    """The words of a text transcript, as they were said."""
    text = path.read_text(encoding="utf-8").lower()
    return ["".join(filter(str.isalpha, word)) for word in text.split()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten recordings, each of other words and in another container."""
    made = tmp_path / "in"
    made.mkdir()
    for number, suffix in enumerate(CODECS):
        record(made / f"call{number}{suffix}", 10 * number)
    return made


async def test_ten_formats_at_once(folder: Path, tmp_path: Path) -> None:
    async with server() as local:
        code = await command(
            "transcribe", str(folder), "-o", str(tmp_path / "out"), "-j", "5", "--url", local.url
        )
    assert code == Exit.OK
    for number in range(len(CODECS)):
        assert heard(tmp_path / "out" / f"call{number}.txt") == words(10 * number, 4)


async def test_stopped_half_way_a_second_run_does_the_rest(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["transcribe", str(folder), "-o", str(out), "-j", "1", "--json"]
    async with server(latency_final=0.3) as local:
        async with program(*arguments, "--url", local.url) as running:
            await local.wait_for(lambda each: len(each.connections) >= 4, timeout=40)
            running.interrupt()
            ended = await running.ended()
        assert ended.code == Exit.INTERRUPTED
        assert "Traceback" not in ended.err
        first = sorted(path.name for path in out.iterdir())
        assert 2 <= len(first) < len(CODECS)
        assert all(name.endswith(".txt") for name in first)  # nothing half-written
        before = len(local.connections)
        assert await command(*arguments, "--url", local.url) == Exit.OK
        assert len(local.connections) - before == len(CODECS) - len(first)
    for number in range(len(CODECS)):
        assert heard(out / f"call{number}.txt") == words(10 * number, 4)


async def test_a_bad_file_does_not_stop_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = record(tmp_path / "good.wav", 1)
    (tmp_path / "bad.mp3").write_bytes(b"this is no sound" * 50)
    out = tmp_path / "out"
    async with server() as local:
        code = await command(
            "transcribe", str(tmp_path), "-o", str(out), "--json", "--url", local.url
        )
    assert code == Exit.FAILED
    assert [path.name for path in out.iterdir()] == ["good.txt"]
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    by_name = {Path(line["source"]).name: line for line in lines}
    assert by_name["bad.mp3"]["status"] == "failed"
    assert by_name["good.wav"]["status"] == "done"
    assert by_name["good.wav"]["seconds"] > 1
    assert good.exists()


async def test_a_lost_connection_loses_no_word(tmp_path: Path) -> None:
    source = record(tmp_path / "a.wav", 100, count=12)
    async with server(faults=["drop@word=5", "drop@closing=1,connection=2"]) as local:
        code = await command("transcribe", str(source), "-o", str(tmp_path), "--url", local.url)
        assert len(local.connections) == 3
    assert code == Exit.OK
    assert heard(tmp_path / "a.txt") == words(100, 12)


async def test_as_one_request(tmp_path: Path) -> None:
    for number, suffix in enumerate([".wav", ".mp3", ".mkv"]):
        record(tmp_path / f"call{number}{suffix}", 10 * number)
    async with server() as local:
        code = await command(
            "transcribe", str(tmp_path), "--rest", "-o", str(tmp_path), "--url", local.url
        )
        assert local.connections == []  # no stream was opened
    assert code == Exit.OK
    for number in range(3):
        assert heard(tmp_path / f"call{number}.txt") == words(10 * number, 4)


async def test_a_wrong_key_is_asked_about_once(tmp_path: Path) -> None:
    for number in range(4):
        record(tmp_path / f"{number}.wav", number)
    async with server(api_key="another") as local:
        code = await command(
            "transcribe", str(tmp_path), "-o", str(tmp_path / "out"), "-j", "1", "--url", local.url
        )
        assert code == Exit.CONFIGURATION
        assert len(local.connections) == 1


async def test_without_output_it_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = record(tmp_path / "a.wav", 7)
    async with server() as local:
        assert await command("transcribe", str(source), "-f", "srt", "--url", local.url) == Exit.OK
    printed = capsys.readouterr().out
    assert printed.startswith("1\n00:00:00,")
    assert words(7, 1)[0] in printed.lower()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
async def test_no_permission_is_one_line(tmp_path: Path) -> None:
    source = record(tmp_path / "a.wav", 7)
    out = tmp_path / "out"
    out.mkdir(mode=0o500)
    async with server() as local:
        code = await command("transcribe", str(source), "-o", str(out), "--url", local.url)
    assert code == Exit.FAILED
    assert list(out.iterdir()) == []


async def test_a_full_disk_leaves_nothing_half_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The limit on a file's size stands for the disk's: the write itself fails."""
    source = record(tmp_path / "a.wav", 7)
    out = tmp_path / "out"
    out.mkdir()
    async with server() as local:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8, hard))
        try:
            code = await command("transcribe", str(source), "-o", str(out), "--url", local.url)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert code == Exit.FAILED
    assert list(out.iterdir()) == []
    assert "File too large" in capsys.readouterr().err


async def test_nowhere_to_connect_is_told_apart(tmp_path: Path) -> None:
    source = record(tmp_path / "a.wav", 7)
    listener = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    listener.close()
    await listener.wait_closed()
    arguments = ["transcribe", str(source), "--url", f"ws://127.0.0.1:{port}"]
    assert await command(*arguments) == Exit.CONNECTION
