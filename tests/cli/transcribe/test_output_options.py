"""What options take, and what they refuse."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pulse_plugins.cli.exits import Exit
from tests.cli.rig import command, record, server, words
from tests.cli.transcribe.test_command import plain

pytestmark = pytest.mark.process


async def test_formats_can_be_joined_with_commas(tmp_path: Path) -> None:
    source = record(tmp_path / "a.wav", 1)
    async with server() as local:
        out = ("-o", str(tmp_path / "out"), "-f", "srt,TXT", "-f", "json")
        assert await command("transcribe", str(source), *out, "--url", local.url) == Exit.OK
    made = {path.name for path in (tmp_path / "out").iterdir()}
    assert made == {"a.srt", "a.txt", "a.json", ".pulse-plugins.jsonl"}


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (("-f", "srt,doc"), "--format doc: use text, txt, json, srt, vtt"),
        (("-f", ""), "--format"),
        (("-o", "talk.docx"), "-o talk.docx: a file ends in .txt, .json, .srt, .vtt"),
        (("-o", "talk.mp3"), "-o talk.mp3: a file ends in"),
        (("--rate", "16000"), "--rate is for samples without a header: add --encoding"),
        (("--duration", "0"), "--duration 0: it must be longer than 0"),
    ],
)
async def test_an_option_that_cannot_work_is_refused_before_anything_is_sent(
    more: tuple[str, ...], text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = record(tmp_path / "a.wav", 1)
    assert await command("transcribe", str(source), *more, "--url", "ws://127.0.0.1:9") == 2
    assert text in capsys.readouterr().err
    assert "talk.docx" not in os.listdir()


async def test_a_dash_as_the_output_is_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = record(tmp_path / "a.wav", 1)
    async with server() as local:
        assert await command("transcribe", str(source), "-o", "-", "--url", local.url) == Exit.OK
    assert plain(capsys.readouterr().out) == words(1, 4)
    assert os.listdir(tmp_path) == ["a.wav"]


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
async def test_skipped_files_are_told_beside_json_too(
    more: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path / "a.wav", 1)
    (tmp_path / "notes.md").write_text("x")
    async with server() as local:
        arguments = ("transcribe", str(tmp_path), "--json", *more, "--url", local.url)
        assert await command(*arguments) == Exit.OK
    shown = capsys.readouterr()
    assert "skipped 1 file: 1 .md" in shown.err
    assert len(shown.out.splitlines()) == 1
