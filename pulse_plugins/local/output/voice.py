"""Simulated speakers, gender, age and emotions, from the pitch and loudness of the voice.

The service has models for these features. This server has none: it measures the pitch of the
voice and makes up the rest by the simple rules below, so that a program that uses the features can
be tried. A header of each answer names what is simulated in it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import exp, log2

import numpy as np
from numpy.typing import NDArray

from pulse_plugins.local.recognizers.contract import RecognizedWord

_FRAME = 0.04  # seconds; two periods of the lowest pitch have to fit
_LOWEST, _HIGHEST = 70.0, 400.0  # Hz; the range of speaking voices
_VOICED = 0.5  # autocorrelation at the pitch period; noise stays below 0.4, clear vowels above 0.7
_FLOOR = 60.0  # root mean square in steps of 16 bit; the voice detector's own floor
_KEPT = 120.0  # seconds of measurements that are kept for words that come late
# Octaves between two voices. Stretches of 0.35 s of the shipped calls, each of one speaker, stay
# within 0.48 octaves of the call's median. The usual averages of men and women, 120 and 220 Hz, are
# 0.87 octaves apart.
_APART = 0.55
_MOST_SPEAKERS = 8
_FEMALE = 165.0  # Hz; halfway in octaves between the usual averages of 120 and 220 Hz
_CHILD = 260.0  # Hz
_SHORTEST = 1.0  # seconds of words; a shorter utterance has no emotion on the stream

EMOTIONS = ("happiness", "sadness", "disgust", "fear", "anger")


class Voice:
    """Measures one stream of samples and labels its words."""

    def __init__(self, rate: int) -> None:
        """Begin at the first sample.

        Args:
            rate: Hz of the samples.
        """
        self._rate = rate
        self._frame = round(_FRAME * rate)
        self._left = np.empty(0, np.int16)
        self._time = 0.0
        self._pitches: deque[tuple[float, float]] = deque()  # seconds, Hz; voiced frames alone
        self._balance: deque[tuple[float, float, float]] = deque()  # seconds, energy left and right
        self._all: list[float] = []  # octaves, of the whole stream, thinned out
        self._centres: list[float] = []  # octaves; one for each speaker
        self._speaker = 0

    def feed(self, samples: NDArray[np.int16]) -> None:
        """Take the next samples, mono."""
        self._left = np.concatenate((self._left, samples))
        count = len(self._left) // self._frame
        for frame in self._left[: count * self._frame].reshape(count, self._frame):
            self._time += _FRAME
            pitch = _pitch(frame, self._rate)
            if pitch is not None:
                self._pitches.append((self._time - _FRAME / 2, pitch))
                if len(self._all) < 3000:
                    self._all.append(log2(pitch))
        self._left = self._left[count * self._frame :]
        while self._pitches and self._pitches[0][0] < self._time - _KEPT:
            self._pitches.popleft()

    def feed_channels(self, samples: NDArray[np.int16]) -> None:
        """Take the next samples of a two-channel recording, of shape `(n, 2)`."""
        energy = np.square(samples.astype(np.float64)).sum(axis=0)
        begin = self._balance[-1][0] if self._balance else 0.0
        end = begin + len(samples) / self._rate
        self._balance.append((end, float(energy[0]), float(energy[1])))

    def label(self, words: Sequence[RecognizedWord]) -> list[RecognizedWord]:
        """The words with their speakers; a speaker that the recognizer names stays.

        In a two-channel recording each channel is a speaker. Else a change of the voice's pitch by
        more than 0.55 octaves is a change of the speaker.
        """
        return [self._labelled(word) for word in words]

    def _labelled(self, word: RecognizedWord) -> RecognizedWord:
        if self._balance:
            left, right = self._energies(word)
            share = max(left, right) / ((left + right) or 1.0)
            return replace(word, speaker=int(right > left), speaker_confidence=share)
        if word.speaker is not None:
            return word
        pitches = [log2(hz) for time, hz in self._pitches if word.start <= time <= word.end]
        if len(pitches) >= 3:  # a shorter word keeps the speaker of the word before it
            self._speaker = self._nearest(float(np.median(pitches)))
        return replace(word, speaker=self._speaker, speaker_confidence=0.9 if pitches else 0.5)

    def _energies(self, word: RecognizedWord) -> tuple[float, float]:
        pieces = [each for each in self._balance if word.start < each[0] <= word.end + 0.05]
        return sum(each[1] for each in pieces), sum(each[2] for each in pieces)

    def _nearest(self, octaves: float) -> int:
        gaps = [abs(octaves - centre) for centre in self._centres]
        if gaps and (min(gaps) < _APART or len(gaps) == _MOST_SPEAKERS):
            found = gaps.index(min(gaps))
            self._centres[found] += 0.1 * (octaves - self._centres[found])
            return found
        self._centres.append(octaves)
        return len(self._centres) - 1

    @property
    def _median(self) -> float | None:
        """The middle pitch of the stream in Hz; None if no voice was heard."""
        return float(2 ** np.median(self._all)) if self._all else None

    @property
    def gender(self) -> str | None:
        """`female` or `male` by the middle pitch; None without a voice."""
        pitch = self._median
        return None if pitch is None else "female" if pitch >= _FEMALE else "male"

    @property
    def age(self) -> str | None:
        """`child` or `adult` by the middle pitch; None without a voice."""
        pitch = self._median
        return None if pitch is None else "child" if pitch >= _CHILD else "adult"

    def emotions(self, words: Sequence[RecognizedWord]) -> dict[str, float] | None:
        """Five numbers from 0 to 1 for a final; None for less than a second of words."""
        if not words or words[-1].end - words[0].start < _SHORTEST:
            return None
        begin, end = words[0].start, words[-1].end
        return _emotions([log2(hz) for time, hz in self._pitches if begin <= time <= end])

    def emotions_of_all(self) -> dict[str, float] | None:
        """The same for the whole stream; None without a voice."""
        return _emotions(self._all) if self._all else None


def _emotions(octaves: Sequence[float]) -> dict[str, float]:
    """Lively intonation counts as happiness, flat intonation as sadness."""
    lively = float(np.std(octaves)) if len(octaves) > 2 else 0.0
    happiness = 1 / (1 + exp(-12 * (lively - 0.2)))
    values = (happiness, 0.9 * (1 - happiness), 0.01, 0.02, 0.05 * happiness)
    return {name: round(value, 2) for name, value in zip(EMOTIONS, values, strict=True)}


def emotion_of_stream(emotions: Mapping[str, float]) -> dict[str, float]:
    """The six classes of a stream's final: those of an upload, and how neutral the voice is."""
    return {**emotions, "neutral": round(1 - max(emotions.values()), 2)}


def _pitch(frame: NDArray[np.int16], rate: int) -> float | None:
    """Hz of a voiced frame, by its autocorrelation; None for silence, noise and consonants."""
    wave = frame.astype(np.float64) - frame.mean()
    energy = float(np.dot(wave, wave))
    if energy < len(wave) * _FLOOR**2:
        return None
    spectrum = np.fft.rfft(wave, 2 * len(wave))
    correlation = np.fft.irfft(np.abs(spectrum) ** 2)[: len(wave)]
    low, high = int(rate / _HIGHEST), min(int(rate / _LOWEST), len(wave) - 1)
    # Fewer products are summed at a longer lag, which the factor makes up for.
    lags = np.arange(low, high)
    strength = correlation[low:high] * len(wave) / (len(wave) - lags) / energy
    best = float(strength.max())
    if best < _VOICED:
        return None
    # The first peak that is nearly the highest: later peaks are multiples of the period.
    first = int(np.flatnonzero(strength >= 0.9 * best)[0])
    while first + 1 < len(strength) and strength[first + 1] > strength[first]:
        first += 1
    return rate / (low + first)
