"""The STT services that hold the same conversations: ours, the official one, and a perfect one."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    InterimTranscriptionFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    StartFrame,
    STTMetadataFrame,
    TranscriptionFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.smallest.stt import SmallestSTTService
from pipecat.turns.user_turn_strategies import ExternalUserTurnStrategies
from pipecat.utils.time import time_now_iso8601

from pulse_plugins.pipecat import PULSE_TTFS_P99, PulseSTTService
from tests.pipecat.conversation import Conversation, Plan, SaidWord
from tests.pipecat.stage import Clock

_VAD_STOP = 0.2  # seconds; when a service that follows the VAD is asked for the last words


def ours(conversation: Conversation, _: Plan, url: str, __: Clock) -> FrameProcessor:
    return PulseSTTService(
        base_url=url,
        turn_detection="server" if conversation.server_turns else "vad",
        settings=PulseSTTService.Settings(**conversation.settings),
    )


def official(conversation: Conversation, _: Plan, url: str, __: Clock) -> FrameProcessor:
    known = SmallestSTTService.Settings.__dataclass_fields__
    settings = {name: value for name, value in conversation.settings.items() if name in known}
    return SmallestSTTService(
        api_key="local", base_url=url, settings=SmallestSTTService.Settings(**settings)
    )


def perfect(conversation: Conversation, planned: Plan, _: str, clock: Clock) -> FrameProcessor:
    return PerfectSTT(conversation, planned, clock)


class PerfectSTT(FrameProcessor):
    """Knows what is said and when a turn is over; it is as late as the server.

    What goes wrong with it, no STT service can mend.
    """

    def __init__(self, conversation: Conversation, planned: Plan, clock: Clock) -> None:
        super().__init__()
        self._conversation = conversation
        self._planned = planned
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._hung_up = asyncio.Event()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, CancelFrame) and self._task is not None:
            await self.cancel_task(self._task)
        if isinstance(frame, EndFrame) and self._task is not None:
            self._hung_up.set()
            await self._task
        await self.push_frame(frame, direction)
        if isinstance(frame, StartFrame):
            await self.push_frame(self._metadata())
            self._task = self.create_task(self._talk())

    def _metadata(self) -> STTMetadataFrame:
        if not self._conversation.server_turns:
            return STTMetadataFrame(service_name=self.name, ttfs_p99_latency=PULSE_TTFS_P99)
        return STTMetadataFrame(
            service_name=self.name,
            ttfs_p99_latency=0.0,
            user_turn_strategies=ExternalUserTurnStrategies(),
        )

    async def _talk(self) -> None:
        for turn, end in enumerate(self._planned.turn_ends):
            words = [w for w in self._planned.words if w.turn == turn and not w.unheard]
            if words:
                await self._turn(words, end)

    async def _turn(self, words: list[SaidWord], end: float) -> None:
        latency = self._conversation.habits.latency
        secret = self._conversation.settings.get("redact_pii")
        said: list[str] = []
        for word in words:
            await self._until(word.end + latency)
            if self._conversation.server_turns and not said:
                await self.broadcast_frame(ProposedUserStartedSpeakingFrame)
            is_secret = secret and word.number in self._conversation.habits.secrets
            said.append(f"[NAME_{word.number}]" if is_secret else f"w{word.number}")
            await self.push_frame(InterimTranscriptionFrame(" ".join(said), "", time_now_iso8601()))
        await self._until(end + _VAD_STOP + latency)
        await self.push_frame(
            TranscriptionFrame(" ".join(said), "", time_now_iso8601(), finalized=True)
        )
        if self._conversation.server_turns:
            await self.broadcast_frame(ProposedUserStoppedSpeakingFrame)

    async def _until(self, at: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._hung_up.wait(), at - self._clock.now)


SERVICES = {"ours": ours, "official": official, "perfect": perfect}
