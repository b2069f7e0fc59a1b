"""The methods of the service that an emitter calls."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol

from pipecat.frames.frames import Frame, TranscriptionFrame
from pipecat.processors.frame_processor import FrameDirection

from pulse_plugins.pipecat.eager_turn import EagerSink
from pulse_plugins.pipecat.latency import LatencyMeter
from pulse_plugins.pipecat.settings import PulseSTTSettings


class TranscriptSink(EagerSink, Protocol):
    """The service as an emitter sees it."""

    latency: LatencyMeter

    @property
    def predicts_ends(self) -> bool:
        """Whether ends of turns are predicted."""

    @property
    def settings(self) -> PulseSTTSettings:
        """The settings in force."""

    @property
    def joins_speakers(self) -> bool:
        """Whether an utterance of several speakers must be one frame."""

    async def push_frame(self, frame: Frame, direction: FrameDirection = ...) -> None:
        """Push a frame."""

    async def broadcast_frame(self, frame_cls: type[Frame], **kwargs: Any) -> None:
        """Push a frame of this class in both directions."""

    async def push_transcription(self, frame: TranscriptionFrame) -> None:
        """Push a final transcript."""

    async def report_usage(self) -> None:
        """Report the audio that the server was sent since the last report."""

    async def forget_finalize(self) -> None:
        """Note that the turn has no words."""

    def expect_final(self, emitter: object) -> None:
        """Note that the words of a turn were asked for."""

    def is_last_final(self, emitter: object) -> bool:
        """Note that the words came. Return whether no other participant's words are awaited."""

    async def speech_ended_at(self, ended: float) -> None:
        """Begin to measure the time to the final transcript."""

    async def tell(self, event_name: str, *args: object) -> None:
        """Call the application's handlers of an event."""

    def create_task(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run a task of the service."""

    async def cancel_task(self, task: asyncio.Task[None]) -> None:
        """Cancel such a task and wait for its end."""
