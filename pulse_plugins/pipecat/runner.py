"""Runs one stream of the engine for a service: opens, feeds, replaces, drains and closes it.

Only `drain`, `end` and `close` wait; all other methods enqueue. One task takes the engine's events.
The engine reconnects by itself, so connection events only call the application's event handlers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from typing import Protocol, TypeAlias, assert_never

from loguru import logger
from pipecat.utils.errors import ErrorCategory

from pulse_plugins.core.audio.formats import AudioFormat
from pulse_plugins.core.base.errors import InternalError, PulseError, StreamClosedError
from pulse_plugins.core.base.events import (
    AudioLost,
    Connected,
    Disconnected,
    Final,
    Interim,
    MessageIgnored,
    OptionsApplied,
    OptionsRefused,
    Reconnecting,
    Recovered,
    ServerReported,
    SpeechEnded,
    SpeechStarted,
)
from pulse_plugins.core.client.stream import PulseStream
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.observe.throttle import Throttle
from pulse_plugins.pipecat.emitter import Emitter
from pulse_plugins.pipecat.errors import category, passing_category
from pulse_plugins.pipecat.latency import PULSE_TTFS_P99
from pulse_plugins.pipecat.settings import voice_of
from pulse_plugins.pipecat.sink import TranscriptSink

_DRAIN_MARGIN = 0.5  # seconds beyond the engine's own bound
_MIXED = (
    "audio of several participants alternates in one stream, so that nothing can be recognized: "
    "pass participants='separate' to give each a stream"
)
_CLOSE = 2.0  # seconds for an aborted stream to be gone


# Events that are about the connection and not about words.
ConnectionEvent: TypeAlias = (
    Connected
    | Disconnected
    | Reconnecting
    | Recovered
    | AudioLost
    | OptionsApplied
    | OptionsRefused
    | MessageIgnored
    | ServerReported
)


@dataclass(frozen=True, slots=True)
class AudioUsage:
    """Seconds of audio that the server was sent.

    Attributes:
        speech: Audio of the pipeline, each second once.
        replayed: Audio that was sent again after a lost connection.
        silence: Silence that kept an idle connection alive.
    """

    speech: float = 0.0
    replayed: float = 0.0
    silence: float = 0.0

    def plus(self, other: AudioUsage) -> AudioUsage:
        """The sum of both."""
        return AudioUsage(
            self.speech + other.speech,
            self.replayed + other.replayed,
            self.silence + other.silence,
        )


class StreamHost(TranscriptSink, Protocol):
    """What a runner needs of its service."""

    @property
    def name(self) -> str:
        """The service's name, for logs."""

    @property
    def is_usable(self) -> bool:
        """Whether Pipecat counts the service as usable."""

    async def push_error(
        self,
        error_msg: str,
        exception: Exception | None = ...,
        *,
        category: ErrorCategory | None = ...,
        force_treat_as_permanent: bool = ...,
    ) -> None:
        """Push an error frame."""

    async def take_back_settings(self, kept: PulseOptions, error: PulseError) -> None:
        """Note that the service refused changed settings."""

    async def outage_changed(self, runner: object, *, is_on: bool) -> None:
        """Note whether an outage delays the words of this runner's stream."""


