"""The streams of one service: one for all audio, or one for each participant of a room."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Literal

from loguru import logger

from pulse_plugins.core.audio.formats import AudioFormat
from pulse_plugins.core.client.stream import PulseStream
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.pipecat.emitter import Emitter
from pulse_plugins.pipecat.runner import AudioUsage, StreamHost, StreamRunner

ParticipantMode = Literal["together", "separate"]

MAX_PARTICIPANTS = 16  # streams of one service; a plan allows a key about as many at once
_IDLE = 60.0  # seconds without audio of a participant after which that stream is closed


class Streams:
    """Gives each frame of audio to the right stream.

    Args:
        host: The service.
        options: Returns the options for a stream that is opened now.
        source: The format of the audio frames until `follow` sets another one.
        mode: One stream for all audio, or one for each participant.
        proposes_turns: The server's VAD decides the turns.
    """

    def __init__(
        self,
        host: StreamHost,
        options: Callable[[], PulseOptions],
        source: AudioFormat,
        *,
        mode: ParticipantMode,
        proposes_turns: bool,
    ) -> None:
        self._host = host
        self._options = options
        self._source = source
        self._proposes_turns = proposes_turns
        self._runners: dict[str, StreamRunner] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._former = AudioUsage()  # of streams that are closed
        self._warned = False
        # Gives a user's audio to the right stream. With one stream for all audio this is a method
        # of the runner itself, because each frame would pay for a call in between.
        self.push: Callable[[bytes, str], None] = (
            self._push_separately if mode == "separate" else self._open("").push
        )

    def __len__(self) -> int:
        return len(self._runners)

    @property
    def newest(self) -> PulseStream | None:
        """The stream that was opened last; None before the first participant speaks."""
        runner = next(reversed(self._runners.values()), None)
        return None if runner is None else runner.stream

    @property
    def usage(self) -> AudioUsage:
        """The audio that was sent to the server since the service was set up."""
        usage = self._former
        for runner in self._runners.values():
            usage = usage.plus(runner.usage)
        return usage

    def live(self) -> list[Emitter]:
        """The emitters of the open streams."""
        found = (runner.live() for runner in self._runners.values())
        return [emitter for emitter in found if emitter is not None]

    def follow(self, source: AudioFormat) -> None:
        """Set the format of the audio frames from now on."""
        if source != self._source:
            self._source = source
            for runner in self._runners.values():
                runner.follow(source)

    def update(self, options: PulseOptions) -> None:
        """Change the options of all streams."""
        for runner in self._runners.values():
            runner.update(options)

    async def drain(self) -> None:
        """End the input and push the last words, for a bounded time."""
        await asyncio.gather(*(runner.drain() for runner in self._runners.values()))

    async def close(self) -> None:
        """End at once and leave nothing running."""
        runners, self._runners = list(self._runners.values()), {}
        for task in tuple(self._closing):
            await self._host.cancel_task(task)
        await asyncio.gather(*(runner.close() for runner in runners))

    def _push_separately(self, audio: bytes, user_id: str) -> None:
        runner = self._runners.get(user_id) or self._join(user_id)
        if runner is not None:
            runner.push(audio, user_id)

    def _open(self, user_id: str) -> StreamRunner:
        runner = StreamRunner(
            self._host, self._options, self._source, proposes_turns=self._proposes_turns
        )
        self._runners[user_id] = runner
        return runner

    def _join(self, user_id: str) -> StreamRunner | None:
        """Open a participant's stream, unless there are too many."""
        for other in [user for user, runner in self._runners.items() if runner.idles(_IDLE)]:
            self._leave(other)
        if len(self._runners) >= MAX_PARTICIPANTS:
            self._warn_once()
            return None
        return self._open(user_id)

    def _leave(self, user_id: str) -> None:
        """Close the stream of a participant who has fallen silent."""
        runner = self._runners.pop(user_id)
        self._former = self._former.plus(runner.usage)
        task = self._host.create_task(runner.end(), "pulse_participant_left")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _warn_once(self) -> None:
        if not self._warned:
            self._warned = True
            logger.warning(
                f"{self._host.name}: more than {MAX_PARTICIPANTS} participants, the rest is not "
                "transcribed"
            )
