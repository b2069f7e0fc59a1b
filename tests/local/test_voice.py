"""The simulated speakers, gender, age and emotions, measured on recorded speech."""

from __future__ import annotations

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from pulse_plugins.local import recordings
from pulse_plugins.local.output.voice import EMOTIONS, Voice, emotion_of_stream
from pulse_plugins.local.recognizers.contract import RecognizedWord
from pulse_plugins.local.recognizers.scripted import silence

RATE = 16_000  # Hz
LOW = recordings.load("human").samples  # about 124 Hz
HIGH = soxr.resample(LOW, 1.8 * RATE, RATE).astype(np.int16)  # the same, faster: about 223 Hz


def words_of(begin: float, end: float, step: float = 0.35) -> list[RecognizedWord]:
    """Words of equal length over a stretch of seconds."""
    return [
        RecognizedWord("word", float(start), float(start + step), 0.9)
        for start in np.arange(begin, end - step, step)
    ]


def voice_of(*pieces: NDArray[np.int16], rate: int = RATE) -> Voice:
    voice = Voice(rate)
    pcm = np.concatenate(pieces)
    for start in range(0, len(pcm), 1600):
        voice.feed(pcm[start : start + 1600])
    return voice


def speakers(voice: Voice, begin: float, end: float) -> list[int | None]:
    return [word.speaker for word in voice.label(words_of(begin, end))]


@pytest.mark.parametrize("name", recordings.names())
@pytest.mark.parametrize("rate", [8000, 16_000])
def test_a_call_of_one_speaker_has_one_speaker(name: str, rate: int) -> None:
    call = recordings.load(name, 8000 if rate == 8000 else 16_000)
    voice = voice_of(call.samples, rate=rate)
    found = speakers(voice, 0.0, call.duration)
    assert found.count(0) >= 0.95 * len(found)


def test_a_change_of_voice_is_a_change_of_speaker_and_back() -> None:
    seconds = [len(LOW) / RATE, len(HIGH) / RATE]
    voice = voice_of(LOW, HIGH, LOW)
    first = speakers(voice, 0.0, seconds[0])
    second = speakers(voice, seconds[0], sum(seconds))
    third = speakers(voice, sum(seconds), sum(seconds) + seconds[0])
    assert first.count(0) == len(first)
    assert second.count(1) >= 0.9 * len(second)
    assert third.count(0) >= 0.9 * len(third)


def test_a_speaker_that_the_recognizer_names_stays() -> None:
    named = RecognizedWord("word", 0.5, 1.0, 0.9, speaker=7, speaker_confidence=0.8)
    (word,) = voice_of(LOW).label([named])
    assert (word.speaker, word.speaker_confidence) == (7, 0.8)


def test_in_a_recording_of_two_channels_each_channel_is_a_speaker() -> None:
    voice = Voice(RATE)
    left = np.stack((LOW[:RATE], LOW[:RATE] // 20), axis=1)
    for side in (left, left[:, ::-1]):
        for start in range(0, RATE, 1600):
            voice.feed_channels(side[start : start + 1600])
    words = voice.label([RecognizedWord("a", 0.2, 0.9, 0.9), RecognizedWord("b", 1.2, 1.9, 0.9)])
    assert [word.speaker for word in words] == [0, 1]
    assert all(word.speaker_confidence > 0.9 for word in words)


def test_gender_and_age_follow_the_pitch() -> None:
    assert (voice_of(LOW).gender, voice_of(LOW).age) == ("male", "adult")
    assert voice_of(HIGH).gender == "female"
    child = soxr.resample(LOW, 2.6 * RATE, RATE).astype(np.int16)
    assert voice_of(child).age == "child"


def test_silence_and_noise_have_no_voice() -> None:
    noise = np.random.default_rng(0).normal(0, 1000, 2 * RATE).astype(np.int16)
    for pcm in (silence(2.0), noise):
        voice = voice_of(pcm)
        assert (voice.gender, voice.age, voice.emotions_of_all()) == (None, None, None)


def test_lively_speech_is_happier_than_flat_speech() -> None:
    flat = np.sin(2 * np.pi * 120 * np.arange(2 * RATE) / RATE)
    rising = np.sin(2 * np.pi * np.cumsum(np.linspace(90, 240, 2 * RATE)) / RATE)
    found = []
    for wave in (flat, rising):
        emotions = voice_of((8000 * wave).astype(np.int16)).emotions_of_all()
        assert emotions is not None
        assert set(emotions) == set(EMOTIONS)
        assert all(0 <= value <= 1 for value in emotions.values())
        found.append(emotions)
    assert found[1]["happiness"] > found[0]["happiness"]
    assert found[0]["sadness"] > found[1]["sadness"]
    assert len(emotion_of_stream(found[0])) == 6


def test_an_utterance_of_less_than_a_second_has_no_emotion() -> None:
    voice = voice_of(LOW)
    assert voice.emotions(words_of(0.0, 0.8)) is None
    assert voice.emotions(words_of(0.0, 3.0)) is not None
