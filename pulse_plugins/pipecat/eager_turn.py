"""Predicts the end of a turn before the server's VAD and the last final confirm it.

`core/transcript/eager` holds the rule. This module makes three signals of the framework from it: a
predicted end, its withdrawal when the caller goes on, and its confirmation by the final. Pipecat
uses predictions only if the service decides the turns (`turn_detection="server"`).
"""

from __future__ import annotations

from typing import Protocol

from pipecat.transcriptions.language import Language

from pulse_plugins.core.audio.formats import AudioFormat
from pulse_plugins.core.base.events import Final, Interim
from pulse_plugins.core.transcript.eager import EagerText


class EagerSink(Protocol):
    """The methods of the service that a prediction calls."""

    async def predict_end(self, text: str, user_id: str, language: Language | None) -> None:
        """Report that the turn has probably ended."""

    async def withdraw_prediction(self) -> None:
        """Report that the caller goes on, if an end was predicted."""

    def confirm_prediction(self) -> None:
        """Note that the turn has ended."""


class EagerTurn:
    """Watches the open utterance of one stream.

    Attributes:
        text: Applies the rule, and counts the predictions.
    """

    def __init__(self, sink: EagerSink) -> None:
        self.text = EagerText()
        self._sink = sink
        self._interim = ""  # the newest of the open segment
        self._predicted = ""

    @property
    def deadline(self) -> float | None:
        """When to ask `stable`, on the clock of `now`."""
        return self.text.deadline

    def audio(self, data: bytes, source: AudioFormat) -> None:
        """Keep the newest audio; only mono is measured."""
        if source.channels == 1:
            self.text.audio(data, len(data) / source.bytes_per_second)

    async def heard(self, event: Interim | Final, utterance: str, now: float) -> None:
        """Text came.

        Args:
            event: The engine's event.
            utterance: All words of the open utterance.
            now: Seconds of a steady clock.
        """
        if isinstance(event, Interim):
            self._interim = event.text
        elif event.text:
            if self._interim:
                end = event.words[-1].end if event.words else None
                self.text.compare(self._interim, event.text, end)
            self._interim = ""
        is_open = bool(utterance) or isinstance(event, Interim)  # else the utterance has left
        if self._predicted and is_open and utterance != self._predicted:
            await self.withdraw()
        self.text.reads(utterance, now, closed=not self._interim)

    async def ended(self, now: float, user_id: str, language: Language | None) -> None:
        """The server's VAD heard speech end."""
        await self._predict(self.text.ended(now), user_id, language)

    async def stable(self, now: float, user_id: str, language: Language | None) -> None:
        """The deadline has passed."""
        await self._predict(self.text.stable(now), user_id, language)

    async def withdraw(self) -> None:
        """The caller goes on."""
        self._predicted = ""
        await self._sink.withdraw_prediction()

    def left(self, text: str) -> None:
        """The utterance is over, with this text."""
        self.text.left(text)
        self._predicted = ""
        self._sink.confirm_prediction()

    async def _predict(self, text: str | None, user_id: str, language: Language | None) -> None:
        if text:
            self._predicted = text
            await self._sink.predict_end(text, user_id, language)