class StreamRunner:
    """A stream, the task that reads its events, and the emitter that pushes frames for them.

    Args:
        host: The service whose handlers are called and whose frames are pushed.
        options: Returns the options for a stream that is opened now.
        source: The format of the audio frames until `follow` sets another one.
        proposes_turns: The server's VAD decides the turns.
    """

    def __init__(
        self,
        host: StreamHost,
        options: Callable[[], PulseOptions],
        source: AudioFormat,
        *,
        proposes_turns: bool,
    ) -> None:
        self._host = host
        self._options = options
        self._proposes_turns = proposes_turns
        self._connected = False
        self._over = False
        self._now = asyncio.get_running_loop().time
        self.source = source
        self._warned = False  # of audio of several people
        self._has_crashed = False  # an unexpected exception came after the last final
        self._former = AudioUsage()  # of streams before this one
        self._open()

    def _open(self) -> None:
        self._asked = self._options()
        self.stream = PulseStream(self._asked, source=self.source, name=self._host.name)
        self._emitter = Emitter(
            self._host, self.stream, voice_of(self._asked), proposes_turns=self._proposes_turns
        )
        self._throttle = Throttle(1, inf)  # one error, until the engine makes progress
        self._late_until: float | None = None  # when words are on time again after an outage
        self.stream.start()
        self._pump_task = self._host.create_task(
            self._pump(self.stream, self._emitter), "pulse_events"
        )

    @property
    def usage(self) -> AudioUsage:
        """The audio that was sent to the server so far."""
        metrics = self.stream.metrics
        speech = metrics.sent_seconds - metrics.replayed_seconds
        return self._former.plus(
            AudioUsage(speech, metrics.replayed_seconds, metrics.silence_seconds)
        )

    def idles(self, seconds: float) -> bool:
        """Whether no audio came for more than this number of seconds."""
        return self._now() - self._emitter.audio_at > seconds

    def live(self) -> Emitter | None:
        """Return the emitter of the open stream; None after the end and while there is none.

        After an error the service is unusable until its settings change or the application says
        otherwise; then a new stream begins.
        """
        if self._over:
            return None
        if not self.stream.closed:
            return self._emitter
        if self._host.is_usable and self._pump_task.done():
            self._former = self.usage
            self._open()
            return self._emitter
        return None

    def push(self, audio: bytes, user_id: str) -> None:
        """Give this user's audio to the engine."""
        if self._over:
            return
        emitter = self._emitter
        emitter.audio_at = self._now()
        if user_id != emitter.people.newest:
            self._change_speaker(user_id)
        if emitter.eager is not None:
            emitter.eager.audio(audio, self.source)
        try:
            self.stream.push(audio)
        except StreamClosedError:
            if self.live() is not None:  # a new stream, now that the service is usable again
                self.push(audio, user_id)

    def _change_speaker(self, user_id: str) -> None:
        people = self._emitter.people
        people.heard(user_id, self.stream.stream_time)
        if not self._warned and people.interleaves:
            self._warned = True
            self._warn(_MIXED)

    def follow(self, source: AudioFormat) -> None:
        """Set the format of the audio frames from now on."""
        if source != self.source:
            self.source = source
            if self.live() is not None:
                self.stream.change_source(self.source)

    def update(self, options: PulseOptions) -> None:
        """Change the options of the stream, unless they are the ones requested last."""
        if self.live() is not None and options != self._asked:
            self._asked = options
            self.stream.update(options)

    async def drain(self) -> None:
        """End the input and push the last words, for a bounded time."""
        self._over = True
        self.stream.end()
        bound = self.stream.close_seconds + _DRAIN_MARGIN
        await asyncio.wait({self._pump_task}, timeout=bound)
        await self._emitter.flush()

    async def end(self) -> None:
        """Push the last words, and leave nothing running."""
        await self.drain()
        await self.close()

    async def close(self) -> None:
        """End at once and leave nothing running."""
        self._over = True
        self.stream.abort()
        await self._host.cancel_task(self._pump_task)
        await self._emitter.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE):
                await self.stream.wait_closed()
        await self._set_connected(False)
        await self._host.outage_changed(self, is_on=False)  # the task of the events was cancelled

    async def _pump(self, stream: PulseStream, emitter: Emitter) -> None:
        try:
            async for event in stream:
                if isinstance(event, (Interim, Final, SpeechStarted, SpeechEnded)):
                    if isinstance(event, Final):
                        await self._note_final(event, emitter)
                    await emitter.take(event)
                    if isinstance(event, Final) and event.text:
                        self._has_crashed = False
                else:
                    await self._handle(event, emitter)
                    await self._note_outage()
        except PulseError as error:
            await emitter.flush()
            await self._set_connected(False)
            await self._failed(error)
        except Exception as failed:
            await self._crashed(stream, emitter, failed)
        await self._host.outage_changed(self, is_on=False)

    async def _note_final(self, final: Final, emitter: Emitter) -> None:
        """Note what a final tells of the trouble before it, before its frame is pushed.

        Some strategies read the latency when the transcript of a turn comes.
        """
        if final.promoted:  # its words were recognized before the trouble
            return
        if final.text:
            self._throttle.clear()
        until = self._late_until
        if until is None or self.stream.in_outage:
            return
        is_late = final.words and self.stream.stream_time - final.end > PULSE_TTFS_P99
        is_answer = emitter.utterance.is_answered_by(final)
        if is_answer or not is_late or self._now() >= until:
            self._late_until = None
            await self._host.outage_changed(self, is_on=False)

    async def _note_outage(self) -> None:
        """Tell the host of an outage; `_note_final` tells when words are on time again.

        An outage is over when all audio was sent. A server may need longer to read the audio.
        """
        if self.stream.in_outage:
            self._late_until = inf
            await self._host.outage_changed(self, is_on=True)

    async def _crashed(self, stream: PulseStream, emitter: Emitter, failed: Exception) -> None:
        """End a stream whose events nobody reads any more; the next audio opens another one.

        If two streams in a row end like this and no final came between, the service is unusable:
        otherwise each frame of audio would open a connection.
        """
        # Only the type: the text of the exception may hold words of a transcript.
        error = InternalError(f"an unexpected {type(failed).__name__} ended the stream")
        is_permanent, self._has_crashed = self._has_crashed, True
        stream.abort()
        with suppress(Exception):  # what is held is worth a try
            await emitter.flush()
        await self._set_connected(False)
        await self._host.push_error(
            str(error),
            exception=error,
            category=category(error),
            force_treat_as_permanent=is_permanent,
        )

    async def _handle(self, event: ConnectionEvent, emitter: Emitter) -> None:
        match event:
            case Connected():
                await self._set_connected(True)
                emitter.connected()
            case Disconnected():
                await self._set_connected(False)
                emitter.disconnected()
            case Reconnecting():
                await self._trouble(event)
            case Recovered():
                emitter.recovered()
                # A server that reads at twice real time has read what was held by then.
                self._late_until = self._now() + event.outage + event.replayed
                await self._host.tell("on_recovered", event)
            case AudioLost():
                self._warn(f"{event.duration:.2f} s of audio lost ({event.reason})")
                await self._host.tell("on_audio_lost", event)
            case OptionsApplied():
                emitter.voice_from(event.time, voice_of(self.stream.options))
                emitter.server_changed()
            case OptionsRefused():
                self._asked = self.stream.options
                await self._host.take_back_settings(self._asked, event.error)
            case MessageIgnored():
                logger.debug(f"{self._host.name}: {event.reason}")
            case ServerReported():
                logger.debug(f"{self._host.name}: the server reports {event.error.code}")
            case _:
                assert_never(event)

    def _warn(self, text: str) -> None:
        logger.warning(f"{self._host.name}: {text}")

    def _is_news(self) -> bool:
        """Whether no error was reported since the engine made progress."""
        return self._throttle.allow("trouble", self._now()) is not None

    async def _trouble(self, event: Reconnecting) -> None:
        if event.attempt <= 1:  # the connection that was lost had made progress
            self._throttle.clear()
        if not self._is_news():
            return
        await self._host.tell("on_connection_error", str(event.error))
        await self._host.push_error(
            f"{event.error}; trying again", category=passing_category(event.error)
        )

    async def _failed(self, error: PulseError) -> None:
        """Report that the stream is over for good."""
        is_news = self._is_news()
        if is_news:
            await self._host.tell("on_connection_error", str(error))
        # The engine has used up its retries, so only new settings or a restart can help. After the
        # end of the input the engine has only a few seconds for retries, so a retryable error then
        # leaves the service usable for the next call.
        is_hopeless = not (self._over and error.retryable)
        if is_news or is_hopeless:
            await self._host.push_error(
                str(error),
                exception=error,
                category=category(error),
                force_treat_as_permanent=is_hopeless,
            )

    async def _set_connected(self, connected: bool) -> None:
        if connected != self._connected:
            self._connected = connected
            await self._host.tell("on_connected" if connected else "on_disconnected")
