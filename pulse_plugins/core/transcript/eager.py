"""Decides when the text of an open utterance is worth a reply that begins before the turn ends.

An eager reply costs a call of the language model if the utterance then goes on or reads otherwise.
The text is worth it under these conditions:

1. No word is on its way. The newest audio is quiet, less than `QUIET` of the loudness at which
   words came, for longer than this stream's texts lag behind their audio. The lag is measured at
   each final with word times: how much audio had been given when the last word was first shown.
2. The end of speech is known (the server's voice detector, or a finalize request of the
   framework), or the text has not changed for `STABLE` seconds.
   Both conditions hold at once where finals are known to hold all words up to a reported end.
3. The text is made of finals only; or interims of this stream become their finals unchanged. At
   each final the interim before it is compared with it, and a moving share of those that were
   equal must reach `WORTH`. Before the first comparison no interim is worth a reply, because a
   service that punctuates only its finals would cost a second call in the first turn.
4. The text was not passed on before.

How texts are compared depends on who compares next: a framework that takes any difference for a
new text needs `exact` equality, one that ignores case and punctuation does not.

Nothing here reads a clock: `now` is any steady clock in seconds.
"""

from __future__ import annotations

from collections import deque

from pulse_plugins.core.audio.formats import loudness
from pulse_plugins.core.base.text import plain_words

# Seconds without a change of the text. Words follow each other within 0.25 s in fast English (4 to
# 5 a second), and interims show them one by one. Shorter: a reply begins between two words of a
# slow speaker. Longer: each reply begins later.
STABLE = 0.4
# Of the loudness of speech: -10 dB. A stretch of `STABLE` seconds or more that contains a word is
# louder, even if the word is unstressed (10 to 15 dB below stressed syllables, which last a part of
# the stretch only). Lower: a noisy line is never quiet. Higher: a soft word counts as quiet.
QUIET = 0.3
# The share of interims that became their finals unchanged, and the weight of the newest comparison
# in it. Together they mean: one difference stops eager replies (the share is 0.5), and one equal
# interim allows them again (0.75). A lower share would pay for a second call of the language model
# more often; a higher one would need two equal interims.
WORTH = 0.6
_WEIGHT = 0.5
_LAG_MARGIN = 0.1  # seconds; audio comes in packets of up to 0.1 s
# Of the former lag that remains at each final. One fast final proves little: after four of them a
# quarter remains. Lower: the next slow text comes after the reply has begun. Higher: one slow final
# delays the replies of a minute.
_LAG_KEPT = 0.7
_AGAIN = 0.1  # seconds until the audio is looked at again: one packet
# Changes of the text whose audio gives the loudness of the caller. One of them may be a soft word.
_SPOKEN = 3
# Seconds of audio that are kept. A text that lags by more than 1.4 s is not worth an eager reply.
_KEPT = 1.5


