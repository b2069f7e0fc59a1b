"""Messages of many connections become one stream's segments: its clock, in order, no echo.

A word heard again is recognized by its place on the clock, never by its text: people do say
"no, no". Three exceptions, all where the wire gives no times: the words of an interim that was
promoted to a final are not said again by the final that comes after all; what a server says twice
at the same moment (its own endpointing racing a finalize, an interim that a final has overtaken)
is heard once; and after a
final without word times nobody knows where its words ended, so that a replay begins before them,
and what it says again is recognized by the words themselves.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import ceil, inf, isfinite

from pulse_plugins.core.audio.replay_buffer import ConnectionClock
from pulse_plugins.core.base.events import Interim, Utterance, Word
from pulse_plugins.core.base.languages import spaceless
from pulse_plugins.core.base.text import plain
from pulse_plugins.core.wire.stream_messages import Transcript, WireWord

# A word whose middle is not later than this after the last delivered word is that word's tail:
# servers round word times to 10 ms.
_SLIVER = 0.015
_AHEAD = 0.5  # seconds; no word is so far ahead of the audio that was sent
_SAME_PLACE = 0.08  # seconds between two reports of one word's start
_TAIL = 256  # words, or characters of a language without spaces, that such a replay may say again
_FASTEST = 8.0  # words a second; three times as many characters where there are no spaces
_ROUNDING = 1e-3  # seconds; more than a sample
_MOMENT = 0.35  # seconds; nobody says the same again, and is understood, so soon
_HAS_WORD = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class Segment:
    """What a final adds to the stream; times are stream_time.

    Attributes:
        covered: Audio before this needs no replay.
        repeated: Every word of it had been delivered before.
        vague: There were no word times: `covered` may lie beyond the words by its latency.
    """

    text: str
    words: tuple[Word, ...]
    start: float
    end: float
    covered: float
    utterances: tuple[Utterance, ...] = ()
    repeated: bool = False
    vague: bool = False


class Transcripts:
    """Remembers what was delivered, to place what comes next."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.delivered_until = 0.0  # the end of the last delivered word, stream_time
        self._recent: deque[Word] = deque(maxlen=64)
        self._fresh = False  # no final of this connection yet, and it began with a replay
        self._echo: list[str] = []
        self._echo_end = 0.0
        self._last_text = ""
        self._last_sent = -inf  # the audio that this connection was sent when that came
        self._last_at = -inf  # when a final came, on the caller's clock
        # Delivered without a time, newest last: a word, and the stream_time before which it ended.
        self._tail: deque[tuple[str, float]] = deque(maxlen=_TAIL)
        self._repeats: list[str] = []  # those of them that a replay may say again
        self._open_until = 0.0  # stream_time up to which the newest interim may reach
        self.open_text = ""  # the newest interim of the open segment
        self._seen: list[tuple[int, float]] = []  # words in an interim, audio sent when it came

    def interim(self, message: Transcript, *, sent: float, now: float) -> Interim | None:
        """The open segment as it looks now, or None when it says nothing new.

        Args:
            message: An interim.
            sent: stream_time up to which this connection was sent audio.
            now: Any steady clock, in seconds.
        """
        text = message.text
        if not _HAS_WORD.search(text):
            return None
        if not self._seen and self._is_soon(sent, now) and self._ends_with(text):
            return None
        count = len(text.split())
        if not self._seen or count > self._seen[-1][0]:
            self._seen.append((count, sent))
        text, _ = self._without_repeats(self._without_echo(text))
        if not text:
            return None
        self.open_text = text
        self._open_until = sent
        return Interim(text, self.delivered_until, message.session_id or "")

    def connection_changed(self, start: float) -> None:
        """What follows comes from another connection, which hears audio again from here on.

        Args:
            start: stream_time.
        """
        self._seen = []
        self._last_sent = -inf
        self._fresh = bool(self._recent)
        words = [word for word, until in self._tail if until > start + _ROUNDING]
        rate = _FASTEST * (3 if spaceless(self.language) else 1)
        most = 1 + ceil(rate * (self._tail[-1][1] - start)) if words else 0
        self._repeats = words[-most:] if most > 0 else []

    def settled(self, until: float) -> None:
        """All words that were delivered ended before this stream_time."""
        self._tail = deque(((word, min(at, until)) for word, at in self._tail), maxlen=_TAIL)
        self._repeats = []

    def final(
        self,
        message: Transcript,
        clock: ConnectionClock,
        *,
        sent: float,
        now: float,
        until: float | None = None,
        certain: bool = True,
        asked: bool = False,
    ) -> Segment:
        """Place a final on the stream.

        Args:
            message: A final.
            clock: The clock of the connection it came on.
            sent: stream_time up to which that connection was sent audio.
            now: Any steady clock, in seconds.
            until: stream_time of the finalize that this answers, where the server says so.
            certain: It can answer no later one.
            asked: A finalize is outstanding or was answered this moment, so that two finals may
                say the same.
        """
        soon, self._last_at = self._is_soon(sent, now), now
        text = message.text if _HAS_WORD.search(message.text) else ""
        words = self._timed(message.words, clock, sent) if text else None
        seen, self._seen, self.open_text = self._seen, [], ""
        if not text:
            end = self.delivered_until
            return Segment("", (), end, end, covered=0.0)
        if words is None:
            at_most = sent if until is None else min(sent, until)
            # The last word may really be said again; a sentence is not, so soon.
            twice = soon and (" " in text if message.is_last else asked)
            return self._untimed(text, seen, at_most, sent, certain=certain, twice=twice)
        self._tail.clear()
        self._repeats = []
        new = self._new_words(words)
        kept = self._unsaid(new)
        self._remember(new)
        end = self.delivered_until
        if not kept:
            return Segment("", (), end, end, covered=end, repeated=True)
        if len(kept) < len(words):
            text = self.join(w.text for w in kept)
        self._last_text, self._last_sent = text, sent
        utterances = self._utterances(message, clock)
        return Segment(text, tuple(kept), kept[0].start, end, covered=end, utterances=utterances)

    def promote(self, until: float) -> str:
        """Take the newest interim as final, because no final came.

        Args:
            until: stream_time of the finalize that was not answered.
        """
        text, self.open_text = self.open_text, ""
        if text:
            self._echo += text.split()
            self._echo_end = max(until, self._open_until)  # an interim may reach beyond the mark
            self._remember_text(text, self._echo_end)
            self._last_text, self._last_sent = text, -inf
        return text

    def join(self, texts: Iterable[str]) -> str:
        """One text from several, as the language writes them."""
        return ("" if spaceless(self.language) else " ").join(t for t in texts if t)

    def _timed(
        self, words: list[WireWord] | None, clock: ConnectionClock, sent: float
    ) -> list[Word] | None:
        """The words on the stream's clock, or None where their times cannot be used."""
        if not words:
            return None
        placed: list[Word] = []
        for w in words:
            if w.start is None or w.end is None or not isfinite(w.start + w.end):
                return None
            start, end = clock.to_stream(w.start), clock.to_stream(w.end)
            if start > sent + _AHEAD:
                return None  # not on this connection's clock
            placed.append(
                Word(
                    w.word.strip(),
                    start,
                    max(start, end if end <= sent + _AHEAD else sent),
                    w.confidence,
                    None if w.speaker is None else str(w.speaker),
                    w.speaker_confidence,
                )
            )
        if max(w.end or 0.0 for w in words) <= 0.0:
            return None  # not filled in
        if placed[-1].end <= self.delivered_until and not any(self._is_known(w) for w in placed):
            return None  # before all that was said, and not a repetition: another clock
        return placed

    def _new_words(self, words: list[Word]) -> list[Word]:
        """Without those that were delivered before; times never run backwards."""
        cut = self.delivered_until + _SLIVER if self._fresh else -1.0
        self._fresh = False
        floor = self._recent[-1].start if self._recent else 0.0
        kept: list[Word] = []
        for w in words:
            if (w.start + w.end) / 2 < cut or self._is_known(w):
                continue
            floor = max(floor, w.start)
            if floor != w.start:
                w = replace(w, start=floor, end=max(floor, w.end))
            kept.append(w)
        return kept

    def _unsaid(self, words: list[Word]) -> list[Word]:
        """Without the words that a promoted interim has said."""
        if not self._echo or not words:
            return words
        if words[0].start >= self._echo_end:
            self._echo = []
            return words
        said = self._echo_length([w.text for w in words])
        self._echo = self._echo[said:] if said == len(words) else []
        return words[said:]

    def _is_known(self, word: Word) -> bool:
        key = plain(word.text)
        return any(
            abs(r.start - word.start) < _SAME_PLACE and plain(r.text) == key for r in self._recent
        )

    def _untimed(
        self,
        text: str,
        seen: list[tuple[int, float]],
        at_most: float,
        sent: float,
        *,
        certain: bool,
        twice: bool,
    ) -> Segment:
        """A final without word times covers what was sent when its words were first seen."""
        count = len(text.split())
        first_seen = next((when for size, when in seen if size >= count), sent)
        at = min(at_most, first_seen)
        if twice and not seen and plain(text) == plain(self._last_text):
            return Segment("", (), at, at, covered=0.0, repeated=True)
        rest, self._repeats = self._without_repeats(self._without_echo(text))
        self._echo = []
        self._remember_text(rest, at if certain else first_seen)
        start = self.delivered_until
        self.delivered_until = max(start, at)
        self._last_text, self._last_sent = text, sent
        end = self.delivered_until
        return Segment(rest, (), start, end, covered=at, repeated=not rest, vague=True)

    def _is_soon(self, sent: float, now: float) -> bool:
        """Whether the last final came at this very moment, by the audio and by the clock."""
        return sent - self._last_sent < _MOMENT and now - self._last_at < _MOMENT

    def _ends_with(self, text: str) -> bool:
        """Whether the last final ended with these words."""
        words, last = ([plain(t) for t in self._tokens(s)] for s in (text, self._last_text))
        return last[-len(words) :] == words

    def _remember_text(self, text: str, until: float) -> None:
        """These words were delivered, and nobody knows where before this stream_time they are."""
        self._tail.extend((word, until) for word in self._tokens(text))

    def _remember(self, words: list[Word]) -> None:
        self._recent.extend(words)
        for w in words:
            self.delivered_until = max(self.delivered_until, w.end)

    def _without_repeats(self, text: str) -> tuple[str, list[str]]:
        """Without the words that the replay says again, and those that it has yet to say again.

        The replay begins somewhere in the tail, perhaps within a word, and a final of it may end
        before the tail does.
        """
        if not self._repeats:
            return text, []
        tokens, tail = self._tokens(text), [plain(word) for word in self._repeats]
        keys = [plain(token) for token in tokens[: len(tail) + 1]]
        for at in range(len(tail)):
            for cut in (0, 1):
                same = min(len(tail) - at, len(keys) - cut)
                if same > cut and keys[cut : cut + same] == tail[at : at + same]:
                    return self.join(tokens[cut + same :]), self._repeats[at + same :]
        return text, []

    def _tokens(self, text: str) -> list[str]:
        return list(text) if spaceless(self.language) else text.split()

    def _without_echo(self, text: str) -> str:
        if not self._echo:
            return text
        words = text.split()
        return " ".join(words[self._echo_length(words) :])

    def _echo_length(self, words: list[str]) -> int:
        """How many of these words a promoted interim has said already."""
        same = 0
        for said, word in zip(self._echo, words, strict=False):
            if plain(said) != plain(word):
                break
            same += 1
        # The server may have revised a word of the interim; it is the same speech all the same.
        return min(len(self._echo), len(words)) if 2 * same >= len(self._echo) else same

    def _utterances(self, message: Transcript, clock: ConnectionClock) -> tuple[Utterance, ...]:
        return tuple(
            Utterance(
                u.text or u.transcript or "",
                clock.to_stream(u.start),
                clock.to_stream(u.end),
                None if u.speaker is None else str(u.speaker),
            )
            for u in message.utterances or ()
            if isfinite(u.start + u.end)
        )
