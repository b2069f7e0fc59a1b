"""One source, one output, for good; and each output whole, or not there."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from pulse_plugins.cli.exits import CommandError, Exit
from pulse_plugins.cli.transcribe import outputs
from pulse_plugins.cli.transcribe.documents import Format
from pulse_plugins.cli.transcribe.memory import INDEX
from pulse_plugins.cli.transcribe.outputs import Job, Planner, Target
from pulse_plugins.cli.transcribe.sources import Finder, Source


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    made = tmp_path / "in"
    for name in ("call.wav", "b/call.wav", "b/other.ogg"):
        path = made / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return made


def found(*arguments: Path | str) -> list[Source]:
    return Finder().find([str(each) for each in arguments]).sources


def planned(
    out: Path,
    sources: list[Source],
    *formats: Format,
    options: str = "",
    force: bool = False,
) -> list[Job]:
    """Plan, and write what is missing as a run does."""
    planner = Planner(Target(out), formats or ("text",), options, force=force)
    jobs = planner.plan(sources)
    for job in jobs:
        for form in job.missing:
            outputs.write(job.outputs[form], job.source.name)
            planner.remember(job, form)
    return jobs


def names(jobs: list[Job], out: Path) -> list[str]:
    return [str(path.relative_to(out)) for job in jobs for path in job.outputs.values()]


def test_sub_folders_are_mirrored(tree: Path, tmp_path: Path) -> None:
    jobs = planned(tmp_path / "out", found(tree))
    assert names(jobs, tmp_path / "out") == ["call.txt", "b/call.txt", "b/other.txt"]


def test_the_same_name_in_two_folders_is_two_outputs_in_two_runs(
    tree: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    planned(out, found(tree / "call.wav"))
    (second,) = planned(out, found(tree / "b" / "call.wav"))
    assert second.missing == ("text",)
    assert (out / "call.txt").read_text() == str(tree / "call.wav")
    assert second.outputs["text"].read_text() == str(tree / "b" / "call.wav")
    for source in ("call.wav", "b/call.wav"):
        (again,) = planned(out, found(tree / source))
        assert again.is_done
        assert again.outputs["text"].read_text() == str(tree / source)


def test_a_growing_tree_shifts_no_name(tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    before = planned(out, found(tree))
    (tree / "b" / "call.mp3").write_bytes(b"x")
    (tree / "a").mkdir()
    (tree / "a" / "call.wav").write_bytes(b"x")
    after = {job.source.name: job for job in planned(out, found(tree))}
    for job in before:
        assert after[job.source.name].is_done
        assert after[job.source.name].outputs == job.outputs
    assert [job.is_done for job in after.values()].count(False) == 2
    assert len({path for job in after.values() for path in job.outputs.values()}) == len(after)


def test_names_that_would_meet_keep_their_suffix(tree: Path, tmp_path: Path) -> None:
    (tree / "CALL.mp3").write_bytes(b"x")
    jobs = planned(tmp_path / "out", found(tree))
    assert names(jobs, tmp_path / "out")[:2] == ["CALL.mp3.txt", "call.wav.txt"]


def test_a_transcript_is_done_until_its_recording_or_the_options_change(
    tree: Path, tmp_path: Path
) -> None:
    out, source = tmp_path / "out", found(tree / "call.wav")
    assert not planned(out, source)[0].is_done
    assert planned(out, source)[0].is_done
    assert not planned(out, source, options="other")[0].is_done
    assert planned(out, source, options="other")[0].is_done
    (tree / "call.wav").write_bytes(b"longer")
    assert not planned(out, source, options="other")[0].is_done
    assert planned(out, source, options="other")[0].is_done
    assert not planned(out, source, options="other", force=True)[0].is_done
    os.utime(tree / "call.wav", (1, 1))  # an older recording of the same size in its place
    assert not planned(out, source, options="other")[0].is_done
    assert names(planned(out, source), out) == ["call.txt"]


def test_another_format_is_added_beside_the_first(tree: Path, tmp_path: Path) -> None:
    out, source = tmp_path / "out", found(tree / "call.wav")
    planned(out, source)
    (job,) = planned(out, source, "text", "srt")
    assert job.missing == ("srt",)
    assert names([job], out) == ["call.txt", "call.srt"]


def test_recordings_and_transcripts_that_are_moved_together_stay_done(
    tree: Path, tmp_path: Path
) -> None:
    planned(tmp_path / "out", found(tree))
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    (tmp_path / "in").rename(moved / "in")
    (tmp_path / "out").rename(moved / "out")
    assert all(job.is_done for job in planned(moved / "out", found(moved / "in")))


def test_a_file_that_is_not_ours_is_not_overwritten(tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "call.txt").write_text("notes")
    (job,) = planned(out, found(tree / "call.wav"))
    assert "--force overwrites it" in str(job.problem)
    assert (out / "call.txt").read_text() == "notes"
    (job,) = planned(out, found(tree / "call.wav"), force=True)
    assert job.problem is None
    assert (out / "call.txt").read_text() != "notes"


def test_a_link_s_signature_is_not_written_down_and_still_counts(tmp_path: Path) -> None:
    link = "HTTPS://user:word@x.test/p/talk.mp3?signature=secret"
    (job,) = planned(tmp_path, found(link))
    assert names([job], tmp_path) == ["talk.txt"]
    index = (tmp_path / INDEX).read_text()
    assert "https://x.test/p/talk.mp3" in index
    assert "secret" not in index
    assert "word" not in index
    assert planned(tmp_path, found(link))[0].is_done
    assert not planned(tmp_path, found(link + "2"))[0].is_done


def test_the_index_of_a_killed_run_is_read_up_to_its_torn_line(tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    planned(out, found(tree))
    whole = (out / INDEX).read_text()
    (out / INDEX).write_text(whole[:-30])
    assert [job.is_done for job in Planner(Target(out), ["text"], "").plan(found(tree))] == [
        True,
        True,
        False,
    ]


@pytest.mark.parametrize("name", ["n" * 251 + ".wav", "é" * 125 + ".wav"])
def test_a_long_name_is_shortened_to_what_a_file_system_takes(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"x")
    (job,) = planned(tmp_path / "out", found(tmp_path / name), "json")
    assert job.outputs["json"].is_file()
    assert planned(tmp_path / "out", found(tmp_path / name), "json")[0].is_done


def test_what_cannot_be_written_is_found_before_any_work(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    jobs = Planner(Target(tmp_path / "file" / "deep"), ["text"], "").plan(found(tree))
    with pytest.raises(CommandError, match="no transcript can be written there"):
        outputs.check_writable(jobs)


@pytest.mark.parametrize(
    ("output", "forms", "chosen"),
    [
        (None, [], ("text",)),
        ("out", ["srt", "json", "srt"], ("srt", "json")),
        ("movie.srt", [], ("srt",)),
        ("movie.SRT", ["srt"], ("srt",)),
        ("notes.txt", [], ("text",)),
    ],
)
def test_the_name_of_a_file_decides_its_format(
    output: str | None, forms: list[Format], chosen: tuple[Format, ...]
) -> None:
    assert outputs.chosen_formats(None if output is None else Path(output), forms) == chosen


@pytest.mark.parametrize("forms", [["vtt"], ["srt", "json"]])
def test_a_name_that_contradicts_the_format_is_wrong_usage(forms: list[Format]) -> None:
    with pytest.raises(CommandError) as caught:
        outputs.chosen_formats(Path("movie.srt"), forms)
    assert caught.value.code is Exit.USAGE


def test_a_name_with_the_suffix_of_a_format_is_a_file(tree: Path, tmp_path: Path) -> None:
    sources = found(tree / "call.wav")
    target = outputs.target(tmp_path / "movie.srt", sources, [str(tree / "call.wav")])
    assert target == Target(tmp_path, "movie.srt")
    folder = tmp_path / "v1.2"
    assert outputs.target(folder, sources, [str(tree / "call.wav")]) == Target(folder)
    with pytest.raises(CommandError, match="several recordings need a folder"):
        outputs.target(tmp_path / "movie.srt", sources, [str(tree)])


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


def test_others_may_read_it_as_the_umask_says(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("")
    outputs.write(tmp_path / "ours", "")
    assert (tmp_path / "ours").stat().st_mode == plain.stat().st_mode


def test_a_link_in_the_place_of_the_unfinished_file_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("kept")
    (tmp_path / ".call.txt.part").symlink_to(victim)
    outputs.write(tmp_path / "call.txt", "words")
    assert victim.read_text() == "kept"
    assert (tmp_path / "call.txt").read_text() == "words"
    assert not (tmp_path / ".call.txt.part").exists()


def test_a_name_that_is_no_utf8_is_escaped_so_that_json_gives_it_back(tmp_path: Path) -> None:
    name = os.fsdecode(b"bad\xff.wav")
    target = tmp_path / os.fsdecode(b"bad\xff.json")
    outputs.write(target, json.dumps({"source": name, "text": "é"}, ensure_ascii=False))
    written = json.loads(target.read_text(encoding="utf-8"))
    assert written == {"source": name, "text": "é"}
