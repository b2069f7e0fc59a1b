"""One service's stream over its life: opened, fed, revived after an error, drained, torn down.

Everything but `drain` and `close` only enqueues. One task takes the engine's events; the engine
itself reconnects, so what is told here of connections is for handlers to see.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, assert_never

from loguru import logger

from pulse_plugins.core.audio.formats import AudioFormat
from pulse_plugins.core.base.errors import PulseError
from pulse_plugins.core.base.events import (
    AudioLost,
    Connected,
    Disconnected,
    Event,
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
from pulse_plugins.pipecat.delivery import Delivery
from pulse_plugins.pipecat.errors import category, passing_category
from pulse_plugins.pipecat.incident import Incident

if TYPE_CHECKING:
    from pulse_plugins.pipecat.stt import PulseSTTService

_DRAIN_MARGIN = 0.5  # seconds beyond the engine's own bound
_CLOSE = 2.0  # seconds for an aborted stream to be gone


class Link:
    """A stream, the task that reads it, and the delivery that pushes what it heard.

    Args:
        service: Whose handlers are called and whose frames are pushed.
        options: What a stream that is opened now is asked to do.
        source: What the frames hold until one says otherwise.
        proposes_turns: The server's VAD decides the turns.
    """

    def __init__(
        self,
        service: PulseSTTService,
        options: Callable[[], PulseOptions],
        source: AudioFormat,
        *,
        proposes_turns: bool,
    ) -> None:
        self._service = service
        self._options = options
        self._proposes_turns = proposes_turns
        self._connected = False
        self._over = False
        self.source = source
        self.bytes_per_second = source.bytes_per_second
        self._open()

    def _open(self) -> None:
        self._asked = self._options()
        self.stream = PulseStream(self._asked, source=self.source, name=self._service.name)
        self._delivery = Delivery(self._service, self.stream, proposes_turns=self._proposes_turns)
        self._incident = Incident()
        self.stream.start()
        self._pump_task = self._service.create_task(
            self._pump(self.stream, self._delivery), "pulse_events"
        )

    def live(self) -> Delivery | None:
        """Where to put what comes in; None after the end and while the service is unusable.

        After an error the service is unusable until its settings change or the application says
        otherwise; then a new stream begins.
        """
        if self._over:
            return None
        if not self.stream.closed:
            return self._delivery
        if self._service.is_usable and self._pump_task.done():
            self._open()
            return self._delivery
        return None

    def push(self, audio: bytes, user_id: str) -> None:
        """Give this user's audio to the engine."""
        delivery = self.live()
        if delivery is not None:
            if user_id != delivery.people.newest:
                delivery.people.heard(user_id, self.stream.stream_time)
            self.stream.push(audio)

    def follow(self, source: AudioFormat) -> None:
        """The frames hold this from now on; mostly what they held before."""
        if source != self.source:
            self.source = source
            self.bytes_per_second = source.bytes_per_second
            if self.live() is not None:
                self.stream.change_source(self.source)

    def update(self, options: PulseOptions) -> None:
        """Ask the stream for changed options, unless it has them."""
        if self.live() is not None and options != self._asked:
            self._asked = options
            self.stream.update(options)

    async def drain(self) -> None:
        """End the input and push the last words, for a bounded time."""
        self._over = True
        self.stream.end()
        bound = self.stream.close_seconds + _DRAIN_MARGIN
        await asyncio.wait({self._pump_task}, timeout=bound)
        await self._delivery.flush()

    async def close(self) -> None:
        """End at once and leave nothing running."""
        self._over = True
        self.stream.abort()
        await self._service.cancel_task(self._pump_task)
        await self._delivery.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE):
                await self.stream.wait_closed()
        await self._set_connected(False)

    async def _pump(self, stream: PulseStream, delivery: Delivery) -> None:
        try:
            async for event in stream:
                await self._handle(event, delivery)
        except PulseError as error:
            await delivery.flush()
            await self._set_connected(False)
            await self._failed(error)

    async def _handle(self, event: Event, delivery: Delivery) -> None:
        match event:
            case Interim() | Final() | SpeechStarted() | SpeechEnded():
                self._note_words(event)
                await delivery.take(event)
            case Connected():
                self._incident.connected(time.monotonic())
                await self._set_connected(True)
            case Disconnected():
                self._incident.disconnected(time.monotonic())
                await self._set_connected(False)
                await delivery.interrupted()
            case Reconnecting():
                await self._trouble(event)
            case Recovered():
                await self._service.tell("on_recovered", event)
            case AudioLost():
                logger.warning(
                    f"{self._service}: {event.duration:.2f} s of audio lost ({event.reason})"
                )
                await self._service.tell("on_audio_lost", event)
            case OptionsRefused():
                self._asked = self.stream.options
                await self._service.take_back_settings(self._asked, event.error)
            case OptionsApplied():
                logger.debug(f"{self._service}: settings in force from {event.time:.2f} s on")
            case MessageIgnored():
                logger.debug(f"{self._service}: {event.reason}")
            case ServerReported():
                logger.debug(f"{self._service}: the server reports {event.error.code}")
            case _:
                assert_never(event)

    def _note_words(self, event: Interim | Final | SpeechStarted | SpeechEnded) -> None:
        match event:
            case Interim() | Final(promoted=False) if event.text:
                self._incident.heard_words()  # a promoted final's come from before the trouble

    async def _trouble(self, event: Reconnecting) -> None:
        if not self._incident.trouble(time.monotonic()):
            return
        await self._service.tell("on_connection_error", str(event.error))
        await self._service.push_error(
            f"{event.error}; trying again", category=passing_category(event.error)
        )

    async def _failed(self, error: PulseError) -> None:
        """The stream is over for good."""
        is_news = self._incident.trouble(time.monotonic())
        if is_news:
            await self._service.tell("on_connection_error", str(error))
        # The engine tried all there is to try, so that only new settings or a restart can help;
        # unless the input had ended, and with it the time to try: the next call may fare better.
        is_hopeless = not (self._over and error.retryable)
        if is_news or is_hopeless:
            await self._service.push_error(
                str(error),
                exception=error,
                category=category(error),
                force_treat_as_permanent=is_hopeless,
            )

    async def _set_connected(self, connected: bool) -> None:
        if connected != self._connected:
            self._connected = connected
            await self._service.tell("on_connected" if connected else "on_disconnected")
