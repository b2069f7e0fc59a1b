"""`transcribe`: many formats at once, resumable, and every failure clean."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
from pathlib import Path
from shutil import which

import av
import numpy as np
import pysubs2
import pytest
import webvtt

from pulse_plugins.cli.exits import Exit
from pulse_plugins.cli.transcribe.memory import INDEX
from tests.cli.rig import CODECS, LIKE_A_USER, command, program, record, server, words
from tests.support.patience import PATIENCE

pytestmark = pytest.mark.process


def heard(path: Path) -> list[str]:
    """The words of a text transcript, as they were said."""
    text = path.read_text(encoding="utf-8").lower()
    return ["".join(filter(str.isalpha, word)) for word in text.split()]


def written(out: Path) -> list[str]:
    """The names of the outputs, without the index of the folder."""
    return sorted(path.name for path in out.iterdir() if path.name != INDEX)


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
            await local.wait_for(lambda each: len(each.connections) >= 4, timeout=PATIENCE)
            running.interrupt()
            ended = await running.ended()
        assert ended.code == Exit.INTERRUPTED
        assert ended.err == "stopped\n"
        first = written(out)
        assert 2 <= len(first) < len(CODECS)
        assert all(name.endswith(".txt") for name in first)  # nothing half-written
        before = len(local.connections)
        assert await command(*arguments, "--url", local.url) == Exit.OK
        assert len(local.connections) - before == len(CODECS) - len(first)
    for number in range(len(CODECS)):
        assert heard(out / f"call{number}.txt") == words(10 * number, 4)


async def test_killed_half_way_a_second_run_does_the_rest(folder: Path, tmp_path: Path) -> None:
    """Killed, it cannot tidy up; what it was writing at that moment is written anew."""
    out = tmp_path / "out"
    arguments = ["transcribe", str(folder), "-o", str(out), "-j", "2"]
    async with server(latency_final=0.3) as local:
        async with program(*arguments, "--url", local.url) as running:
            await local.wait_for(lambda each: len(each.connections) >= 5, timeout=PATIENCE)
            running.kill()
            assert (await running.ended()).code == -signal.SIGKILL
        first = sorted(out.glob("*.txt"))
        assert 2 <= len(first) < len(CODECS)
        for path in first:
            number = int(path.stem.removeprefix("call"))
            assert heard(path) == words(10 * number, 4)
        (out / ".call9.txt.part").write_text("half of")  # as if it was killed while it wrote
        before = len(local.connections)
        assert await command(*arguments, "--url", local.url) == Exit.OK
        assert len(local.connections) - before == len(CODECS) - len(first)
    assert written(out) == [f"call{number}.txt" for number in range(len(CODECS))]
    for number in range(len(CODECS)):
        assert heard(out / f"call{number}.txt") == words(10 * number, 4)


@pytest.mark.parametrize("form", ["srt", "vtt"])
async def test_captions_of_real_transcripts_are_read_by_parsers_of_others(
    form: str, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    async with server() as local:
        arguments = ["transcribe", str(folder), "-f", form, "-o", str(out), "-j", "5"]
        assert await command(*arguments, "--url", local.url) == Exit.OK
    for number in range(len(CODECS)):
        path = out / f"call{number}.{form}"
        seen = [(cue.start, cue.end, cue.plaintext) for cue in pysubs2.load(str(path))]
        if form == "vtt":
            cues = webvtt.read(str(path))
            assert [cue.text for cue in cues.captions] == [text for _, _, text in seen]
        assert all(0 <= start < end <= 2000 for start, end, _ in seen)  # milliseconds
        said = " ".join(text for _, _, text in seen).lower().split()
        assert ["".join(filter(str.isalpha, word)) for word in said] == words(10 * number, 4)


async def test_every_kind_of_bad_file_is_one_line_each(folder: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "noise.mp3").write_bytes(bytes(range(256)) * 20)
    (bad / "empty.wav").write_bytes(b"")
    (bad / "cut.m4a").write_bytes((folder / "call3.m4a").read_bytes()[:3000])
    with av.open(str(bad / "silent film.mov"), "w") as film:
        picture = film.add_stream("mpeg4", rate=25, width=64, height=64, pix_fmt="yuv420p")
        black = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
        film.mux(picture.encode(black))
        film.mux(picture.encode(None))
    async with (
        server() as local,
        program("transcribe", str(bad), "-o", str(tmp_path / "out"), "--url", local.url) as run,
    ):
        ended = await run.ended()
        assert local.connections == []
    assert ended.code == Exit.FAILED
    *lines, summary = ended.err.strip().splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["error"] * 4
    names = ["cut.m4a", "empty.wav", "noise.mp3", "silent film.mov"]
    assert sorted(Path(line.split(": ")[1]).name for line in lines) == names
    assert summary == "0 done, 0 already there, 4 failed"
    assert not (tmp_path / "out").exists()


async def test_a_directory_without_audio_is_told(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no audio")
    async with program("transcribe", str(tmp_path), "--url", "ws://127.0.0.1:1") as running:
        ended = await running.ended()
    assert ended.code == Exit.USAGE
    assert ended.err.strip() == f"error: {tmp_path}: no audio in this folder"


@pytest.mark.parametrize("more", [(), ("--json",)])
async def test_a_full_disk_behind_standard_output(more: tuple[str, ...], folder: Path) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        async with (
            server() as local,
            program("transcribe", str(folder), *more, "--url", local.url, stdout=full) as running,
        ):
            ended = await running.ended()
    finally:
        os.close(full)
    assert ended.code == Exit.FAILED
    assert "No space left on device" in ended.err
    assert "Traceback" not in ended.err


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
    assert written(out) == ["good.txt"]
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


@pytest.mark.skipif(bool(LIKE_A_USER) and which("setpriv") is None, reason="needs setpriv")
async def test_no_permission_is_one_line(tmp_path: Path) -> None:
    source = record(tmp_path / "a.wav", 7)
    forbidden, secret = tmp_path / "out", tmp_path / "in"
    forbidden.mkdir(mode=0o500)
    secret.mkdir(mode=0o000)
    async with server() as local:
        url = ("--url", local.url)
        for arguments, where in (
            ((str(source), "-o", str(forbidden)), "out"),
            ((str(source), "-o", str(forbidden / "deeper")), "out"),
            ((str(secret), "-o", str(tmp_path)), "in"),
        ):
            async with program("transcribe", *arguments, *url, before=LIKE_A_USER) as running:
                ended = await running.ended()
            assert ended.code == Exit.FAILED
            first = ended.err.strip().splitlines()[0]
            assert first.startswith("error: ")
            assert "Permission denied" in first
            assert where in first
            assert "Traceback" not in ended.err
        source.chmod(0o000)
        async with program("transcribe", str(source), *url, before=LIKE_A_USER) as running:
            ended = await running.ended()
        assert ended.code == Exit.FAILED
        assert ended.err.strip() == f"error: {source}: it cannot be read: Permission denied"
    secret.chmod(0o700)
    assert list(forbidden.iterdir()) == []


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
    async with program(*arguments, virtual=True) as running:  # nobody waits for the retries
        assert (await running.ended()).code == Exit.CONNECTION


async def test_control_c_ends_the_wait_for_a_url_that_never_answers() -> None:
    asked = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()  # until the client is gone
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as mute:
        port = mute.sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}/call.wav"
        async with program("transcribe", url, "--url", "ws://127.0.0.1:9") as running:
            async with asyncio.timeout(PATIENCE):
                await asked.wait()
            running.interrupt()
            async with asyncio.timeout(10):  # the wait itself would last twenty seconds
                ended = await running.ended()
    assert ended.code == Exit.INTERRUPTED
    assert ended.err == "stopped\n"


async def test_many_transcripts_on_standard_output_are_one_vtt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = [str(record(tmp_path / f"{number}.wav", number)) for number in range(2)]
    async with server() as local:
        assert await command("transcribe", *sources, "-f", "vtt", "--url", local.url) == Exit.OK
    shown = capsys.readouterr().out
    assert shown.startswith("WEBVTT\n\n")
    assert shown.count("WEBVTT") == 1
    assert len(webvtt.from_string(shown).captions) >= 2
