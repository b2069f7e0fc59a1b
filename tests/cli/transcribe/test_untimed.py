"""Finals without word times get times in the order of the speech, by the length of their text."""

from __future__ import annotations

from pathlib import Path

import pytest
import webvtt

from pulse_plugins.cli.exits import Exit
from pulse_plugins.cli.transcribe.untimed import spread
from pulse_plugins.core.base.events import Final, Word
from tests.cli.rig import command, record, server

WORD = (Word("x", 4.0, 6.0),)


def times(*finals: Final, length: float = 10.0) -> list[tuple[float, float]]:
    return [(each.start, each.end) for each in spread(finals, length)]


def test_finals_without_times_share_the_recording() -> None:
    assert times(Final("abc", 0.0, 0.0), Final("a", 0.0, 2.0)) == [(0.0, 7.5), (7.5, 10.0)]


def test_finals_with_times_are_unchanged_and_bound_the_others() -> None:
    first, timed, last = Final("a", 0, 0), Final("x", 4.0, 6.0, WORD), Final("b", 0, 1)
    assert times(first, timed, last) == [(0.0, 4.0), (4.0, 6.0), (6.0, 10.0)]


def test_a_final_between_two_that_touch_has_no_room() -> None:
    timed = Final("x", 4.0, 6.0, WORD)
    after = Final("x", 6.0, 7.0, (Word("x", 6.0, 7.0),))
    assert times(timed, Final("a", 0, 0), after)[1] == (6.0, 6.0)
    assert spread([], 1.0) == []


@pytest.mark.process
async def test_captions_without_word_times_cover_the_recording(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = record(tmp_path / "a.wav", 1, count=40)
    out = tmp_path / "a.vtt"
    async with server(word_timestamps=False) as local:
        arguments = ("transcribe", str(source), "-o", str(out), "--url", local.url)
        assert await command(*arguments) == Exit.OK
    cues = list(webvtt.read(str(out)).captions)
    starts = [cue.start_in_seconds for cue in cues]
    assert starts == sorted(starts)
    assert cues[0].start_in_seconds < 1.0
    assert cues[-1].end_in_seconds == pytest.approx(10.8, abs=1.0)
    assert "times are estimated" in capsys.readouterr().err
