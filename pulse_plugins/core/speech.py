"""Is there speech in this stretch of audio? Asked rarely, so that the audio path pays nothing.

How loud audio is, is computed once, in frames of 20 ms, when somebody asks. The measure is the
loudness of what was recognized before: a stretch that is much quieter than the caller's own words
holds none. Before any word it is the loudness of the pauses. Both are evidence, not proof;
`session` bounds what it decides by it.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pulse_plugins.core.audio import frame_loudness
from pulse_plugins.core.timeline import Timeline

_FRAME: Final = 0.02  # seconds
_MARGIN: Final = 0.06  # word times are this coarse: the end of a word is not new speech
_SHORTEST: Final = 0.06  # seconds; shorter is a click
_LEARNED: Final = 3.0  # seconds; the newest words tell enough, however long the final is
_RELATIVE: Final = 0.15  # of the loudness of recognized words
_LOUD_PART: Final = 0.75  # what was recognized holds pauses between words too
_ABSOLUTE: Final = 0.01  # of full scale (-40 dB): speech, while no word was recognized yet
_ABOVE_PAUSES: Final = 4.0  # times as loud as the pauses: perhaps speech
_PAUSES: Final = 0.1  # of audio is quieter than speech
_INAUDIBLE: Final = 1e-4  # of full scale (-80 dB)
_SILENCE: Final = 1e-5  # of full scale (-100 dB): less than one step of 16 bits
_LONGEST: Final = 1.0  # seconds that a word may take
_BREAK: Final = 6  # frames from one loud one to the next within a word
_ONSET: Final = 0.1  # seconds; words begin more quietly than they go on


class SpeechLevel:
    """Remembers how loud recognized words were.

    Attributes:
        timeline: The audio.
    """

    def __init__(self, timeline: Timeline, encoding: str) -> None:
        self.timeline = timeline
        self._encoding = encoding
        self._frame_bytes = timeline.position(_FRAME)
        self._known = np.empty(0, np.float32)  # the loudness of frames
        self._first = 0  # the number of the first of them
        self._words: float | None = None  # loudness, 0 to 1
        self._pauses = 1.0  # the same, of the quietest stretch so far

    def listen_until(self, end: float) -> None:
        """Compute what questions about audio before this stream_time will need, while one waits."""
        self._know(self._oldest, self.timeline.position(end) // self._frame_bytes)

    def learn(self, start: float, end: float) -> None:
        """Words were recognized between these stream_times; call it before they are settled."""
        levels = self._levels(max(start, end - _LEARNED), end)
        if levels.size:
            self._words = _quantile(levels, _LOUD_PART)

    def has_speech(
        self, start: float, end: float, *, margin: float = _MARGIN, at_least: float = _SHORTEST
    ) -> bool:
        """Whether unexplained speech lies between two stream_times.

        Args:
            start: The end of the last word that is known.
            end: The position that is asked about.
            margin: Seconds after `start` that may still belong to that word.
            at_least: Seconds of loud audio that count.
        """
        levels = self._levels(start + margin, end)
        return _lasts(levels, self._like_words(self._perhaps()), at_least)

    def is_loud(self, start: float, end: float, *, at_least: float) -> bool:
        """Whether there are that many seconds of speech that no server could miss."""
        return _lasts(self._levels(start, end), self._like_words(_ABSOLUTE), at_least)

    def may_have_speech(self, start: float, end: float) -> bool:
        """Whether a quiet word may lie between two stream_times; noise may look so too."""
        return _lasts(self._levels(start + _MARGIN, end), self._surely_quiet(), _SHORTEST)

    def word_at(self, time: float) -> float:
        """Where the word that is being said at this stream_time began; the time itself if none is.

        A word that has begun this very moment counts: what was not heard whole was not heard.
        """
        position = self.timeline.position(time)
        last = position // self._frame_bytes
        levels = self._levels(time - _LONGEST, time)
        begun = self.timeline.read(last * self._frame_bytes, position)
        rest = frame_loudness(begun, self._encoding, len(begun))  # of a frame that is not whole
        loud = np.append(levels, rest) > self._surely_quiet()
        numbers = np.flatnonzero(loud) + (last - levels.size)
        if not numbers.size or last + 1 - numbers[-1] > _BREAK:
            return time
        breaks = np.flatnonzero(np.diff(numbers) > _BREAK)
        first = numbers[breaks[-1] + 1] if breaks.size else numbers[0]
        return max(0.0, time - _LONGEST, float(first) * _FRAME - _ONSET)

    def _like_words(self, default: float) -> float:
        return default if self._words is None else max(_INAUDIBLE, _RELATIVE * self._words)

    def _surely_quiet(self) -> float:
        """What is not louder is no word; before any word was recognized only silence is."""
        if self._words is None:
            return _SILENCE
        return max(_SILENCE, min(_RELATIVE * self._words, _ABOVE_PAUSES * self._pauses))

    def _perhaps(self) -> float:
        return max(_INAUDIBLE, min(_ABSOLUTE, _ABOVE_PAUSES * self._pauses))

    def _levels(self, start: float, end: float) -> NDArray[np.float32]:
        """The loudness of the frames between two stream_times, as far as they are held."""
        timeline, size = self.timeline, self._frame_bytes
        oldest, last = self._oldest, timeline.position(end) // size
        self._know(oldest, last)
        first = max(oldest, round(timeline.position(start) / size))
        levels = self._known[first - self._first : max(first, last) - self._first]
        if levels.size:
            self._pauses = min(self._pauses, _quantile(levels, _PAUSES))
        return levels

    @property
    def _oldest(self) -> int:
        """The number of the first frame that is wholly held."""
        return -(-self.timeline.start // self._frame_bytes)

    def _know(self, oldest: int, last: int) -> None:
        """Compute what is missing of the frames from `oldest` on and before `last`."""
        next_frame = self._first + len(self._known)
        if next_frame >= last:
            return
        held = self._known[max(0, oldest - self._first) :]
        self._first = max(self._first, oldest)
        begin, end = (number * self._frame_bytes for number in (max(next_frame, self._first), last))
        audio = self.timeline.read(begin, end)
        found = frame_loudness(audio, self._encoding, self._frame_bytes)
        self._known = np.concatenate((held, found))


def _lasts(levels: NDArray[np.float32], threshold: float, seconds: float) -> bool:
    return int(np.count_nonzero(levels > threshold)) * _FRAME >= seconds - 1e-9


def _quantile(levels: NDArray[np.float32], share: float) -> float:
    """As `np.quantile`, without what makes that one slow for a hundred numbers."""
    return float(np.sort(levels)[int(share * (levels.size - 1))])
