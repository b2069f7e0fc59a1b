"""Odd recordings, one test a kind: all that can be heard is read, and the rest is said.

The corpus is written with PyAV. Where FFmpeg's program is installed, it must read as much audio.
"""

from __future__ import annotations

import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pulse_plugins.cli.exits import CommandError
from pulse_plugins.cli.media.recording import Recording, header
from pulse_plugins.cli.media.selection import Piece, Selection
from pulse_plugins.local.recognizers import scripted
from tests.cli.rig import RATE, save, words
from tests.support.patience import PATIENCE

pytestmark = pytest.mark.process

SAID = scripted.speak(range(1, 7), RATE, lead_seconds=0.4, tail_seconds=0.4)
SECONDS = len(SAID) / RATE
FFMPEG = shutil.which("ffmpeg")


async def read(path: Path, selection: Selection | None = None) -> tuple[Recording, list[Piece]]:
    recording = Recording(str(path), RATE, selection)
    return recording, [piece async for piece in recording.pieces()]


def mono(pieces: list[Piece], channel: int = 0) -> NDArray[np.int16]:
    return np.concatenate([piece.samples[:, channel] for piece in pieces])


async def heard(samples: NDArray[np.int16]) -> list[str]:
    """The words that the samples carry."""
    decoder = await scripted.ScriptedRecognizer().open(sample_rate=RATE, language="en", keywords={})
    await decoder.feed(samples)
    return [word.text for word in await decoder.finish_segment()]


async def words_of(path: Path, selection: Selection | None = None) -> list[str]:
    _, pieces = await read(path, selection)
    return await heard(mono(pieces))


def by_ffmpeg(path: Path) -> float:
    """Seconds of audio that FFmpeg's program reads."""
    if FFMPEG is None:
        pytest.skip("FFmpeg's program is not installed: the lengths are not compared with it")
    done = subprocess.run(
        [FFMPEG, "-v", "quiet", "-i", str(path), "-ac", "1", "-ar", str(RATE), "-f", "s16le", "-"],
        capture_output=True,
        check=False,
        timeout=PATIENCE,
    )
    return len(done.stdout) / 2 / RATE


FORMATS = {
    "pcm.wav": ("pcm_s16le", RATE),
    "bytes.wav": ("pcm_u8", RATE),
    "24bit.wav": ("pcm_s24le", RATE),
    "float.wav": ("pcm_f32le", 44_100),
    "phone.wav": ("pcm_mulaw", 8000),
    "alaw.wav": ("pcm_alaw", 8000),
    "adpcm.wav": ("adpcm_ms", RATE),
    "g722.wav": ("g722", RATE),
    "sun.au": ("pcm_mulaw", 8000),
    "apple.caf": ("pcm_s16be", RATE),
    "apple.aiff": ("pcm_s16be", 22_050),
    "apple.m4a": ("alac", RATE),
    "voice.m4a": ("aac", 44_100),
    "voice.mp3": ("libmp3lame", 44_100),
    "voice.mp2": ("mp2", 48_000),
    "voice.flac": ("flac", 48_000),
    "voice.opus": ("libopus", 48_000),
    "voice.webm": ("libopus", 48_000),
    "voice.amr": ("libopencore_amrnb", 8000),
    "voice.wma": ("wmav2", 44_100),
    "voice.ac3": ("ac3", 48_000),
    "voice.tta": ("tta", RATE),
    "voice.wv": ("wavpack", RATE),
    "clip.mkv": ("pcm_s16le", RATE),
    "clip.avi": ("pcm_s16le", RATE),
    "clip.flv": ("aac", 44_100),
    "clip.mov": ("pcm_s16le", RATE),
    "clip.ts": ("mp2", 48_000),
    "clip.mp4": ("aac", 48_000),
    "2024-01-01T12:30:05.wav": ("pcm_s16le", RATE),
    "  name with spaces %03d *.wav": ("pcm_s16le", RATE),
}


@pytest.mark.parametrize("name", FORMATS)
async def test_an_ordinary_odd_format_is_read_as_long_as_ffmpeg_reads_it(
    name: str, tmp_path: Path
) -> None:
    codec, rate = FORMATS[name]
    path = save(tmp_path / name, SAID, codec=codec, rate=rate)
    recording, pieces = await read(path)
    assert recording.notes == ()
    assert recording.heard == pytest.approx(SECONDS, abs=0.1)  # codecs pad
    assert recording.heard == pytest.approx(by_ffmpeg(path), abs=0.06)
    if name != "voice.amr":  # its speech coder does not keep the tones of the words
        assert await heard(mono(pieces)) == words(1, 6)


