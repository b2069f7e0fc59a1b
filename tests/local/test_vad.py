"""Edges of speech, on the shipped calls and on tones."""

from __future__ import annotations

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from pulse_plugins.local import recordings
from pulse_plugins.local.recognizers.vad import SpeechDetector

pytestmark = pytest.mark.unit


def tone(seconds: float, rate: int, hertz: float = 440.0) -> NDArray[np.int16]:
    times = np.arange(round(seconds * rate)) / rate
    wave: NDArray[np.float64] = 8000 * np.sin(2 * np.pi * hertz * times)
    return wave.astype(np.int16)


def silence(seconds: float, rate: int) -> NDArray[np.int16]:
    return np.zeros(round(seconds * rate), np.int16)


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 24000, 44100, 48000])
@pytest.mark.parametrize("name", recordings.names())
def test_both_turns_of_a_call_are_found_where_they_are(name: str, rate: int) -> None:
    call = recordings.load(name)
    edges = SpeechDetector(rate, silence_ms=900).feed(soxr.resample(call.samples, 16_000, rate))
    assert [edge.kind for edge in edges] == ["speech_started", "speech_ended"] * 2
    expected = [time for turn in call.turns for time in (turn.start, turn.end)]
    assert [edge.time for edge in edges] == pytest.approx(expected, abs=0.2)


def test_the_cut_of_the_audio_changes_nothing() -> None:
    samples = recordings.load("booking", 8000).samples
    whole = SpeechDetector(8000).feed(samples)
    detector, pieces, at = SpeechDetector(8000), [], 0
    sizes = np.random.default_rng(0).integers(0, 700, 2000)
    for size in sizes:
        pieces += detector.feed(samples[at : at + size])
        at += int(size)
    assert at >= len(samples)
    assert pieces == whole
    assert len(whole) >= 4


def test_a_tone_counts_as_speech() -> None:
    rate = 16_000
    audio = np.concatenate([silence(0.5, rate), tone(0.5, rate), silence(1.0, rate)])
    kinds, times = zip(*SpeechDetector(rate).feed(audio), strict=True)
    assert kinds == ("speech_started", "speech_ended")
    assert times == pytest.approx((0.5, 1.0), abs=0.05)


def test_the_silence_window_decides_whether_a_pause_ends_speech() -> None:
    rate = 16_000
    audio = np.concatenate(
        [tone(0.5, rate), silence(0.4, rate), tone(0.5, rate), silence(0.8, rate)]
    )
    patient = SpeechDetector(rate, silence_ms=600).feed(audio)
    hasty = SpeechDetector(rate, silence_ms=200).feed(audio)
    assert [edge.kind for edge in patient] == ["speech_started", "speech_ended"]
    assert [edge.kind for edge in hasty] == ["speech_started", "speech_ended"] * 2


def test_the_end_is_told_once_the_window_has_passed_and_dated_where_it_was() -> None:
    rate = 8_000
    detector = SpeechDetector(rate, silence_ms=500)
    detector.feed(tone(0.4, rate))
    assert detector.feed(silence(0.4, rate)) == []
    assert detector.speaking
    assert detector.silence == pytest.approx(0.4, abs=0.1)
    (edge,) = detector.feed(silence(0.2, rate))
    assert edge.kind == "speech_ended"
    assert edge.time == pytest.approx(0.4, abs=0.1)
    assert not detector.speaking


def test_a_click_and_faint_noise_are_no_speech() -> None:
    rate = 16_000
    noise = np.random.default_rng(0).normal(0.0, 20.0, 5 * rate).astype(np.int16)
    noise[2 * rate : 2 * rate + 160] = 20_000
    assert SpeechDetector(rate, start_ms=100).feed(noise) == []
