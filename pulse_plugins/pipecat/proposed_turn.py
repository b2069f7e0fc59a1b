"""Proposes the turns that the server's VAD finds to the turn strategies of the pipeline."""

from __future__ import annotations

from typing import Any, Protocol

from pipecat.frames.frames import (
    Frame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection


class FramePusher(Protocol):
    """The methods of the service that a proposal calls."""

    async def push_frame(self, frame: Frame, direction: FrameDirection = ...) -> None:
        """Push a frame."""

    async def broadcast_frame(self, frame_cls: type[Frame], **kwargs: Any) -> None:
        """Push a frame of this class in both directions."""


class ProposedTurn:
    """Proposes one start and one stop for each turn.

    While the user is muted, the user aggregator drops proposals. A start is not proposed then: the
    next words after the mute propose it. A stop that falls into the mute is proposed after it,
    because the aggregator would otherwise keep its turn open for ever.
    """

    def __init__(self, pusher: FramePusher) -> None:
        self._pusher = pusher
        self._is_open = False
        self._is_muted = False
        self._owes_stop = False

    async def start(self) -> None:
        """Propose the start, unless the turn is open."""
        if not self._is_open and not self._is_muted:
            self._is_open = True
            await self._pusher.broadcast_frame(ProposedUserStartedSpeakingFrame)

    async def stop(self) -> None:
        """Propose the stop, if the turn is open, behind the transcripts that were pushed before."""
        if not self._is_open:
            return
        if self._is_muted:
            self._owes_stop = True
            return
        self._is_open = False
        down, up = ProposedUserStoppedSpeakingFrame(), ProposedUserStoppedSpeakingFrame()
        down.broadcast_sibling_id, up.broadcast_sibling_id = up.id, down.id
        for frame, direction in (
            (down, FrameDirection.DOWNSTREAM),
            (up, FrameDirection.UPSTREAM),
        ):
            frame.interruptible = False  # an interruption on its way must not delete it
            await self._pusher.push_frame(frame, direction)

    def mute(self) -> None:
        """Propose nothing while the user is muted."""
        self._is_muted = True

    async def unmute(self) -> None:
        """Propose again, and first the stop that the mute held back."""
        self._is_muted = False
        if self._owes_stop:
            self._owes_stop = False
            await self.stop()
