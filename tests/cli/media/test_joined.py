"""Joined files whose parts differ, damage that moves nothing, and samples without a header."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pulse_plugins.cli.exits import CommandError
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


async def test_the_tag_between_joined_mp3_files_is_no_damage(tmp_path: Path) -> None:
    """A tag with a picture is as large as seconds of audio."""
    part = save(tmp_path / "1.mp3", SAID, codec="libmp3lame", rate=44_100)
    sound = part.read_bytes()
    sound = sound[sound.index(b"\xff\xfb") :]
    picture = bytes((n * 37 + n // 251) % 251 for n in range(30_000))
    size = bytes((len(picture) >> shift) & 0x7F for shift in (21, 14, 7, 0))
    path = tmp_path / "a.mp3"
    path.write_bytes(sound + b"ID3\x03\x00\x00" + size + picture + sound)
    recording, pieces = await read(path)
    assert recording.end == pytest.approx(2 * SECONDS, abs=0.3)
    assert recording.end == pytest.approx(recording.heard, abs=0.1)
    assert (await heard(mono(pieces)))[:6] == words(1, 6)


async def test_a_damaged_page_of_an_ogg_file_is_told_and_moves_nothing(tmp_path: Path) -> None:
    said = scripted.speak(range(1, 31), RATE, lead_seconds=0.4, tail_seconds=0.4)
    whole = save(tmp_path / "a.opus", said, codec="libopus", rate=48_000)
    recording, _ = await read(damage(whole, 0.5, size=400))
    assert recording.end == pytest.approx(len(said) / RATE, abs=0.1)
    lost = len(said) / RATE - recording.heard
    assert lost > 0.5
    (note,) = recording.notes
    assert note.endswith("s of it are damaged or missing and were skipped")
    assert float(note.partition(" ")[0]) == pytest.approx(lost, abs=0.1)


@pytest.mark.parametrize("suffix", ["ul", "al", "pcm", "raw", "ulaw", "sw"])
async def test_bare_samples_are_not_guessed(suffix: str, tmp_path: Path) -> None:
    """FFmpeg takes some of these suffixes for 44.1 kHz, which is noise of a telephone call."""
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(SAID.tobytes())
    with pytest.raises(CommandError, match="--encoding mulaw --rate 8000"):
        await read(path)
