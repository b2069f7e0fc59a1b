"""What the arguments of `transcribe` name, in every way in which people give them."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import pytest

from pulse_plugins.cli.exits import CommandError, Exit
from pulse_plugins.cli.transcribe.sources import Finder, Found


def tree(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return root


def find(*arguments: Path | str, raw: bool = False) -> Found:
    return Finder(raw=raw).find([str(each) for each in arguments])


def test_a_folder_stands_for_the_recordings_in_it(tmp_path: Path) -> None:
    (tmp_path / "deep" / "folder.mp3").mkdir(parents=True)
    tree(tmp_path, "b.MP3", "a.wav", "notes.txt", "deep/c.opus", "deep/d.mts")
    found = find(tmp_path, tmp_path / "a.wav")
    assert [str(each.place) for each in found.sources] == [
        "a.wav",
        "b.MP3",
        "deep/c.opus",
        "deep/d.mts",
    ]
    assert found.remark == "skipped 1 file: 1 .txt"


def test_hidden_files_and_trash_are_skipped_and_counted(tmp_path: Path) -> None:
    tree(
        tmp_path,
        "a.wav",
        ".hidden.wav",
        "._a.wav",
        ".cache/b.wav",
        "$RECYCLE.BIN/c.wav",
        "__MACOSX/deep/d.wav",
        "cover.jpg",
        "README",
    )
    found = find(tmp_path)
    assert [str(each.place) for each in found.sources] == ["a.wav"]
    assert found.remark == (
        "skipped 7 files: 3 in hidden or trash folders, 2 hidden, 1 without a suffix, 1 .jpg"
    )


def test_a_hidden_file_that_is_named_is_read(tmp_path: Path) -> None:
    tree(tmp_path, ".hidden.wav")
    assert len(find(tmp_path / ".hidden.wav").sources) == 1


def test_a_folder_is_searched_for_bare_samples_or_for_files_with_a_header(tmp_path: Path) -> None:
    tree(tmp_path, "a.wav", "b.ulaw")
    assert [each.place.name for each in find(tmp_path).sources] == ["a.wav"]
    assert [each.place.name for each in find(tmp_path, raw=True).sources] == ["b.ulaw"]


@pytest.mark.parametrize("what", ["missing.wav", "empty"])
def test_nothing_to_do_is_wrong_usage(what: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CommandError) as caught:
        find(tmp_path / what)
    assert caught.value.code is Exit.USAGE


@pytest.mark.parametrize("url", ["http://[::1", "https:///call.wav", "HTTP:///call.wav"])
def test_a_url_that_cannot_be_is_wrong_usage(url: str) -> None:
    with pytest.raises(CommandError, match="URL") as caught:
        find(url)
    assert caught.value.code is Exit.USAGE


def test_a_url_in_any_case_is_a_url_and_its_credentials_are_not_shown() -> None:
    (source,) = find("HTTPS://me:pass@Example.test/a%20b.mp3?token=1").sources
    assert source.label == "https://Example.test/a%20b.mp3"
    assert str(source.place) == "a b.mp3"


def test_a_file_url_is_a_path(tmp_path: Path) -> None:
    tree(tmp_path, "a b.wav")
    (source,) = find((tmp_path / "a b.wav").as_uri()).sources
    assert source.location == str(tmp_path / "a b.wav")
    with pytest.raises(CommandError, match="another machine"):
        find("file://elsewhere/a.wav")


def test_two_names_of_one_file_are_one_source(tmp_path: Path) -> None:
    tree(tmp_path, "a.wav")
    (tmp_path / "link.wav").symlink_to(tmp_path / "a.wav")
    assert len(find(tmp_path / "a.wav", tmp_path / "." / "a.wav").sources) == 1
    assert len(find(tmp_path).sources) == 1


def test_standard_input_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"sound")))
    with Finder() as finder:
        (source,) = finder.find(["-"]).sources
        assert Path(source.location).read_bytes() == b"sound"
        assert (source.name, str(source.place)) == ("standard input", "stdin")
    assert not Path(source.location).exists()


def test_a_named_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.wav"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(b"sound"))
    writer.start()
    with Finder() as finder:
        (source,) = finder.find([str(pipe)]).sources
        assert Path(source.location).read_bytes() == b"sound"
    writer.join(10)
