"""A recognizer for tests: the words are encoded in the audio as tones.

`speak` turns numbers into tones, and `ScriptedDecoder` turns the tones that arrived into words. The
recognizer knows nothing else about the words. So a test that gets the right words, once and in
order, proves that the right audio arrived, once and in order.

A word is twelve equal symbols, one tone each: a start mark, ten data symbols of four bits (the
number and its checksum) and an end mark. Even and odd data symbols draw from different tones, so
that every symbol border shows. All tones lie between 300 and 3600 Hz and are far above any noise
of mu-law, A-law or resampling. A word counts as heard when 95 % of its audio is there.
"""

from __future__ import annotations

from binascii import crc_hqx
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.local.recognizers.contract import RecognizedWord

WORD_SECONDS = 0.24
MAX_WORDS = 1 << 24
AMPLITUDE = 0.5  # of full scale: loud enough for any energy measure

_SYMBOLS = 12
_DATA = _SYMBOLS - 2
_START_TONE, _END_TONE = 0, 33
_TONES_HZ = 300.0 + 100.0 * np.arange(34)
_HEARD = 0.95  # the share of a word's audio that makes it a word
_HOPS = 4  # looks per symbol while searching
_SEARCH_SHARE = 0.3  # of a window's energy in one tone; exactly aligned it is near 1.0
_BLOCK_SECONDS = 0.001  # grain of the measure of what was heard
_EDGE_SECONDS = 0.001  # fade at the ends of a word, against clicks

_CONSONANTS = "bdfgklmnprstvz"
_VOWELS = "aeiou"
_SYLLABLES = tuple(consonant + vowel for consonant in _CONSONANTS for vowel in _VOWELS)


def spell(number: int) -> str:
    """A distinct, pronounceable word for a number: 0 is `baba`, 1 is `babe`.

    Args:
        number: 0 to `MAX_WORDS` - 1.
    """
    if not 0 <= number < MAX_WORDS:
        raise ValueError(f"number={number}: use 0 to {MAX_WORDS - 1}")
    syllables: list[str] = []
    while number or len(syllables) < 2:
        number, digit = divmod(number, len(_SYLLABLES))
        syllables.append(_SYLLABLES[digit])
    return "".join(reversed(syllables))


def unspell(word: str) -> int:
    """The number that `spell` turns into this word.

    Raises:
        ValueError: `spell` makes no such word.
    """
    number = 0
    for index in range(0, len(word), 2):
        try:
            number = number * len(_SYLLABLES) + _SYLLABLES.index(word[index : index + 2])
        except ValueError:
            raise ValueError(f"{word!r} is not a word of spell()") from None
    if not number < MAX_WORDS or spell(number) != word:
        raise ValueError(f"{word!r} is not a word of spell()")
    return number


def silence(seconds: float, sample_rate: int = 16_000) -> NDArray[np.int16]:
    """Digital silence of this length."""
    return np.zeros(round(seconds * sample_rate), np.int16)


def speak(
    words: Iterable[int | str],
    sample_rate: int = 16_000,
    *,
    word_seconds: float = WORD_SECONDS,
    gap_seconds: float = 0.0,
    lead_seconds: float = 0.0,
    tail_seconds: float = 0.0,
) -> NDArray[np.int16]:
    """Audio that carries these words.

    Args:
        words: Numbers, or words made by `spell`. The same number may come again and again.
        sample_rate: Hz, 8000 or more.
        word_seconds: Length of a word, 0.12 or more; the recognizer must expect the same.
        gap_seconds: Silence between two words.
        lead_seconds: Silence before the first word.
        tail_seconds: Silence after the last word.

    Returns:
        Mono samples; words are loud, gaps are digital silence.
    """
    code = _code(sample_rate, word_seconds)
    gap = silence(gap_seconds, sample_rate)
    pieces = [silence(lead_seconds, sample_rate)]
    for index, word in enumerate(words):
        if index:
            pieces.append(gap)
        number = unspell(word) if isinstance(word, str) else word
        pieces.append((code.waveform(_symbols(number)) * 32767.0).round().astype(np.int16))
    pieces.append(silence(tail_seconds, sample_rate))
    return np.concatenate(pieces)


