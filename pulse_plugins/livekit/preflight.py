"""When an interim is worth a reply that is begun before the turn has ended.

The rule, all of it:

1. The interim has not changed for `STABLE` seconds and the last `STABLE` seconds of audio are
   quiet, less than `QUIET` of the loudness at which its words came; or the end of speech is
   already known (the server's VAD, or the framework's flush), which is asked at once.
2. Interims of this stream usually become their final: a moving share of those that did, compared
   as the framework compares them (words, without case and punctuation), is above `WORTH`.
3. Each text once. While redaction holds interims back, none.

A PREFLIGHT that differs from its final costs a language model call; the share in rule 2 sees to
it that a service which rewrites its interims (numbers, names) does not cost one every turn.
"""

from __future__ import annotations

from collections import deque

from pulse_plugins.core.audio.formats import loudness
from pulse_plugins.core.base.text import plain_words

STABLE = 0.4  # seconds
QUIET = 0.3  # of the speech's loudness
WORTH = 0.35
_SPOKEN = 3  # changes of the interim whose audio says how loud the speaker is
_NO_WORDS: list[str] = []
_WEIGHT = 0.25  # of the newest observation in the share


class Preflight:
    """Watches one stream's interims, finals and the loudness of its newest audio."""

    def __init__(self) -> None:
        self.share = 1.0  # of interims that became their final
        self.sent = 0
        self.kept = 0  # of those sent, how many were equal to their final
        self._recent: deque[tuple[float, bytes]] = deque()
        self._seconds = 0.0
        self._speech = 0.0  # loudness, 0 to 1
        # The audio in which words came, newest last: how loud it is, is computed once it matters.
        self._spoken: deque[tuple[bytes, ...]] = deque(maxlen=_SPOKEN)
        self._text = self._claimed = ""
        self._key = self._claimed_key = _NO_WORDS  # what is compared of these two
        self._changed_at = 0.0

    def audio(self, data: bytes, seconds: float) -> None:
        """Keep the newest audio, linear16; nothing is computed until an interim asks."""
        self._recent.append((seconds, data))
        self._seconds += seconds
        while self._seconds - self._recent[0][0] >= STABLE:
            self._seconds -= self._recent.popleft()[0]

    def interim(self, text: str, now: float) -> None:
        """The open segment reads like this now."""
        if text == self._text:
            return
        key = plain_words(text)
        if key != self._key:
            self._changed_at = now
            self._spoken.append(self._newest())
        self._text, self._key = text, key

    def final(self, text: str) -> None:
        """The segment reads like this for good."""
        guess = self._claimed_key if self._claimed else self._key
        if (self._claimed or self._text) and text:
            hit = guess == plain_words(text)
            self.share += _WEIGHT * (hit - self.share)
            self.kept += bool(self._claimed) and hit
        self._text = self._claimed = ""
        self._key = self._claimed_key = _NO_WORDS

    @property
    def deadline(self) -> float | None:
        """When to ask `stable`, on the clock of `interim`'s `now`."""
        if not self._text or self._key == self._claimed_key or self.share < WORTH:
            return None
        return self._changed_at + STABLE

    def stable(self, now: float) -> str | None:
        """The text, if it has been stable and the speaker is quiet; else asks again later."""
        deadline = self.deadline
        if deadline is None or now < deadline:
            return None
        while self._spoken:
            self._speech = max(_loudness(self._spoken.popleft()), self._speech * 0.8)
        if _loudness(self._newest()) > QUIET * self._speech:
            self._changed_at = now - STABLE / 2
            return None
        return self.ended()

    def ended(self) -> str | None:
        """The text, if it is worth a reply now that speech is known to have ended."""
        if self.deadline is None:
            return None
        self._claimed, self._claimed_key = self._text, self._key
        self.sent += 1
        return self._text

    def _newest(self) -> tuple[bytes, ...]:
        return tuple([data for _, data in self._recent])


def _loudness(pieces: tuple[bytes, ...]) -> float:
    return loudness(b"".join(pieces), "linear16")
