"""Joined files whose parts differ, and damage that must not move what follows it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pulse_plugins.cli.media.selection import Selection
from pulse_plugins.local.recognizers import scripted
from tests.cli.media.test_corpus import (
    SAID,
    SECONDS,
    by_ffmpeg,
    damage,
    heard,
    join,
    mono,
    read,
)
from tests.cli.rig import RATE, save, words

pytestmark = pytest.mark.process


@pytest.mark.parametrize(("codec", "rate"), [("libopus", 48_000), ("flac", 44_100)])
async def test_a_chained_ogg_file_may_change_its_rate_and_channels(
    codec: str, rate: int, tmp_path: Path
) -> None:
    first = save(tmp_path / "1.ogg", SAID, codec="libopus", rate=48_000)
    more = scripted.speak(range(7, 13), RATE, lead_seconds=0.4, tail_seconds=0.4)
    second = save(tmp_path / "2.ogg", np.stack((more, more), axis=1), codec=codec, rate=rate)
    third = save(tmp_path / "3.ogg", SAID, codec="flac", rate=RATE)
    path = join(tmp_path / "a.ogg", first, second, third)
    recording, pieces = await read(path)
    assert await heard(mono(pieces)) == [*words(1, 12), *words(1, 6)]
    assert recording.notes == ()
    assert recording.end == pytest.approx(3 * SECONDS, abs=0.1)
    part, pieces = await read(path, Selection(start=SECONDS, duration=SECONDS))
    assert await heard(mono(pieces)) == words(7, 6)
    assert pieces[0].time == pytest.approx(SECONDS)
    assert part.end == pytest.approx(2 * SECONDS, abs=0.01)


async def test_a_joined_wav_is_read_as_ffmpeg_reads_it_and_the_rest_is_told(
    tmp_path: Path,
) -> None:
    part = save(tmp_path / "1.wav", SAID, codec="pcm_s16le")
    path = join(tmp_path / "a.wav", part, part)
    recording, _ = await read(path)
    assert recording.heard == pytest.approx(by_ffmpeg(path))
    assert any("another WAV recording follows" in note for note in recording.notes)


async def test_damage_in_an_mp3_does_not_move_what_follows(tmp_path: Path) -> None:
    said = scripted.speak(range(1, 31), RATE, lead_seconds=0.4, tail_seconds=0.4)
    whole = save(tmp_path / "a.mp3", said, codec="libmp3lame", rate=44_100)
    _, pieces = await read(whole)
    end = pieces[-1].time + len(pieces[-1].samples) / RATE
    recording, pieces = await read(damage(whole, 0.4, size=6000))  # 0.37 s at 128 kbit/s
    assert recording.end == pytest.approx(end, abs=0.06)
    assert recording.heard == pytest.approx(end - 0.4, abs=0.1)
    (note,) = recording.notes
    assert 0.3 < float(note.partition("(")[2].partition(" s")[0]) < 0.5
