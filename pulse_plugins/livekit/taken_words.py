"""Words that the session has taken from an interim, because no FINAL came while it waited.

A commit waits for the FINAL that answers its flush, by default for 2 s, and then takes the newest
interim. After an outage the FINAL comes later and holds these words again. The session would put
them into the next turn, so they are removed here. Nothing here reads a clock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pulse_plugins.core.base.events import Final
from pulse_plugins.core.base.languages import spaceless
from pulse_plugins.core.transcript.untimed import keys_of, tokens
from pulse_plugins.livekit.framework import HeldInterim


class TakenWords:
    """Watches the interim that the session holds while a flush waits for its answer.

    Args:
        held: Reads who holds it in the session, and its text; None: unknown.
        language: Returns the code of the language.

    Attributes:
        waits: A flush has no answer yet.
    """

    def __init__(self, held: Callable[[], HeldInterim | None], language: Callable[[], str]) -> None:
        self._read = held
        self._language = language
        self.waits = False
        self._holder: int | None = None  # held an interim since the flush
        self._keys: list[str] = []  # of the words that were taken

    @property
    def may_hold_words(self) -> bool:
        """Whether the session may take words of an interim, or has taken some."""
        return self.waits or bool(self._keys)

    def flushed(self, shown: str) -> None:
        """The framework flushed.

        Args:
            shown: The interim that was passed on last; "" after a FINAL.
        """
        self.look(shown)
        self.waits = True
        self.look(shown)

    def look(self, shown: str) -> None:
        """Look whether the session has taken the interim.

        Call this when the session has read the interim, and before another text leaves.

        Args:
            shown: The interim that was passed on last; "" after a FINAL.
        """
        held = self._read() if self.waits and shown else None
        if held is None:
            return
        if held.text == shown:
            self._holder = held.holder
        elif not held.text and self._holder == held.holder:
            self._keys += keys_of(shown, self._language())
            self.waits, self._holder = False, None

    def answered(self) -> None:
        """The FINAL that answers the flush has left."""
        self.waits, self._holder, self._keys = False, None, []

    def rest_of(self, text: str) -> str:
        """The text of an interim without the words that were taken."""
        count = self._known(keys_of(text, self._language())) if self._keys else 0
        return self._after(text, count)

    def rest(self, final: Final) -> Final:
        """A final without the words that were taken; they are known once."""
        if not (self._keys and final.text):
            return final
        keys = keys_of(final.text, self._language())
        count = self._known(keys)
        self._keys = self._keys[count:]
        words = final.words[count:] if len(final.words) == len(keys) else ()
        start = words[0].start if words else final.start
        sentences = tuple(each for each in final.utterances if each.end > start) if words else ()
        text = self._after(final.text, count)
        return replace(final, text=text, words=words, start=start, utterances=sentences)

    def _known(self, keys: list[str]) -> int:
        """How many leading words were taken, some of which the interim may have heard otherwise."""
        most = min(len(keys), len(self._keys))
        same = sum(a == b for a, b in zip(keys, self._keys, strict=False))
        return most if 2 * same >= most else 0

    def _after(self, text: str, count: int) -> str:
        if not count:
            return text
        language = self._language()
        gap = "" if spaceless(language) else " "
        return gap.join(tokens(text, language)[count:])
