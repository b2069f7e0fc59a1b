"""Removes words that were said while the framework muted the user.

A mute strategy drops transcripts only during the mute. Words of muted speech whose final comes
after the unmute would therefore be part of the user's next turn. The service sends a finalize
request at the unmute, and removes the words that end before that moment.

Nothing here awaits or reads a clock.
"""

from __future__ import annotations

from dataclasses import replace

from pulse_plugins.core.base.events import Final
from pulse_plugins.core.base.text import texts_of_words

# Seconds. Servers round word times to 10 ms, so a word that ends this shortly after the unmute
# ended before it.
_ROUNDING = 0.02


class MuteFilter:
    """Follows the mute of one stream."""

    def __init__(self) -> None:
        self.muted = False
        self._until: float | None = None  # stream_time of the unmute, while its answer is awaited
        self._finalize_id = 0

    @property
    def hides_interims(self) -> bool:
        """Whether an interim may hold muted words; interims have no word times."""
        return self.muted or self._until is not None

    def started(self) -> None:
        """The framework mutes the user."""
        self.muted = True

    def stopped(self, time: float, finalize_id: int) -> None:
        """The framework hears the user again.

        Args:
            time: Seconds of stream_time.
            finalize_id: Of the finalize request that was sent at this moment.
        """
        self.muted = False
        self._until, self._finalize_id = time, finalize_id

    def final(self, final: Final) -> Final:
        """Return a final without its muted words. Its text is empty if all of them are muted."""
        if self.muted:
            return _without_text(final)
        if self._until is None:
            return final
        until, answers = self._until, final.finalize_id
        if answers is not None and answers >= self._finalize_id:
            self._until = None
        if final.words:
            return _ended_after(final, until + _ROUNDING)
        # Without word times a text that answers a later request too may hold unmuted words:
        # it is kept, because a lost word is worse than a muted one.
        is_later = answers is not None and answers > self._finalize_id
        return final if is_later else _without_text(final)


def _without_text(final: Final) -> Final:
    return replace(final, text="", words=(), utterances=()) if final.text else final


def _ended_after(final: Final, time: float) -> Final:
    kept = tuple(word for word in final.words if word.end > time)
    if len(kept) == len(final.words):
        return final
    if not kept:
        return _without_text(final)
    texts = texts_of_words(final.text, [word.text for word in final.words], final.language or "en")
    at = len(final.words) - len(kept)
    return replace(
        final,
        text=texts.join(at, len(final.words)),
        words=kept,
        start=kept[0].start,
        utterances=tuple(each for each in final.utterances if each.end > time),
    )
