"""Where speech lies in the held audio, by its loudness.

Two levels answer every question. `certain` speech is as loud as the words that were recognized
before, so that no working server misses it. `possible` speech is anything above the noise of the
pauses: a quiet word may be in it, and noise may be in it. A decision that costs words when it is
wrong asks for `possible`; a decision that costs a reconnection asks for `certain`.

Loudness is the root mean square of frames of 20 ms, 0 to 1 of full scale. It is computed once per
frame, when a question is asked, so that the path of live audio pays nothing.
"""

from __future__ import annotations

from typing import Final

from pulse_plugins.core.audio.formats import SAMPLE_BYTES, frame_loudness
from pulse_plugins.core.audio.replay_buffer import ReplayBuffer

# Seconds. 20 ms is the usual frame of speech processing: several periods of a voice, and shorter
# than any phoneme that carries a word.
FRAME: Final = 0.02
# Of full scale: -80 dB. G.711 idle noise and one step of 16 bits (-90 dB) lie below, so that
# digital silence and an idle telephone line never count as possible speech.
INAUDIBLE: Final = 1e-4
# Of full scale: -40 dB. Speech of telephone level is -30 to -10 dB; used until the first words of
# this caller were recognized.
USUAL_SPEECH: Final = 0.01
# Times the noise of the pauses: 12 dB. The loudness of steady noise varies by less than 3 dB from
# frame to frame.
ABOVE_NOISE: Final = 4.0
# Of the loudness of recognized words: -16 dB. Unstressed syllables are 10 to 15 dB below stressed.
LIKE_WORDS: Final = 0.15
# Seconds of quiet frames within one word: a stop consonant closes for up to 0.1 s.
WITHIN_WORD: Final = 0.12
# Seconds that a word may take; a search for its beginning ends there.
LONGEST_WORD: Final = 1.0

_NOISE_SHARE: Final = 0.1  # of all frames; pauses are at least a tenth of what people say
_LOUD_SHARE: Final = 0.75  # words are quieter at both ends: this quantile is their loudness
_LEARNED_SECONDS: Final = 3.0  # the newest words tell enough, however long a final is