async def test_surround_sound_is_mixed(tmp_path: Path) -> None:
    path = save(tmp_path / "a.ac3", np.repeat(SAID[:, None], 6, 1), codec="ac3", rate=48_000)
    assert await words_of(path) == words(1, 6)


async def test_four_channels_are_mixed(tmp_path: Path) -> None:
    path = save(tmp_path / "a.wav", np.repeat(SAID[:, None], 4, 1), codec="pcm_s16le")
    assert await words_of(path) == words(1, 6)


def damage(path: Path, *places: float, size: int) -> Path:
    """Overwrite some bytes at these places, 0 to 1, of a file."""
    data = bytearray(path.read_bytes())
    for place in places:
        at = round(len(data) * place)
        data[at : at + size] = bytes(255 - (n * 7) % 251 for n in range(size))
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("name", "codec", "rate", "size"),
    [
        ("a.mp3", "libmp3lame", RATE, 1500),
        ("a.flac", "flac", RATE, 9000),
        ("a.ts", "mp2", 48_000, 1500),
    ],
)
async def test_damaged_packets_are_skipped_and_counted(
    name: str, codec: str, rate: int, size: int, tmp_path: Path
) -> None:
    said = scripted.speak(range(1, 31), RATE, lead_seconds=0.4, tail_seconds=0.4)
    path = damage(save(tmp_path / name, said, codec=codec, rate=rate), 0.3, 0.6, size=size)
    recording, pieces = await read(path)
    assert recording.heard >= by_ffmpeg(path) - 0.1
    assert recording.heard > len(said) / RATE - 1.0
    found = await heard(mono(pieces))
    assert len(found) >= 24
    assert found[-1] == words(30, 1)[0]
    # A transport stream drops whole packets, which shows as a hole only where it is long.
    assert name == "a.ts" or any("skipped" in note for note in recording.notes)


async def test_a_whole_file_says_nothing_of_damage(tmp_path: Path) -> None:
    for name, codec in (("a.mp3", "libmp3lame"), ("a.flac", "flac")):
        recording, _ = await read(save(tmp_path / name, SAID, codec=codec))
        assert recording.notes == ()


def join(path: Path, *parts: Path) -> Path:
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


async def test_joined_files_of_other_rates_and_channels_are_read_to_the_end(
    tmp_path: Path,
) -> None:
    first = save(tmp_path / "1.mp3", SAID, codec="libmp3lame")
    more = scripted.speak(range(7, 13), RATE, lead_seconds=0.4, tail_seconds=0.4)
    both = np.stack((more, more), axis=1)
    second = save(tmp_path / "2.mp3", both, codec="libmp3lame", rate=44_100)
    path = join(tmp_path / "a.mp3", first, second)
    recording, pieces = await read(path)
    found = await heard(mono(pieces))
    assert found[:6] == words(1, 6)
    assert found[-4:] == words(9, 4)
    assert recording.heard == pytest.approx(by_ffmpeg(path), abs=0.1)


@pytest.mark.parametrize(("suffix", "codec"), [(".flac", "flac"), (".opus", "libopus")])
async def test_chained_files_go_on_in_time(suffix: str, codec: str, tmp_path: Path) -> None:
    rate = 48_000 if codec == "libopus" else RATE
    first = save(tmp_path / f"1{suffix}", SAID, codec=codec, rate=rate)
    more = scripted.speak(range(7, 13), RATE, lead_seconds=0.4, tail_seconds=0.4)
    second = save(tmp_path / f"2{suffix}", more, codec=codec, rate=rate)
    recording, pieces = await read(join(tmp_path / f"a{suffix}", first, second))
    assert await heard(mono(pieces)) == words(1, 12)
    assert recording.end == pytest.approx(2 * SECONDS, abs=0.1)
    assert recording.heard == pytest.approx(2 * SECONDS, abs=0.1)


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [("a.mkv", "pcm_s16le", RATE), ("a.mp4", "aac", 48_000), ("a.ts", "mp2", 48_000)],
)
async def test_audio_that_begins_late_in_a_video_is_late(
    name: str, codec: str, rate: int, tmp_path: Path
) -> None:
    path = save(tmp_path / name, SAID, codec=codec, rate=rate, start=5.0, picture=8.0)
    recording, pieces = await read(path)
    assert pieces[0].time == pytest.approx(5.0, abs=0.08)  # less the encoder's own delay
    assert recording.end == pytest.approx(5.0 + SECONDS, abs=0.1)
    assert await heard(mono(pieces)) == words(1, 6)


