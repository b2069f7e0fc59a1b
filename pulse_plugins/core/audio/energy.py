"""Is there speech in this stretch of audio? Asked rarely, so that the audio path pays nothing.

How loud audio is, is computed once, in frames of 20 ms, when somebody asks, and kept as a list: a
question looks at few of them, with caches that are cold by then. The measure is the loudness of
what was recognized before: a stretch that is much quieter than the caller's own words holds none.
Before any word it is the loudness of the pauses. Both are evidence, not proof; `session` bounds
what it decides by it.
"""

from __future__ import annotations

from itertools import chain
from typing import Final

from pulse_plugins.core.audio.formats import frame_loudness
from pulse_plugins.core.audio.replay_buffer import Timeline

_FRAME: Final = 0.02  # seconds
_MARGIN: Final = 0.06  # word times are this coarse: the end of a word is not new speech
_SHORTEST: Final = 0.06  # seconds; shorter is a click
_WORD: Final = 0.12  # seconds; no word is shorter
_LEARNED: Final = 3.0  # seconds; the newest words tell enough, however long the final is
_RELATIVE: Final = 0.15  # of the loudness of recognized words
_LOUD_PART: Final = 0.75  # words are quieter where they begin and end
_PAUSE: Final = 0.3  # of the loudest frame: what was recognized holds pauses too
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
        self._known: list[float] = []  # the loudness of frames
        self._first = 0  # the number of the first of them
        self._words: float | None = None  # loudness, 0 to 1
        self._pauses = 1.0  # the same, of the quietest stretch so far

    def listen_until(self, end: float) -> None:
        """Compute what questions about audio before this stream_time will need, while one waits."""
        self._know(self._oldest, self.timeline.position(end) // self._frame_bytes)

    def learn(self, start: float, end: float) -> None:
        """Words were recognized between these stream_times; call it before they are settled."""
        levels = self._levels(max(start, end - _LEARNED), end)
        if levels:
            quiet = _PAUSE * max(levels)  # most of it, where one word ends a long pause
            self._words = _quantile([level for level in levels if level >= quiet], _LOUD_PART)

    def has_speech(self, start: float, end: float) -> bool:
        """Whether unexplained speech lies between two stream_times.

        Args:
            start: The end of the last word that is known.
            end: The position that is asked about.
        """
        levels = self._levels(start + _MARGIN, end)
        return _lasts(levels, self._like_words(self._perhaps()), _SHORTEST)

    def has_word(self, start: float, end: float) -> bool:
        """The same, of speech that is long enough for a word, though the times may be imprecise."""
        levels = self._levels(start + _MARGIN, end)
        return _lasts(levels, self._like_words(self._perhaps()), _WORD)

    def is_loud(self, start: float, end: float, *, at_least: float) -> bool:
        """Whether there are that many seconds of speech that no server could miss."""
        return _lasts(self._levels(start, end), self._like_words(_ABSOLUTE), at_least)

    def onset(self, start: float, end: float, *, at_least: float) -> float | None:
        """Where speech that no server could miss begins, if there are so many seconds of it."""
        if not self.is_loud(start, end, at_least=at_least):
            return None
        threshold = self._like_words(_ABSOLUTE)
        levels = self._levels(start, end)
        first = next(number for number, level in enumerate(levels) if level > threshold)
        last = self.timeline.position(end) // self._frame_bytes
        return (last - len(levels) + first) * _FRAME

    def may_have_speech(self, start: float, end: float) -> bool:
        """Whether a quiet word may lie between two stream_times; noise may look so too."""
        return _lasts(self._levels(start + _MARGIN, end), self._surely_quiet(), _SHORTEST)

    def word_at(self, time: float) -> float:
        """Where the word that is being said at this stream_time began; the time itself if none is.

        A word that has begun this very moment counts: what was not heard whole was not heard.
        """
        levels = self._levels(time - _LONGEST, time)
        last = self.timeline.position(time) // self._frame_bytes
        quiet, first = self._surely_quiet(), last + 1
        # From here backwards, until it was quiet for long enough.
        for back, level in enumerate(chain(self._broken_frame(time), reversed(levels))):
            if first - (last - back) > _BREAK:
                break
            if level > quiet:
                first = last - back
        if first > last:
            return time
        return max(0.0, time - _LONGEST, first * _FRAME - _ONSET)

    def _like_words(self, default: float) -> float:
        return default if self._words is None else max(_INAUDIBLE, _RELATIVE * self._words)

    def _surely_quiet(self) -> float:
        """What is not louder is no word; before any word was recognized only silence is."""
        if self._words is None:
            return _SILENCE
        return max(_SILENCE, min(_RELATIVE * self._words, _ABOVE_PAUSES * self._pauses))

    def _perhaps(self) -> float:
        return max(_INAUDIBLE, min(_ABSOLUTE, _ABOVE_PAUSES * self._pauses))

    def _levels(self, start: float, end: float) -> list[float]:
        """The loudness of the frames between two stream_times, as far as they are held."""
        timeline, size = self.timeline, self._frame_bytes
        oldest, last = self._oldest, timeline.position(end) // size
        self._know(oldest, last)
        first = max(oldest, round(timeline.position(start) / size))
        levels = self._known[first - self._first : max(first, last) - self._first]
        if levels:
            self._pauses = min(self._pauses, _quantile(levels, _PAUSES))
        return levels

    def _broken_frame(self, time: float) -> list[float]:
        """The loudness of the frame that is not over at this stream_time; 0 if it has not begun."""
        position = self.timeline.position(time)
        begun = self.timeline.read(position - position % self._frame_bytes, position)
        return frame_loudness(begun, self._encoding, len(begun)).tolist() if begun else [0.0]

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
        self._known = held + frame_loudness(audio, self._encoding, self._frame_bytes).tolist()


def _lasts(levels: list[float], threshold: float, seconds: float) -> bool:
    return len([level for level in levels if level > threshold]) * _FRAME >= seconds - 1e-9


def _quantile(levels: list[float], share: float) -> float:
    """Without interpolation, which so many numbers do not need."""
    return sorted(levels)[int(share * (len(levels) - 1))]
