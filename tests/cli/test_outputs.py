"""One file for each recording: whole, or not there."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from pulse_plugins.cli import outputs


def test_names_that_would_meet_are_kept_apart(tmp_path: Path) -> None:
    sources = [
        "a/call.wav",
        "b/call.mp3",
        "c/call.wav",
        "other.ogg",
        "https://x.test/p/talk.mp3?k=1",
    ]
    planned = outputs.plan(sources, tmp_path, ".srt")
    names = [planned[source].name for source in sources]
    assert names == ["call.wav.srt", "call.mp3.srt", "call.wav-2.srt", "other.srt", "talk.srt"]


def test_a_transcript_is_done_until_its_recording_changes(tmp_path: Path) -> None:
    source, target = tmp_path / "a.wav", tmp_path / "a.txt"
    source.write_bytes(b"")
    assert not outputs.is_done(str(source), target)
    outputs.write(target, "words\n")
    assert outputs.is_done(str(source), target)
    later = target.stat().st_mtime + 10
    os.utime(source, (later, later))
    assert not outputs.is_done(str(source), target)


def test_what_cannot_be_written_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    target = tmp_path / "a.txt"
    outputs.write(target, "old\n")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        outputs.write(target, "new\n")
    assert target.read_text() == "old\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_directory_that_is_a_file_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OSError, match="out"):
        outputs.write(tmp_path / "out" / "a.txt", "words")


def test_others_may_read_it_as_the_umask_says(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("")
    outputs.write(tmp_path / "ours", "")
    assert (tmp_path / "ours").stat().st_mode == plain.stat().st_mode


def test_a_name_that_is_no_utf8_is_escaped_so_that_json_gives_it_back(tmp_path: Path) -> None:
    name = os.fsdecode(b"bad\xff.wav")
    target = outputs.plan([name], tmp_path, ".json")[name]
    outputs.write(target, json.dumps({"source": name, "text": "é"}, ensure_ascii=False))
    written = json.loads(target.read_text(encoding="utf-8"))
    assert written == {"source": name, "text": "é"}
