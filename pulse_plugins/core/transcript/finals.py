"""Builds the `Final` events of a stream from placed words and the other fields of a message."""

from __future__ import annotations

from collections import Counter
from math import isfinite

from pulse_plugins.core.audio.clock import ConnectionClock
from pulse_plugins.core.base.events import Final, Utterance, Word
from pulse_plugins.core.base.languages import is_group, spaceless
from pulse_plugins.core.base.text import label
from pulse_plugins.core.config.in_force import OptionsInForce
from pulse_plugins.core.transcript.placement import Placed
from pulse_plugins.core.wire.stream_messages import Transcript


class FinalBuilder:
    """Builds finals with the language of the connection that heard the words.

    Args:
        in_force: The options.

    Attributes:
        language: The code that the present connection was asked for.
    """

    def __init__(self, in_force: OptionsInForce) -> None:
        self.language = in_force.options.language
        self._in_force = in_force
        self._full_text = ""

    @property
    def gap(self) -> str:
        """What stands between two words in this language."""
        return "" if spaceless(self.language) else " "

    def of_message(
        self,
        message: Transcript,
        placed: Placed,
        clock: ConnectionClock,
        request_id: int | None,
    ) -> Final:
        """The final of a message.

        Args:
            message: The message.
            placed: Its new words on the stream.
            clock: Of the connection.
            request_id: The finalize request that it answers.
        """
        return Final(
            placed.text,
            placed.start,
            placed.end,
            words=placed.words,
            finalize_id=request_id,
            speech_final=message.speech_final,
            language=self._language(label(message.language)),
            languages=tuple(label(code) or "" for code in message.languages or ()),
            speaker=_speaker(placed.words),
            utterances=self._utterances(message, clock) if placed.text else (),
            redacted_entities=tuple(message.redacted_entities or ()),
            emotion=message.emotion,
            gender=message.gender,
            full_transcript=self._full(placed.text),
            session_id=message.session_id or "",
        )

    def of_request(
        self, text: str, start: float, end: float, request_id: int | None, *, promoted: bool = False
    ) -> Final:
        """The answer to a request that no message answered; the text is that of an interim."""
        return Final(
            text,
            start,
            end,
            finalize_id=request_id,
            promoted=promoted,
            language=self._language(None),
            full_transcript=self._full(text),
        )

    def _utterances(self, message: Transcript, clock: ConnectionClock) -> tuple[Utterance, ...]:
        """The sentences, unless redaction is on: they may hold the clear text (section 4.3)."""
        if self._in_force.options.redacts:
            return ()
        return _utterances(message, clock)

    def _language(self, detected: str | None) -> str | None:
        """The code that was asked for, or the detected one if a group was asked for.

        A server that was asked for one language sometimes names another for it (docs/protocol.md,
        section 4.3), so the final keeps the language that was asked for.
        """
        return detected if is_group(self.language) else self.language

    def _full(self, text: str) -> str:
        """The text of all finals, joined here because the service seldom sends it."""
        if not self._in_force.options.full_transcript:
            return ""
        self._full_text = self.gap.join(each for each in (self._full_text, text) if each)
        return self._full_text


def _speaker(words: tuple[Word, ...]) -> str | None:
    """The speaker of most words. If two have equally many, the one who spoke first."""
    counted = Counter(word.speaker for word in words if word.speaker is not None)
    return counted.most_common(1)[0][0] if counted else None


def _utterances(message: Transcript, clock: ConnectionClock) -> tuple[Utterance, ...]:
    return tuple(
        Utterance(
            each.text or each.transcript or "",
            clock.to_stream(each.start),
            clock.to_stream(each.end),
            label(each.speaker),
        )
        for each in message.utterances or ()
        if isfinite(each.start + each.end)
    )