class EagerText:
    """Watches one stream's open utterance and the loudness of its newest audio.

    Attributes:
        exact: Whether an interim counts as equal to its final only if every character is.
        sent: How many texts were passed on.
        kept: How many of them were equal to the utterance's final.
    """

    def __init__(self, *, exact: bool = False) -> None:
        self.exact = exact
        self.sent = 0
        self.kept = 0
        self._shares: list[float | None] = [None, None]  # of equal words, of equal characters
        self._audio = bytearray()  # the newest, at most `_KEPT`
        self._per_second = 0  # bytes of this audio
        self._kept = self._stable = 0  # bytes of it in `_KEPT` and in `STABLE` seconds
        self._speech = 0.0  # loudness, 0 to 1
        # The audio in which words came, newest last. Its loudness is computed when it matters.
        self._spoken: deque[bytes] = deque(maxlen=_SPOKEN)
        self._text = self._passed_on = ""
        self._is_closed = False  # the text is made of finals only
        self._changed_at = 0.0
        self._ask_at = 0.0
        self._heard = 0.0  # seconds of audio so far: the stream_time
        self._shown_at = 0.0  # the same when the newest interim came
        self._late_until = 0.0  # words may be later than the lag tells
        self._lag: float | None = None  # seconds from the end of a word to its first interim

    def audio(self, data: bytes, seconds: float) -> None:
        """Keep the newest audio.

        Args:
            data: Mono linear16; an empty frame changes nothing.
            seconds: Its length.
        """
        if not data:
            return
        self._heard += seconds
        audio = self._audio
        per_second = round(len(data) / seconds)
        if per_second != self._per_second:  # of another sample rate
            self._per_second = per_second
            self._kept, self._stable = self._bytes(_KEPT), self._bytes(STABLE)
            audio.clear()
        audio += data
        if (surplus := len(audio) - self._kept) > 0:
            del audio[:surplus]

    def reads(self, text: str, now: float, *, closed: bool) -> None:
        """The open utterance reads like this now.

        Args:
            text: All of its words.
            now: Seconds of a steady clock.
            closed: No interim is part of it.
        """
        self._is_closed = closed
        if text != self._text:
            if not closed:  # a final adds no word that was not heard before
                self._shown_at = self._heard
                self._spoken.append(bytes(self._audio[-self._stable :]))
            self._text, self._changed_at = text, now

    def compare(self, interim: str, final: str, last_word_end: float | None) -> None:
        """A segment closed: learn whether and how late interims become their finals.

        Args:
            interim: The newest interim of the segment.
            final: The segment's text.
            last_word_end: stream_time at which its last word ends; None: not known.
        """
        shown, said = plain_words(interim), plain_words(final)
        for index, hit in enumerate((shown == said, interim == final)):
            share = self._shares[index]
            self._shares[index] = hit if share is None else share + _WEIGHT * (hit - share)
        if last_word_end is not None and shown[-1:] == said[-1:]:
            lag = max(0.0, self._shown_at - last_word_end)
            self._lag = max(lag, _LAG_KEPT * (self._lag or 0.0))

    def sent_again(self, at: float) -> None:
        """The newest audio is sent again on another connection.

        Args:
            at: When it was sent, on the clock of `now`; infinite: it was not sent yet.
        """
        self._late_until = at + self._quiet

    def left(self, text: str) -> None:
        """The utterance is over and reads like this."""
        if self._passed_on and text:
            self.kept += self._is_passed_on(text)
        self._text = self._passed_on = ""
        self._is_closed = False

    @property
    def deadline(self) -> float | None:
        """When to ask `stable` or, after the end of speech, `ended`, on the clock of `now`."""
        if not self._is_worth_it:
            return None
        return max(self._changed_at + STABLE, self._ask_at)

    def stable(self, now: float) -> str | None:
        """The text, if it is worth a reply because it and the caller are quiet."""
        if not self._is_worth_it or now < self._changed_at + STABLE:
            return None
        return self._pass_on_if_quiet(now)

    def ended(self, now: float) -> str | None:
        """The text, if it is worth a reply because speech is known to have ended."""
        return self.stable(now) if self._lag is None else self._pass_on_if_quiet(now)

    def complete(self) -> str | None:
        """The text, if it is made of finals that are known to hold all words of the speech."""
        return self._pass_on() if self._is_closed and self.is_new else None

    def _pass_on_if_quiet(self, now: float) -> str | None:
        if not self._is_worth_it:
            return None
        if now < self._late_until or not self.is_quiet(self._quiet):
            self._ask_at = now + _AGAIN
            return None
        return self._pass_on()

    @property
    def _quiet(self) -> float:
        """Seconds of quiet audio after which no word is on its way."""
        return STABLE if self._lag is None else max(STABLE, self._lag + _LAG_MARGIN)

    def _pass_on(self) -> str:
        self._passed_on = self._text
        self.sent += 1
        return self._text

    def is_quiet(self, seconds: float, *, before: float = 0.0) -> bool:
        """Whether a stretch of audio is much quieter than the caller's words.

        Args:
            seconds: Length of the stretch.
            before: Seconds from its end to the newest audio; both together at most 1.5.
        """
        while self._spoken:
            spoken = loudness(self._spoken.popleft(), "linear16")
            # A caller who becomes softer is known after five changes of the text (0.8**5: -10 dB).
            self._speech = max(spoken, self._speech * 0.8)
        return loudness(self._newest(seconds, before), "linear16") <= QUIET * self._speech

    def _newest(self, seconds: float, before: float = 0.0) -> bytes:
        """The stretch of this length that ended `before` seconds ago, as far as it is kept."""
        end = max(0, len(self._audio) - self._bytes(before))
        return bytes(self._audio[max(0, end - self._bytes(seconds)) : end])

    def _bytes(self, seconds: float) -> int:
        """Bytes of whole samples in so many seconds of the newest audio."""
        return 2 * round(seconds * self._per_second / 2)

    @property
    def is_new(self) -> bool:
        """Whether there is a text that was not passed on."""
        return bool(self._text) and not self._is_passed_on(self._text)

    def _is_passed_on(self, text: str) -> bool:
        """Whether the framework takes this text for the one that was passed on."""
        if self.exact or not self._passed_on:
            return text == self._passed_on
        return plain_words(text) == plain_words(self._passed_on)

    @property
    def _is_worth_it(self) -> bool:
        if self._quiet > _KEPT:
            return False  # whether a word is on its way cannot be told
        if self._is_closed:
            # As long as the lag is not known, a server that cuts finals for their length may have
            # more words on the way and show none of them.
            return self.is_new and self._lag is not None
        share = self._shares[self.exact]
        return self.is_new and share is not None and share >= WORTH