async def test_a_hole_in_the_time_stamps_stays_a_hole(tmp_path: Path) -> None:
    path = save(tmp_path / "a.mkv", SAID, codec="pcm_s16le", holes=((1.0, 30.0),))
    recording, pieces = await read(path)
    assert recording.heard == pytest.approx(SECONDS, abs=0.01)
    assert recording.end == pytest.approx(SECONDS + 30.0, abs=0.1)
    times = [piece.time for piece in pieces]
    assert next(time for time in times if time > 1.2) == pytest.approx(31.0, abs=0.1)


async def test_the_default_track_is_read_unless_another_one_is_named(tmp_path: Path) -> None:
    other = scripted.speak(range(20, 24), RATE, lead_seconds=0.4, tail_seconds=0.4)
    path = save(tmp_path / "a.mkv", SAID, codec="pcm_s16le", tracks=[other], default=2)
    assert await words_of(path) == words(20, 4)
    assert await words_of(path, Selection(track=1)) == words(1, 6)
    with pytest.raises(CommandError, match="no track 3: there are 2 audio tracks"):
        await read(path, Selection(track=3))


async def test_separate_channels_are_kept_apart(tmp_path: Path) -> None:
    other = scripted.speak(range(20, 26), RATE, lead_seconds=0.4, tail_seconds=0.4)
    path = save(tmp_path / "a.wav", np.stack((SAID, other), axis=1), codec="pcm_s16le")
    recording, pieces = await read(path, Selection(separate=True))
    assert recording.channels == 2
    assert await heard(mono(pieces, 0)) == words(1, 6)
    assert await heard(mono(pieces, 1)) == words(20, 6)


async def test_channels_of_opposite_phase_are_heard_and_told(tmp_path: Path) -> None:
    path = save(tmp_path / "a.wav", np.stack((SAID, -SAID), axis=1), codec="pcm_s16le")
    recording, pieces = await read(path)
    assert await heard(mono(pieces)) == words(1, 6)
    assert any("opposite phase" in note for note in recording.notes)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0, -0.5])
async def test_other_channels_are_mixed(share: float, tmp_path: Path) -> None:
    """Also a channel that holds half of the other one with reversed polarity."""
    other = (SAID * share).astype(np.int16)
    path = save(tmp_path / "a.wav", np.stack((SAID, other), axis=1), codec="pcm_s16le")
    recording, pieces = await read(path)
    assert recording.notes == ()
    mixed = (SAID.astype(np.int32) + other) / 2
    assert np.abs(mono(pieces) - mixed).max() <= 1


async def test_bare_samples_are_read_as_they_are_said_to_be(tmp_path: Path) -> None:
    slow = scripted.speak(range(1, 7), 8000, lead_seconds=0.4, tail_seconds=0.4)
    bare = tmp_path / "a.raw"
    bare.write_bytes(slow.astype("<i2").tobytes())
    assert await words_of(bare, Selection(encoding="linear16", rate=8000)) == words(1, 6)
    recording, _ = await read(bare, Selection(encoding="mulaw", rate=16_000))
    assert recording.heard == pytest.approx(len(slow) * 2 / 16_000)


@pytest.mark.parametrize(
    ("start", "duration", "expected"),
    [(0.0, None, slice(0, 6)), (0.64, None, slice(1, 6)), (0.64, 0.72, slice(1, 4))],
)
async def test_a_part_is_read_with_its_place(
    start: float, duration: float | None, expected: slice, tmp_path: Path
) -> None:
    path = save(tmp_path / "a.flac", SAID, codec="flac")
    selection = Selection(start=start, duration=duration)
    recording, pieces = await read(path, selection)
    assert pieces[0].time == pytest.approx(start)
    assert await heard(mono(pieces)) == words(1, 6)[expected]
    assert recording.notes == ()
    end = SECONDS if duration is None else start + duration
    assert recording.end == pytest.approx(end, abs=0.01)
    left = SECONDS - start if duration is None else duration
    assert header(str(path), selection).seconds == pytest.approx(left, abs=0.01)


async def test_a_start_after_the_end_is_told(tmp_path: Path) -> None:
    path = save(tmp_path / "a.wav", SAID, codec="pcm_s16le")
    with pytest.raises(CommandError, match=r"--start is after the end: the recording has 2\.2 s"):
        await read(path, Selection(start=60.0))


async def test_a_silent_recording_is_told(tmp_path: Path) -> None:
    recording, _ = await read(save(tmp_path / "a.wav", SAID * 0, codec="pcm_s16le"))
    assert recording.notes == ("the recording is silent",)


async def test_a_quiet_recording_is_not_silent(tmp_path: Path) -> None:
    quiet = (SAID * 0.002).astype(np.int16)  # -60 dBFS
    recording, _ = await read(save(tmp_path / "a.wav", quiet, codec="pcm_s16le"))
    assert recording.notes == ()


