from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pulse_plugins.core.audio.resampler import PASS, Resampler, _design

PAIRS = [
    (8000, 16000),
    (16000, 8000),
    (24000, 16000),
    (48000, 16000),
    (48000, 8000),
    (44100, 16000),
    (22050, 16000),
    (11025, 48000),
    (16000, 48000),
    (32000, 24000),
    (48000, 44100),
]


def resample(samples: NDArray[np.float64], source: int, target: int) -> NDArray[np.float64]:
    resampler = Resampler(source, target)
    return np.concatenate((resampler.convert(samples), resampler.flush()))


def sine(frequency: float, rate: int, seconds: float, phase: float) -> NDArray[np.float64]:
    return 30_000 * np.sin(2 * np.pi * frequency * np.arange(int(rate * seconds)) / rate + phase)


def decibels(signal: NDArray[np.float64], noise: NDArray[np.float64]) -> float:
    return 10 * math.log10(float(np.mean(signal**2)) / max(float(np.mean(noise**2)), 1e-30))


@given(
    pair=st.sampled_from(PAIRS),
    place=st.floats(0.002, PASS),
    phase=st.floats(0, 2 * math.pi),
)
def test_the_pass_band_comes_through_above_80_decibels_as_int16(
    pair: tuple[int, int], place: float, phase: float
) -> None:
    """The same tone sampled at the target's rate: neither shifted, nor weaker, nor with images."""
    source, target = pair
    frequency = place * min(source, target) / 2
    given_samples = np.rint(sine(frequency, source, 0.25, phase))
    got = np.rint(resample(given_samples, source, target))
    expected = sine(frequency, target, 0.25, phase)[: got.size]
    inner = slice(target // 50, -target // 50)  # beyond the edges, where silence meets the tone
    assert decibels(expected[inner], (got - expected)[inner]) > 80


@pytest.mark.parametrize(("source", "target"), [p for p in PAIRS if p[0] > p[1]])
def test_what_the_target_cannot_hold_does_not_fold_into_the_pass_band(
    source: int, target: int
) -> None:
    for place in np.linspace(2 - PASS, source / target - 0.001, 8):
        if place * target / 2 >= source / 2:
            continue  # cannot be sampled in the first place
        tone = np.rint(sine(place * target / 2, source, 0.25, 0.3))
        got = resample(tone, source, target)[target // 50 : -target // 50]
        assert decibels(tone, got) > 80


def test_a_constant_stays_constant() -> None:
    for source, target in PAIRS:
        got = resample(np.full(source // 5, 1000.0), source, target)
        inner = got[target // 50 : -target // 50]
        assert np.abs(inner - 1000).max() < 0.001


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_every_input_has_its_output(source: int, target: int) -> None:
    for count in (0, 1, 2, source // 100, source):
        assert resample(np.zeros(count), source, target).size == math.ceil(count * target / source)


def test_an_odd_rate_keeps_time_within_a_part_in_a_million() -> None:
    resampler = Resampler(44_101, 16_000)
    count = sum(resampler.convert(np.zeros(44_101)).size for _ in range(200))
    count += resampler.flush().size
    assert abs(count - 200 * 16_000) <= 200 * 16_000 * 1e-6 + 1


def test_a_ratio_of_rates_that_needs_many_phases_is_approximated_with_1280() -> None:
    rates = range(44_000, 44_200)
    assert max(len(_design(rate, 16_000).taps) for rate in rates) <= 1280


@given(source=st.integers(8000, 48_000), target=st.integers(8000, 48_000), cut=st.integers(0, 4000))
def test_any_two_rates_stream_without_a_seam(source: int, target: int, cut: int) -> None:
    samples = np.random.default_rng(1).integers(-32768, 32768, 4000).astype(np.float64)
    resampler = Resampler(source, target)
    pieces = (resampler.convert(samples[:cut]), resampler.convert(samples[cut:]), resampler.flush())
    np.testing.assert_array_equal(np.concatenate(pieces), resample(samples, source, target))


def test_a_long_recording_in_one_call_equals_its_frames() -> None:
    samples = np.random.default_rng(2).integers(-32768, 32768, 480_000).astype(np.float64)
    resampler = Resampler(48_000, 16_000)
    frames = [resampler.convert(samples[i : i + 960]) for i in range(0, samples.size, 960)]
    whole = Resampler(48_000, 16_000)
    np.testing.assert_array_equal(np.concatenate(frames), whole.convert(samples))
