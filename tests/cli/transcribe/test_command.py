"""The options of `transcribe`, each against the local server."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import webvtt

from pulse_plugins.cli.exits import CommandError, Exit
from pulse_plugins.cli.transcribe.command import seconds
from pulse_plugins.local.recognizers import scripted
from tests.cli.rig import RATE, command, program, record, save, server, words
from tests.support.patience import PATIENCE

pytestmark = pytest.mark.process

HERE = Path(__file__).parents[3]


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def plain(text: str) -> list[str]:
    return ["".join(filter(str.isalpha, word)) for word in text.lower().split()]


async def test_json_lines_hold_the_transcript_and_the_same_fields_for_every_outcome(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path / "good.wav", 1)
    (tmp_path / "bad.mp3").write_bytes(b"this is no sound" * 50)
    async with server() as local:
        await command("transcribe", str(tmp_path), "--json", "--url", local.url)
    shown = capsys.readouterr()
    assert shown.err == ""
    by_name = {Path(line["source"]).name: line for line in lines(shown.out)}
    good, bad = by_name["good.wav"], by_name["bad.mp3"]
    assert list(good) == list(bad)
    assert good["status"] == "done"
    assert plain(good["text"]) == words(1, 4)
    assert [word["text"].lower().strip(".") for word in good["segments"][0]["words"]] == words(1, 4)
    assert (bad["status"], bad["text"]) == ("failed", None)
    assert "text, not a recording" in bad["error"]


async def test_a_result_appears_as_soon_as_its_recording_is_done(tmp_path: Path) -> None:
    """The server stops answering about the second recording."""
    first = record(tmp_path / "a.wav", 1)
    endless = record(tmp_path / "b.wav", 30, count=400)
    async with server(faults=["blackhole@word=20,times=0"]) as local:
        arguments = ("transcribe", str(first), str(endless), "-j", "2", "--url", local.url)
        async with program(*arguments) as running:
            assert await running.line() == f"==> {first} <=="
            assert plain(await running.line()) == words(1, 4)
            running.interrupt()
            ended = await running.ended()
    assert ended.code == Exit.INTERRUPTED
    assert ended.err == "1 done, 0 already there, 0 failed, 1 not tried\nstopped\n"


async def test_several_transcripts_on_one_output_are_told_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [str(record(tmp_path / f"{number}.wav", 10 * number)) for number in range(2)]
    async with server() as local:
        await command("transcribe", *paths, "-j", "1", "--url", local.url)
        first = capsys.readouterr()
        await command("transcribe", paths[0], "--url", local.url)
        alone = capsys.readouterr()
        await command("transcribe", *paths, "-j", "1", "-f", "vtt", "--url", local.url)
        captions = capsys.readouterr()
    head, text, empty, second, _ = first.out.splitlines()
    assert (head, empty, second) == (f"==> {paths[0]} <==", "", f"==> {paths[1]} <==")
    assert first.err == "2 done, 0 already there, 0 failed\n"
    assert alone.out == f"{text}\n"
    assert alone.err == ""
    assert [line for line in captions.out.splitlines() if "NOTE" in line] == [
        f"NOTE {path}" for path in paths
    ]
    assert len(webvtt.from_string(captions.out).captions) == 2


async def test_several_formats_in_one_run(tmp_path: Path) -> None:
    record(tmp_path / "in" / "a.wav", 1)
    out = tmp_path / "out"
    async with server() as local:
        arguments = ("transcribe", str(tmp_path / "in"), "-o", str(out), "--url", local.url)
        assert await command(*arguments, "-f", "srt", "-f", "json", "-f", "txt") == Exit.OK
        assert len(local.connections) == 1
    assert sorted(path.name for path in out.glob("a.*")) == ["a.json", "a.srt", "a.txt"]
    assert plain(json.loads((out / "a.json").read_text())["text"]) == words(1, 4)


async def test_where_a_second_recording_of_the_same_name_went_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    async with server() as local:
        for number, folder in enumerate(("a", "b")):
            source = record(tmp_path / folder / "call.wav", 10 * number)
            await command("transcribe", str(source), "-o", str(out), "--url", local.url)
    assert plain((out / "call.txt").read_text()) == words(0, 4)
    assert plain((out / "call.wav.txt").read_text()) == words(10, 4)
    first, second, third = capsys.readouterr().err.splitlines()
    assert (first, third) == ("1 done, 0 already there, 0 failed",) * 2
    assert second.startswith(f"note: {tmp_path / 'b' / 'call.wav'}: another recording has its name")
    assert second.endswith(str(out / "call.wav.txt"))


async def test_one_recording_into_one_file(tmp_path: Path) -> None:
    source = record(tmp_path / "movie.mkv", 1)
    async with server() as local:
        arguments = ("transcribe", str(source), "--url", local.url)
        assert await command(*arguments, "-o", str(tmp_path / "movie.srt")) == Exit.OK
        assert await command(*arguments, "-o", str(tmp_path / "movie.srt")) == Exit.OK
        assert len(local.connections) == 1
        other = record(tmp_path / "other.mkv", 9)
        arguments = ("transcribe", str(other), "--url", local.url)
        assert await command(*arguments, "-o", str(tmp_path / "movie.srt")) == Exit.FAILED
        assert len(local.connections) == 1
    assert (tmp_path / "movie.srt").read_text().startswith("1\n00:00:00,4")


async def test_text_with_times(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = record(tmp_path / "a.wav", 1)
    async with server() as local:
        await command("transcribe", str(source), "--times", "--url", local.url)
    assert capsys.readouterr().out.startswith("[00:00:00.4")


def two_sided(path: Path) -> Path:
    """An agent speaks first, the caller after that, each on a channel of their own."""
    agent = scripted.speak(range(1, 5), RATE, lead_seconds=0.4, tail_seconds=2.4)
    caller = scripted.speak(range(20, 24), RATE, lead_seconds=2.4, tail_seconds=0.4)
    return save(path, np.stack((agent, caller), axis=1), codec="pcm_s16le")


@pytest.mark.parametrize("more", [(), ("--rest",)])
async def test_both_parties_of_a_call_with_their_labels(
    more: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = two_sided(tmp_path / "call.wav")
    labels = ("--channels", "separate", "--label", "Agent", "--label", "Caller")
    async with server() as local:
        arguments = ("transcribe", str(source), *labels, *more, "--url", local.url)
        assert await command(*arguments) == Exit.OK
        shown = capsys.readouterr().out.splitlines()
        await command(*arguments, "--json")
    assert [line.partition(": ")[0] for line in shown] == ["Agent", "Caller"]
    assert [plain(line.partition(": ")[2]) for line in shown] == [words(1, 4), words(20, 4)]
    (line,) = lines(capsys.readouterr().out)
    assert [each["channel"] for each in line["segments"]] == ["Agent", "Caller"]
    assert line["sent_seconds"] == pytest.approx(2 * line["seconds"])
    assert len(line["service"]["channels"]) == 2


async def test_labels_without_separate_channels_are_wrong_usage(tmp_path: Path) -> None:
    source = record(tmp_path / "a.wav", 1)
    arguments = ("transcribe", str(source), "--url", "ws://127.0.0.1:9")
    assert await command(*arguments, "--label", "Agent") == Exit.USAGE
    more = ("--channels", "separate", "--label", "x" * 40)
    assert await command(*arguments, *more) == Exit.USAGE


async def test_a_late_start_and_a_hole_are_in_the_captions(tmp_path: Path) -> None:
    before = scripted.speak(range(1, 5), RATE, lead_seconds=0.4, tail_seconds=0.4)
    after = scripted.speak(range(5, 9), RATE, tail_seconds=0.4)
    path = save(
        tmp_path / "a.mkv",
        np.concatenate((before, after)),
        codec="pcm_s16le",
        start=5.0,
        picture=8.0,
        holes=((1.5, 60.0),),
    )
    out = tmp_path / "a.vtt"
    async with server() as local:
        assert await command("transcribe", str(path), "-o", str(out), "--url", local.url) == Exit.OK
    captions = webvtt.read(str(out)).captions
    first = captions[0].start_in_seconds + captions[0].start_time.milliseconds / 1000
    assert first == pytest.approx(5.4, abs=0.1)
    last = captions[-1].start_in_seconds
    assert last >= 66
    assert plain(" ".join(caption.text for caption in captions)) == words(1, 8)


async def test_a_part_of_a_recording_keeps_its_times(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = record(tmp_path / "a.wav", 1, count=8)
    async with server() as local:
        part = ("--start", "0:00:01.36", "--duration", "0.72", "--json")
        await command("transcribe", str(source), *part, "--url", local.url)
    (line,) = lines(capsys.readouterr().out)
    assert plain(line["text"]) == words(5, 3)
    assert line["segments"][0]["start"] == pytest.approx(1.36, abs=0.05)


async def test_a_refusal_of_one_recording_is_that_recording_s(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path / "a-long.wav", 1, count=40)
    record(tmp_path / "b-short.wav", 60)
    async with server(max_audio_seconds=5.0) as local:
        arguments = ("transcribe", str(tmp_path), "--rest", "-j", "1", "--url", local.url)
        assert await command(*arguments) == Exit.CONFIGURATION
    shown = capsys.readouterr()
    assert words(60, 1)[0] in shown.out.lower()
    error, summary = shown.err.splitlines()
    assert "a-long.wav: " in error
    assert "HTTP 413" in error
    assert "longer than 5 s" in error
    assert summary == "1 done, 0 already there, 1 failed"


async def test_what_is_refused_to_all_is_asked_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):
        record(tmp_path / f"{number}.wav", number)
    async with server(faults=["refuse=402@times=0"]) as local:
        arguments = ("transcribe", str(tmp_path), "-j", "1", "--url", local.url)
        assert await command(*arguments) == Exit.CONFIGURATION
        assert len(local.connections) == 1
        await command(*arguments, "--json")
    shown = capsys.readouterr()
    assert "no credit" in shown.err
    assert "0 done, 0 already there, 1 failed, 2 not tried" in shown.err
    assert [line["status"] for line in lines(shown.out)] == ["failed", "not_tried", "not_tried"]


async def test_a_dry_run_says_how_much_would_be_sent_and_sends_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = two_sided(tmp_path / "a.wav")
    assert await command("transcribe", str(source), "--dry-run", "-o", str(tmp_path)) == Exit.OK
    shown = capsys.readouterr()
    assert shown.out == f"{source} -> {tmp_path / 'a.txt'} (00:00:04)\n"
    assert shown.err == "1 recording, 0.1 minutes to be sent\n"
    more = ("--dry-run", "--json", "--channels", "separate")
    assert await command("transcribe", str(source), *more) == Exit.OK
    (line,) = lines(capsys.readouterr().out)
    assert (line["status"], line["outputs"]) == ("planned", {})
    assert line["sent_seconds"] == pytest.approx(2 * 3.76)
    assert not (tmp_path / "a.txt").exists()


async def test_a_pipe_and_bare_samples_of_a_telephone(tmp_path: Path) -> None:
    bare = tmp_path / "a.wav"
    save(bare, scripted.speak(range(1, 5), RATE), codec="pcm_mulaw", rate=8000)
    data = bare.read_bytes()
    samples = data[data.index(b"data") + 8 :]
    async with server() as local:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "pulse_plugins.cli", "transcribe", "-"),
            *("--encoding", "mulaw", "--rate", "8000", "--url", local.url),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=HERE,
            env={**os.environ, "LC_ALL": "C"},
        )
        async with asyncio.timeout(PATIENCE):
            out, _ = await process.communicate(samples)
    assert process.returncode == Exit.OK
    assert plain(out.decode()) == words(1, 4)


async def test_captions_of_several_recordings_do_not_share_one_srt(tmp_path: Path) -> None:
    paths = [str(record(tmp_path / f"{number}.wav", number)) for number in range(2)]
    arguments = ("transcribe", *paths, "-f", "srt", "--url", "ws://127.0.0.1:9")
    assert await command(*arguments) == Exit.USAGE


async def test_a_silent_recording_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = save(tmp_path / "a.wav", scripted.silence(1.0, RATE), codec="pcm_s16le")
    async with server() as local:
        assert await command("transcribe", str(source), "--url", local.url) == Exit.OK
    assert capsys.readouterr().err == f"note: {source}: the recording is silent\n"


async def test_without_a_key_the_local_server_is_offered_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = record(tmp_path / "a.wav", 1)
    assert await command("transcribe", str(source)) == Exit.CONFIGURATION
    (line,) = capsys.readouterr().err.splitlines()
    assert "SMALLEST_API_KEY" in line
    assert "`pulse-plugins serve`" in line
    assert "--url ws://127.0.0.1:8765" in line
    assert "base_url" not in line
    assert "api_key" not in line


@pytest.mark.parametrize(("text", "value"), [("90", 90), ("1:30", 90), ("0:01:30.5", 90.5)])
def test_a_time_is_seconds_or_a_clock_s(text: str, value: float) -> None:
    assert seconds("--start", text) == value


@pytest.mark.parametrize("text", ["soon", "-1", "1:2:3:4", "nan", "inf", ""])
def test_what_is_no_time_is_wrong_usage(text: str) -> None:
    with pytest.raises(CommandError):
        seconds("--start", text)


async def test_speakers_are_asked_for_and_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = record(tmp_path / "a.wav", 1)
    async with server() as local:
        assert await command("transcribe", str(source), "--speakers", "--url", local.url) == Exit.OK
        assert local.connections[0].query["diarize"] == "true"
    assert capsys.readouterr().out.startswith("Speaker 1: ")


async def test_json_of_a_request_holds_what_the_service_says_of_the_recording(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = record(tmp_path / "a.wav", 1)
    more = ("--rest", "-f", "json", "-s", "emotion_detection=yes", "-s", "gender_detection=yes")
    async with server() as local:
        assert await command("transcribe", str(source), *more, "--url", local.url) == Exit.OK
    service = json.loads(capsys.readouterr().out)["service"]
    assert service["request_id"]
    assert service["duration"] == pytest.approx(1.76, abs=0.01)
    assert service["metadata"]
    assert service["emotions"]
    assert service["gender"]


async def test_a_url_that_answers_with_a_page_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = b"<!doctype html><p>Please sign in"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(page)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + page)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as web:
        port = web.sockets[0].getsockname()[1]
        link = f"HTTP://127.0.0.1:{port}/call.mp3?signature=secret"
        assert await command("transcribe", link, "--url", "ws://127.0.0.1:9") == Exit.FAILED
    shown = capsys.readouterr().err
    assert f"http://127.0.0.1:{port}/call.mp3: it is a web page (HTML)" in shown
    assert "secret" not in shown


async def test_a_recording_that_is_replaced_is_transcribed_again(tmp_path: Path) -> None:
    source = record(tmp_path / "in" / "a.wav", 1)
    out = tmp_path / "out"
    async with server() as local:
        arguments = ("transcribe", str(tmp_path / "in"), "-o", str(out), "--url", local.url)
        await command(*arguments)
        await command(*arguments)
        assert len(local.connections) == 1
        record(source, 30)
        await command(*arguments)
        await command(*arguments, "-s", "numerals=yes")
        assert len(local.connections) == 3
    assert plain((out / "a.txt").read_text()) == words(30, 4)