async def test_a_wav_that_is_cut_short_is_read_and_told(tmp_path: Path) -> None:
    path = save(tmp_path / "a.wav", SAID, codec="pcm_s16le")
    path.write_bytes(path.read_bytes()[: RATE * 2])
    recording, _ = await read(path)
    assert recording.heard == pytest.approx(1.0, abs=0.01)
    assert any("unfinished" in note for note in recording.notes)


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


async def test_a_wav_from_a_pipe_has_no_length_and_is_whole(tmp_path: Path) -> None:
    path = save(tmp_path / "a.wav", SAID, codec="pcm_s16le")
    data = bytearray(path.read_bytes())
    data[4:8] = b"\xff\xff\xff\xff"
    at = data.index(b"data") + 4
    data[at : at + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    recording, pieces = await read(path)
    assert await heard(mono(pieces)) == words(1, 6)
    assert recording.notes == ()


async def test_a_video_that_is_cut_short_is_read_and_told(tmp_path: Path) -> None:
    said = scripted.speak(range(1, 31), RATE, lead_seconds=0.4, tail_seconds=0.4)
    path = save(tmp_path / "a.m4a", said, codec="aac", movflags="faststart")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    recording, _ = await read(path)
    assert 2.0 < recording.heard < 5.5
    assert any("unfinished or damaged" in note for note in recording.notes)


async def unreadable(path: Path, data: bytes) -> str:
    write(path, data)
    with pytest.raises(CommandError) as caught:
        await read(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    return text


async def test_what_cannot_be_read_is_told_in_plain_words(tmp_path: Path) -> None:
    page = b"\n<!DOCTYPE html><html><body>Sign in</body></html>" * 20
    cut = save(tmp_path / "cut.m4a", SAID, codec="aac").read_bytes()[:3000]
    assert "the file is empty" in await unreadable(tmp_path / "a.wav", b"")
    assert "a web page (HTML)" in await unreadable(tmp_path / "b.mp3", page)
    assert "is text, not a rec" in await unreadable(tmp_path / "c.mp3", b"dear all, " * 99)
    assert "zero bytes only" in await unreadable(tmp_path / "d.wav", bytes(5000))
    assert "unfinished: its index is missing" in await unreadable(tmp_path / "e.m4a", cut)
    junk = bytes(range(256)) * 20
    assert "it cannot be read: Invalid data" in await unreadable(tmp_path / "f.mp3", junk)


@pytest.mark.parametrize("name", ["voice.mp3", "voice.m4a", "voice.flac", "clip.flv", "clip.mkv"])
async def test_any_damage_is_survived_or_told(name: str, tmp_path: Path) -> None:
    """Parts are overwritten, cut off, repeated or mixed with another format."""
    codec, rate = FORMATS[name]
    whole = save(tmp_path / name, SAID, codec=codec, rate=rate).read_bytes()
    other = save(tmp_path / "other.ts", SAID, codec="mp2", rate=48_000).read_bytes()
    survived = 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        data = bytearray(whole)
        for at in random.integers(0, len(whole), 3):
            match random.integers(0, 4):
                case 0:
                    data[at : at + 300] = random.bytes(300)
                case 1:
                    del data[at : at + 1000]
                case 2:
                    data[at:at] = other[:5000]
                case 3:
                    data[at:at] = data[:5000]
        path = write(tmp_path / f"{seed}-{name}", bytes(data))
        with suppress(CommandError):  # any other exception fails the test
            recording, pieces = await read(path)
            survived += bool(pieces) and recording.heard > 0
    # The index of an M4A file holds byte positions, which most of this damage moves.
    assert survived > (0 if name == "voice.m4a" else 10)


async def test_a_title_in_another_encoding_does_not_matter(tmp_path: Path) -> None:
    path = save(tmp_path / "a.wav", SAID, codec="pcm_s16le")
    data = path.read_bytes()
    title = b"INFOINAM\x06\x00\x00\x00Gr\xfc\xdfe"  # Latin-1, as old recorders write it
    body = data[8:] + b"LIST" + len(title).to_bytes(4, "little") + title
    write(path, b"RIFF" + len(body).to_bytes(4, "little") + body)
    assert await words_of(path) == words(1, 6)


async def test_a_header_without_sound_is_told(tmp_path: Path) -> None:
    head = save(tmp_path / "whole.wav", SAID, codec="pcm_s16le").read_bytes()
    head = head[: head.index(b"data") + 8]
    assert "the audio track is empty" in await unreadable(tmp_path / "a.wav", head)
