"""Recognizes an interim that only repeats the end of the turn that was just completed.

The server sent such an interim before the turn's final words arrived. If the interim were pushed,
it would open a new turn and interrupt the bot. Finals are never removed here, so words that the
caller really says again still arrive. Nothing here awaits or reads a clock.
"""

from __future__ import annotations

from pulse_plugins.core.base.languages import spaceless
from pulse_plugins.core.base.text import plain_words

# Seconds of audio after the end of a turn in which an interim may have been sent before its final:
# the result latency of the service, 0.53 s in 95 of 100 cases (docs/protocol.md, section 9, item
# 6).
_SOON = 1.0


class LateInterims:
    """Compares interims with the last completed turn until speech starts again."""

    def __init__(self) -> None:
        self._said = ""
        self._until = 0.0

    def completed(self, text: str, now: float, language: str) -> None:
        """A turn has its last words.

        Args:
            text: The text of the turn that was just pushed.
            now: Seconds of stream_time.
            language: The code of its language.
        """
        self._said = _plain(text, language)
        self._until = now + _SOON

    def speech_started(self) -> None:
        """The caller speaks, so interims from now on may hold new words."""
        self._said = ""

    def repeats(self, text: str, now: float, language: str) -> bool:
        """Whether the text of an interim that comes now is only the end of the completed turn.

        An empty text, which takes an interim back, is not.
        """
        said = self._said if now < self._until else ""
        return bool(said and text) and said.endswith(_plain(text, language))


def _plain(text: str, language: str) -> str:
    """Without case and punctuation; a space before each word, so that an end is whole words."""
    return ("" if spaceless(language) else " ").join(["", *plain_words(text)])