class Energy:
    """Measures the audio of one stream.

    Args:
        buffer: The audio; only what it still holds can be asked about.
        encoding: Its encoding, one of `AudioFormat`'s.
    """

    def __init__(self, buffer: ReplayBuffer, encoding: str) -> None:
        self._buffer = buffer
        self._encoding = encoding
        width = SAMPLE_BYTES[encoding]
        self._frame_bytes = round(buffer.bytes_per_second * FRAME / width) * width
        self._known: list[float] = []  # loudness of frames
        self._first = 0  # number of the first of them
        self._words: float | None = None  # loudness of recognized words
        self._is_told = False  # by a final, and not only by an interim
        self._noise = 1.0  # loudness of the quietest stretch so far

    def learn(self, start: float, end: float) -> None:
        """Words were recognized between these stream_times; call it before they are acked."""
        levels = self._frames(max(start, end - _LEARNED_SECONDS), end)[1]
        # The time of one word may follow a long pause: frames of the pause do not count.
        least = LIKE_WORDS * max(levels, default=0.0)
        if loud := list(filter(least.__le__, levels)):
            self._words, self._is_told = _quantile(loud, _LOUD_SHARE), True

    def learn_shown(self, start: float, end: float) -> None:
        """An interim shows words of this audio. Words that a final told before count more."""
        if self._words is None:
            self.learn(start, end)
            self._is_told = False

    def forget_shown(self) -> None:
        """The interim was a noise: forget what `learn_shown` has learned from it."""
        if not self._is_told:
            self._words = None

    def certain(self, start: float, end: float) -> float:
        """Seconds of speech between two stream_times that no working server misses."""
        return _seconds_above(self._certain_level(), self._frames(start, end)[1])

    def possible(self, start: float, end: float) -> float:
        """Seconds between two stream_times that may be speech."""
        levels = self._frames(start, end)[1]
        return _seconds_above(self._possible_level(levels), levels)

    def certain_from(self, start: float, end: float) -> float | None:
        """The stream_time at which certain speech begins between these two, or None."""
        first, levels = self._frames(start, end)
        level = self._certain_level()
        for number, loudness in enumerate(levels):
            if loudness > level:
                return max(start, (first + number) * FRAME)
        return None

    def word_start(self, time: float) -> float:
        """Where the word that is under way at this stream_time began; the time itself if none is.

        Possible speech counts as a word: an ack that is too early costs a replay, and an ack in
        the middle of a word costs the word.
        """
        first, levels = self._frames(time - LONGEST_WORD, time)
        # Before any words of this caller, their loudness and that of the noise are not known.
        level = INAUDIBLE
        if self._words is not None:
            level = self._possible_level(levels)
        levels = [*levels, self._begun_frame(time)]  # a word that begins this very moment counts
        began = 0  # frames before the time
        for frames, loudness in enumerate(reversed(levels), 1):
            if loudness > level:
                began = frames
            elif (frames - began) * FRAME >= WITHIN_WORD:
                break
        if not began:
            return time
        start = (first + len(levels) - began - 1) * FRAME
        return min(time, max(0.0, time - LONGEST_WORD, start))

    def word_end(self, time: float) -> float:
        """Where the possible speech that is under way at this stream_time ends; at most a word.

        The last 20 ms before the time and the frame in which it lies must be held and be speech:
        sound that begins later is another word.
        """
        frame = int(time / FRAME + 1e-6)  # less than a sample is rounding
        first, levels = self._frames(frame * FRAME, time + LONGEST_WORD)
        level = self._possible_level(levels)
        offset = self._buffer.offset(time)
        is_heard = self._loudness(offset - self._frame_bytes, offset) > level
        end = time
        for number, loudness in enumerate(levels, first + 1):
            if not is_heard or loudness <= level:
                break
            end = number * FRAME
        return end

    def _certain_level(self) -> float:
        return USUAL_SPEECH if self._words is None else max(INAUDIBLE, LIKE_WORDS * self._words)

    def _possible_level(self, levels: list[float]) -> float:
        if levels:
            self._noise = min(self._noise, _quantile(levels, _NOISE_SHARE))
        above_noise = min(max(INAUDIBLE, ABOVE_NOISE * self._noise), USUAL_SPEECH)
        return min(above_noise, self._certain_level())

    def _begun_frame(self, time: float) -> float:
        """The loudness of the frame that is not over at this stream_time; 0 if it has not begun."""
        offset = self._buffer.offset(time)
        return self._loudness(offset - offset % self._frame_bytes, offset)

    def _loudness(self, start: int, end: int) -> float:
        """The loudness between two offsets; 0 if nothing is held there."""
        audio = self._buffer.read(start, end)
        if not audio:
            return 0.0
        loudness = frame_loudness(audio, self._encoding, len(audio))
        return max(loudness.tolist(), default=0.0)

    def _frames(self, start: float, end: float) -> tuple[int, list[float]]:
        """The number of the first frame between two stream_times, and the loudness of each.

        Only whole frames that are held count.
        """
        buffer, size = self._buffer, self._frame_bytes
        last = buffer.offset(min(end, buffer.seconds(buffer.end))) // size
        oldest = -(-buffer.start // size)
        if self._first + len(self._known) < last:
            self._measure(oldest, last)
        first = max(oldest, round(buffer.offset(start) / size))
        return first, self._known[max(0, first - self._first) : max(0, last - self._first)]

    def _measure(self, oldest: int, last: int) -> None:
        """Compute the loudness of the frames before `last`, of which one or more is not known.

        Args:
            oldest: The number of the first frame that is still held.
            last: The number of the frame behind the last one.
        """
        next_frame = self._first + len(self._known)
        held = self._known[max(0, oldest - self._first) :]
        self._first = max(self._first, oldest)
        begin, end = (number * self._frame_bytes for number in (max(next_frame, self._first), last))
        audio = self._buffer.read(begin, end)
        self._known = held + frame_loudness(audio, self._encoding, self._frame_bytes).tolist()


def _seconds_above(level: float, levels: list[float]) -> float:
    return sum(map(level.__lt__, levels)) * FRAME


def _quantile(levels: list[float], share: float) -> float:
    """The nearest-rank quantile."""
    return sorted(levels)[int(share * (len(levels) - 1))]
