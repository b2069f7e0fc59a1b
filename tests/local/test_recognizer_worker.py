"""What a decoder's process does to samples and to boosts before PocketSphinx gets them."""

from __future__ import annotations

import numpy as np

from pulse_plugins.local.recognizers.worker import Doubler, boosted_probability


def test_doubling_keeps_a_tone_and_shows_no_seam() -> None:
    times = np.arange(8000) / 8000
    narrow = np.rint(8000 * np.sin(2 * np.pi * 1000 * times)).astype(np.int16)
    whole = Doubler().double(narrow)
    pieces = Doubler()
    parts = np.concatenate([pieces.double(part) for part in np.split(narrow, [1, 7, 500, 4000])])
    assert np.array_equal(whole, parts)
    delay = 2 * 8 / 16_000  # seconds: eight samples of 8 kHz
    wide = 8000 * np.sin(2 * np.pi * 1000 * (np.arange(16_000) / 16_000 - delay))
    assert np.max(np.abs(whole[100:] - wide[100:])) < 200


def test_a_boost_is_a_probability() -> None:
    boosts = [boosted_probability(boost) for boost in (0.5, 1.0, 2.0, 3.0, 20.0)]
    assert boosts == sorted(boosts)
    assert boosts[-1] == 0.5
