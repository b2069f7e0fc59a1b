"""What the engine heard, as frames in the right order; the turns that its server proposes.

One lock keeps a late release from overtaking the next event. What is called from the framework's
audio task (`speech_started`, `speech_stopped`) only takes notes.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, assert_never

from pipecat.frames.frames import (
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    TranscriptionFrame,
)

from pulse_plugins.core.base.events import Final, Interim, SpeechEnded, SpeechStarted
from pulse_plugins.pipecat.echo import Echo
from pulse_plugins.pipecat.finalization import Release, TurnGate
from pulse_plugins.pipecat.frames import (
    Participants,
    final_frames,
    interim_frame,
    without_clear_text,
)
from pulse_plugins.pipecat.latency import LatencyMeter

if TYPE_CHECKING:
    from pulse_plugins.core.client.stream import PulseStream
    from pulse_plugins.pipecat.stt import PulseSTTService

_RECENT = 2.0  # seconds of audio that hold the newest words of an interim
_PAST = 5.0  # seconds; no text comes for audio so far before the last final


class Delivery:
    """From one stream's events to its service's frames.

    Args:
        service: Pushes the frames.
        stream: Where the events come from.
        proposes_turns: The server's VAD decides the turns.
    """

    def __init__(
        self, service: PulseSTTService, stream: PulseStream, *, proposes_turns: bool
    ) -> None:
        self._service = service
        self._stream = stream
        self._proposes_turns = proposes_turns
        self._turn_open = False
        self._gate = TurnGate()
        self._echo = Echo()
        self._order = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None
        self._late: set[asyncio.Task[None]] = set()  # releases that wait for their turn
        self.people = Participants()

    @property
    def latency(self) -> LatencyMeter:
        """The service's, which outlives a stream."""
        return self._service.latency

    def speech_started(self) -> None:
        """The user speaks."""
        self._gate.speech_started(time.monotonic())
        self._echo.speech_started()
        self._arm()

    def speech_stopped(self, ended: float) -> None:
        """The user paused: ask for the pending words.

        Args:
            ended: When, in seconds of `time.time()`.
        """
        self.latency.speech_ended(ended)
        self._service.request_finalize()  # type: ignore[no-untyped-call]
        self._gate.speech_stopped(self._stream.request_finalize(), time.monotonic())
        self._arm()

    def muted(self) -> None:
        """No more audio comes for now: the words before are not to wait for those after."""
        if self._proposes_turns and self._gate.speaking:
            self.speech_stopped(time.time())  # the server cannot hear that speech ended
        else:
            self._stream.request_finalize()

    async def take(self, event: Interim | Final | SpeechStarted | SpeechEnded) -> None:
        """Push what follows from an event."""
        async with self._order:
            match event:
                case Interim():
                    await self._interim(event)
                case Final():
                    if self._service.settings.redacts:
                        event = without_clear_text(event)
                    await self._release(self._gate.final(event, time.monotonic()))
                    self.people.forget_before(event.start - _PAST)
                case SpeechStarted():
                    if self._proposes_turns:
                        self.speech_started()
                        await self._start_turn()
                case SpeechEnded():
                    if self._proposes_turns and not self._stream.closed:
                        ended = time.time() - max(0.0, self._stream.stream_time - event.time)
                        await self._service.start_ttfb_metrics(start_time=ended)
                        self.speech_stopped(ended)
                case _:
                    assert_never(event)

    async def interrupted(self) -> None:
        """The connection is gone, and with it what its server knew of the open turn."""
        if self._proposes_turns:
            await self.flush()

    async def flush(self) -> None:
        """Nothing more will come for the open turn: push what is held and close it."""
        async with self._order:
            await self._release(self._gate.flush())
            await self._stop_turn()

    async def close(self) -> None:
        """Push nothing more, except that a proposed turn is never left open."""
        if self._timer is not None:
            self._timer.cancel()
        self._gate = TurnGate()
        for task in tuple(self._late):
            await self._service.cancel_task(task)
        await self._stop_turn()

    async def _interim(self, event: Interim) -> None:
        if self._service.settings.holds_interims:
            return
        now = self._stream.stream_time
        voice = self._service.settings.voice()
        if self._echo.repeats(event.text, now, voice.language):
            return
        await self._start_turn()
        user_id = self.people.between(max(event.start, now - _RECENT), now)
        await self._service.push_frame(interim_frame(event, voice, user_id, self._gate.held))

    async def _release(self, release: Release) -> None:
        service = self._service
        last = len(release.finals) - 1
        if release.completes:  # before anything is awaited: speech may start meanwhile
            text = " ".join(final.text for final in release.finals)
            self._echo.completed(text, self._stream.stream_time, service.settings.voice().language)
        for index, final in enumerate(release.finals):
            await self._push(final, completes=release.completes and index == last)
        if release.completes:
            if release.finals:
                self.latency.completed(time.time())
            else:
                await service.forget_finalize()
            await self._stop_turn()
        elif release.finals and not (self._gate.speaking or self._gate.awaiting):
            await self._stop_turn()  # words outside any speech the server told of: their own turn
        self._arm()

    async def _push(self, final: Final, *, completes: bool) -> None:
        await self._start_turn()
        # Before the frame, to which tracing attaches it.
        await self._service.emit_stt_usage_metrics()  # type: ignore[no-untyped-call]
        frames: list[TranscriptionFrame] = final_frames(
            final, self._service.settings.voice(), self.people
        )
        for frame in frames:
            if completes and frame is frames[-1]:
                self._service.confirm_finalize()  # type: ignore[no-untyped-call]
                frame.finalized = True  # also where an interruption made the base class forget
            await self._service.push_transcription(frame)

    async def _start_turn(self) -> None:
        if self._proposes_turns and not self._turn_open:
            self._turn_open = True
            await self._service.broadcast_frame(ProposedUserStartedSpeakingFrame)

    async def _stop_turn(self) -> None:
        if self._turn_open:
            self._turn_open = False
            await self._service.broadcast_frame(ProposedUserStoppedSpeakingFrame)

    def _arm(self) -> None:
        """One timer waits for the held final's deadline, wherever it is now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self._gate.deadline
        if deadline is not None:
            delay = max(0.0, deadline - time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(delay, self._expire)

    def _expire(self) -> None:
        self._timer = None
        task = self._service.create_task(self._release_late(), "pulse_late_final")
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def _release_late(self) -> None:
        async with self._order:
            await self._release(self._gate.expire(time.monotonic()))