def _symbols(number: int) -> tuple[int, ...]:
    """The tones of a number, as indexes into `_TONES_HZ`."""
    if not 0 <= number < MAX_WORDS:
        raise ValueError(f"number={number}: use 0 to {MAX_WORDS - 1}")
    payload = number << 16 | crc_hqx(number.to_bytes(3, "big"), 0xFFFF)
    nibbles = (payload >> 4 * (_DATA - 1 - place) & 0xF for place in range(_DATA))
    data = (1 + nibble + 16 * (place % 2) for place, nibble in enumerate(nibbles))
    return (_START_TONE, *data, _END_TONE)


def _number(symbols: Sequence[int]) -> int | None:
    """The number behind ten data tones, or None where the checksum is wrong."""
    payload = 0
    for place, symbol in enumerate(symbols):
        payload = payload << 4 | (symbol - 1 - 16 * (place % 2))
    number, checksum = payload >> 16, payload & 0xFFFF
    return number if crc_hqx(number.to_bytes(3, "big"), 0xFFFF) == checksum else None


class _Code:
    """The tones at one sample rate, to write and to find."""

    def __init__(self, sample_rate: int, word_seconds: float) -> None:
        if sample_rate < 8000:
            raise ValueError(f"sample_rate={sample_rate}: use 8000 Hz or more")
        if word_seconds < 0.12:
            raise ValueError(f"word_seconds={word_seconds}: use 0.12 or more")
        self.sample_rate = sample_rate
        self.word = round(word_seconds * sample_rate)
        self.symbol = self.word // _SYMBOLS
        self.hop = max(1, self.symbol // _HOPS)
        clock = np.arange(self.symbol) / sample_rate
        self._probe = np.exp(-2j * np.pi * np.outer(clock, _TONES_HZ)).astype(np.complex64)
        # Symbols are not always a whole number of hops long, so each is looked up by its place.
        places = np.arange(_SYMBOLS) * self.word / _SYMBOLS / self.hop
        self._places = np.round(places).astype(np.int64)

    def waveform(self, symbols: Sequence[int]) -> NDArray[np.float64]:
        """A word as floats within +-`AMPLITUDE`."""
        clock = np.arange(self.word) / self.sample_rate
        place = np.minimum(np.arange(self.word) * _SYMBOLS // self.word, _SYMBOLS - 1)
        wave: NDArray[np.float64] = AMPLITUDE * np.sin(
            2 * np.pi * _TONES_HZ[np.asarray(symbols)[place]] * clock
        )
        edge = max(1, round(_EDGE_SECONDS * self.sample_rate))
        fade = np.linspace(0.0, 1.0, edge, endpoint=False)
        wave[:edge] *= fade
        wave[-edge:] *= fade[::-1]
        return wave

    def starts(self, samples: int) -> int:
        """At how many hops a whole word may begin in so many samples of audio."""
        hops = (samples - self.symbol) // self.hop + 1
        return hops - max((_SYMBOLS - 1) * _HOPS, int(self._places[-1]))

    def marked(self, audio: NDArray[np.float32], starts: int) -> NDArray[np.int64]:
        """Which of the first hops hear both the first tone of a word and its last tone."""
        reach = int(self._places[-1])
        windows = self._windows(audio, reach + starts)
        found = np.flatnonzero(self._shares(windows[reach:], _END_TONE) > _SEARCH_SHARE)
        if not len(found):
            return found
        return found[self._shares(windows[found], _START_TONE) > _SEARCH_SHARE]

    def shares(self, audio: NDArray[np.float32], start: int) -> NDArray[np.float32]:
        """For each symbol of a word that begins at this hop, how much lies in each tone."""
        windows = self._windows(audio, start + int(self._places[-1]) + 1)
        return self._shares(windows[start + self._places])

    def _windows(self, audio: NDArray[np.float32], count: int) -> NDArray[np.float32]:
        """Stretches as long as a symbol, one at each of the first hops."""
        steps = (self.hop * audio.itemsize, audio.itemsize)
        return np.ndarray((count, self.symbol), audio.dtype, audio, strides=steps)

    def _shares(self, windows: NDArray[np.float32], tone: int | None = None) -> NDArray[np.float32]:
        """How much of each window's energy lies in this tone, or in each one."""
        energy = np.einsum("ij,ij->i", windows, windows)
        # A pure sine of n samples has energy A*A*n/2 and power (A*n/2)**2 at its own frequency.
        scale = energy * (self.symbol / 2) + np.float32(self.symbol * 1e-4)
        probe = self._probe if tone is None else self._probe[:, tone]
        power = np.abs(windows @ probe) ** 2
        shares: NDArray[np.float32] = power / (scale[:, None] if tone is None else scale)
        return shares


@lru_cache(maxsize=16)
def _code(sample_rate: int, word_seconds: float) -> _Code:
    """The tones at this rate; they are made once."""
    return _Code(sample_rate, word_seconds)


class ScriptedDecoder:
    """Finds the words of `speak` in the samples of one connection.

    Words are reported as soon as their last sample was fed. A word that lies across the end of a
    segment belongs to the next one; it is never cut and never said twice.
    """

    def __init__(
        self,
        sample_rate: int,
        *,
        word_seconds: float = WORD_SECONDS,
        vocabulary: Mapping[int, str] | None = None,
        languages_of: Mapping[int, str] | None = None,
        speakers_of: Mapping[int, int] | None = None,
    ) -> None:
        self._languages_of = dict(languages_of or {})
        self._speakers_of = dict(speakers_of or {})
        self._code = _code(sample_rate, word_seconds)
        self._vocabulary = dict(vocabulary or {})
        # A head of virtual silence, so that a word whose first few samples were lost is still
        # looked for at its real place, before the first sample.
        head = self._code.symbol
        self._audio: NDArray[np.float32] = np.zeros(head, np.float32)
        self._origin = -head  # index of self._audio[0] in samples fed
        self._fed = 0
        self._segment: list[RecognizedWord] = []

    async def feed(self, pcm: NDArray[np.int16]) -> Sequence[RecognizedWord] | None:
        """Take the next samples; the segment's words, or None where there is no new one."""
        self._fed += len(pcm)
        self._audio = np.concatenate((self._audio, pcm.astype(np.float32) / np.float32(32768)))
        found = list(self._find(self._audio))
        self._segment.extend(found)
        return tuple(self._segment) if found else None

    async def finish_segment(self) -> Sequence[RecognizedWord]:
        """The segment's words, with one whose very last samples are still missing."""
        missing = np.zeros(self._code.symbol, np.float32)
        self._segment.extend(self._find(np.concatenate((self._audio, missing))))
        words, self._segment = tuple(self._segment), []
        return words

    async def close(self) -> None:
        """Forget the audio."""
        self._audio = np.zeros(0, np.float32)

    def _find(self, audio: NDArray[np.float32]) -> Iterator[RecognizedWord]:
        """Every whole word in the audio; what was searched is dropped from the buffer."""
        code = self._code
        skip = 0
        while len(audio) - skip >= code.word:
            rest = audio[skip:]
            starts = code.starts(len(rest))
            if starts < 1:
                break
            word = None
            for start in code.marked(rest, starts):
                word = self._read(audio, skip + int(start) * code.hop, code.shares(rest, start))
                if word is not None:
                    break
            if word is None:
                # The last symbol's worth is looked at again: its word may lack a few samples yet.
                skip += max(0, starts - _HOPS) * code.hop
                break
            found, skip = word
            yield found
        self._forget(skip)

    def _read(
        self, audio: NDArray[np.float32], near: int, shares: NDArray[np.float32]
    ) -> tuple[RecognizedWord, int] | None:
        """The word that starts near this index, and the index where the search goes on."""
        even, odd = shares[1:-1:2, 1:17], shares[2:-1:2, 17:33]
        if min(even.max(axis=1).min(), odd.max(axis=1).min()) < _SEARCH_SHARE:
            return None
        symbols = np.empty(_DATA, np.int64)
        symbols[0::2] = 1 + even.argmax(axis=1)
        symbols[1::2] = 17 + odd.argmax(axis=1)
        number = _number([int(symbol) for symbol in symbols])
        if number is None:
            return None
        code = self._code
        wave = code.waveform(_symbols(number)).astype(np.float32)
        low = max(0, near - code.symbol // 2)
        stretch = audio[low : near + code.symbol // 2 + code.word]
        if len(stretch) < code.word:
            return None
        start = low + int(np.correlate(stretch, wave, "valid").argmax())
        heard = self._heard(audio[start : start + code.word], wave)
        if heard < _HEARD:
            return None
        first = max(0, self._origin + start)
        last = min(self._fed, self._origin + start + code.word)
        word = RecognizedWord(
            text=self._vocabulary.get(number) or spell(number),
            start=first / code.sample_rate,
            end=last / code.sample_rate,
            confidence=round(min(1.0, 0.9 + 0.1 * heard), 3),
            language=self._languages_of.get(number, ""),
            speaker=self._speakers_of.get(number, 0),
            speaker_confidence=0.9,
        )
        return word, start + round(code.word * _HEARD)

    def _heard(self, audio: NDArray[np.float32], wave: NDArray[np.float32]) -> float:
        """The share of the word that is really there, block by block of a millisecond."""
        block = max(1, round(_BLOCK_SECONDS * self._code.sample_rate))
        count = len(wave) // block
        there = audio[: count * block].reshape(count, block)
        wanted = wave[: count * block].reshape(count, block)
        norms = np.linalg.norm(there, axis=1) * np.linalg.norm(wanted, axis=1)
        alike = np.einsum("ij,ij->i", there, wanted) > 0.5 * norms
        return float(np.count_nonzero(alike & (norms > 0))) / count

    def _forget(self, samples: int) -> None:
        """Drop what was searched: the buffer never holds much more than a word."""
        samples = min(samples, len(self._audio))
        self._audio = self._audio[samples:]
        self._origin += samples


class ScriptedRecognizer:
    """Recognizes the words that `speak` encodes, at every rate of the service, without resampling.

    Args:
        vocabulary: What some numbers are called instead of `spell(number)`: a mapping, or a
            sequence for the numbers from 0 on.
        word_seconds: Length of a word, as given to `speak`.
        languages_of: The language that some numbers are heard in.
        speakers_of: The speaker who says some numbers, counted from 0; speaker 0 says the others.
        languages: The language codes that are accepted. The audio does not depend on them.
    """

    def __init__(
        self,
        vocabulary: Mapping[int, str] | Sequence[str] = (),
        *,
        word_seconds: float = WORD_SECONDS,
        languages_of: Mapping[int, str] | None = None,
        speakers_of: Mapping[int, int] | None = None,
        languages: Iterable[str] = ("en", "hi", "de", "es", "fr", "multi-eu"),
    ) -> None:
        if not isinstance(vocabulary, Mapping):
            vocabulary = dict(enumerate(vocabulary))
        self._vocabulary = vocabulary
        self._word_seconds = word_seconds
        self._languages = frozenset(languages)
        self._languages_of = languages_of
        self._speakers_of = speakers_of

    @property
    def sample_rates(self) -> frozenset[int]:
        """Hz; every rate of the service."""
        return frozenset((8000, 16_000, 22_050, 24_000, 44_100, 48_000))

    @property
    def languages(self) -> frozenset[str]:
        """The codes given to the constructor."""
        return self._languages

    async def open(
        self, *, sample_rate: int, language: str, keywords: Mapping[str, float]
    ) -> ScriptedDecoder:
        """Make a decoder for one connection. Keywords have no effect.

        Raises:
            ConfigurationError: The rate or the language is not supported.
        """
        if sample_rate not in self.sample_rates:
            raise ConfigurationError(f"sample_rate={sample_rate} is not a rate of the service")
        if language not in self._languages:
            raise ConfigurationError(f"language={language!r} is not known to this recognizer")
        return ScriptedDecoder(
            sample_rate,
            word_seconds=self._word_seconds,
            vocabulary=self._vocabulary,
            languages_of=self._languages_of,
            speakers_of=self._speakers_of,
        )

    async def close(self) -> None:
        """Do nothing, because this recognizer holds no resources."""
