"""One caller's stream: the framework's frames and flushes into a `PulseStream`, its events out.

The engine belongs to the stream and mends what can be mended; the base class, which would run
`_run` again, is told to try once. No task that the engine keeps alive holds this object, only a
weak reference to it: a stream that its owner forgets is collected, and its engine is ended.
"""

from __future__ import annotations

import asyncio
import sys
import time
import weakref
from collections.abc import AsyncIterable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from livekit import rtc
from livekit.agents import APIConnectOptions, stt
from livekit.agents.stt import SpeechEvent
from livekit.agents.utils import aio

from pulse_plugins.core.audio.formats import AudioFormat
from pulse_plugins.core.base.errors import PulseError, StreamClosedError
from pulse_plugins.core.base.events import (
    Connected,
    Event,
    Final,
    Interim,
    OptionsApplied,
    OptionsRefused,
)
from pulse_plugins.core.client.stream import PulseStream
from pulse_plugins.livekit.audio_feed import AudioFeed
from pulse_plugins.livekit.configuration import Settings
from pulse_plugins.livekit.delivery import Alarm, Delivery, call_on, collected_with
from pulse_plugins.livekit.errors import fatal_error
from pulse_plugins.livekit.handover import Flush
from pulse_plugins.livekit.input_clock import InputClock
from pulse_plugins.livekit.prewarm import Prewarmed
from pulse_plugins.livekit.speaker import Speaker
from pulse_plugins.livekit.speech_data import SpeechDataBuilder
from pulse_plugins.livekit.speech_events import SpeechEvents
from pulse_plugins.livekit.stream_options import StreamOptions
from pulse_plugins.livekit.succession import Succession
from pulse_plugins.livekit.telemetry import Telemetry
from pulse_plugins.livekit.trouble import Trouble

if TYPE_CHECKING:
    from pulse_plugins.livekit.stt import STT

_USAGE_EVERY = 5.0  # seconds of audio


class SpeechStream(stt.RecognizeStream):
    """Speech recognition of one audio track; made by `STT.stream`.

    Frames may have any rate and channel count, and may change them. Word and speech times are on
    the session's clock whatever happens to connections.
    """

    def __init__(
        self,
        *,
        stt: STT,
        settings: Settings,
        keyterms: Iterable[str],
        prewarmed: Prewarmed,
        conn_options: APIConnectOptions,
    ) -> None:
        # The engine has tried as often as `conn_options` allows before it reports failure.
        super().__init__(stt=stt, conn_options=replace(conn_options, max_retry=0))
        # Straight from the channel: the base class's own iterator keeps a copy of each event for
        # what it measures, and is over for good once a read is cancelled.
        self._event_aiter = self._event_ch
        self._used = used = aio.Chan[SpeechEvent]()
        self._task.add_done_callback(lambda _: used.close())
        collected_with(self._task, self._metrics_task)
        self._mends = conn_options.max_retry > 1  # nobody else stands ready to take over
        self._options = StreamOptions(settings, keyterms, conn_options)
        self._keyterms_wait = False  # for the end of speech
        self._prewarmed = prewarmed
        self._reused = False
        self._loop = loop = asyncio.get_running_loop()
        self._time = loop.time
        self._over: asyncio.Future[Exception | None] = loop.create_future()
        self._alarm = Alarm(weakref.ref(self))
        self._clock = clock = InputClock()
        self._build = SpeechDataBuilder(settings.options, clock, words=settings.word_timestamps)
        self._events = SpeechEvents(
            self._build, clock, self._emit, self._request_finalize, time.time
        )
        self._succession = Succession(stt)
        kept = self._succession.kept
        self._feed = AudioFeed(clock, self._events.preflight, self._begin, kept)
        self._speaker = Speaker()
        self._trouble = Trouble(self._emit_error)
        self._telemetry = Telemetry(stt.model, stt.provider)
        self._interim_at = 0.0  # stream_time at which the newest one came
        self._waits = False  # for input: all that came has been passed on
        self._lead = 0.0  # seconds that inherited audio was heard before this stream was made

    @property
    def is_live(self) -> bool:
        """Whether it still listens."""
        return not self._task.done()

    def push_frame(self, frame: rtc.AudioFrame) -> None:
        """Add audio; its rate and channels may differ from those of the frame before.

        Args:
            frame: 16-bit audio.

        Raises:
            RuntimeError: The input has ended or the stream is closed.
        """
        if self._waits:  # it needs no task to wake up for it
            try:
                taken = self._feed.push_live(frame)
            except StreamClosedError:
                return  # it is kept where another stream will replace this one, which is ending
            if self._feed.unreported >= _USAGE_EVERY:
                self._report_usage(at_least=_USAGE_EVERY)
            if taken:
                return
        if self._succession.is_awaited:
            self._succession.add_late(frame)
            return
        self._check_input_not_ended()
        self._check_not_closed()
        self._waits = False  # until all that is queued has been passed on
        self._input_ch.send_nowait(frame)

    def flush(self) -> None:
        """Ask for the words of all audio so far.

        Raises:
            RuntimeError: The input has ended or the stream is closed.
        """
        if self._waits:
            self._take(Flush(), waited=True)
        elif self._succession.is_awaited:
            self._succession.add_late(Flush())
        else:
            super().flush()

    def end_input(self) -> None:
        """No more audio will come: the last words do, and then the iteration ends.

        Raises:
            RuntimeError: The input has ended or the stream is closed.
        """
        self._waits = False
        super().end_input()
        self._succession.input_ended()

    async def aclose(self) -> None:
        """Close the stream at once; what was not final yet is lost.

        From another event loop than its own, it is told to end and not waited for.
        """
        if self._loop is not asyncio.get_running_loop():
            return call_on(self._loop, self._task.cancel)
        self._waits = False  # whoever goes on pushing is told
        await super().aclose()

    def update_options(self, **given: Any) -> None:
        """Change options of this stream alone; see `STT.update_options`.

        Raises:
            ConfigurationError: An option is unknown or cannot work; nothing has changed then.
        """
        self.adopt(self.planned(given))

    def planned(self, given: Mapping[str, Any]) -> StreamOptions:
        """What the options of this stream would be; nothing has changed yet.

        Raises:
            ConfigurationError: An option is unknown or cannot work.
        """
        engine = self._feed.engine
        return self._options.changed(given, engine.options if engine is not None else None)

    def adopt(self, options: StreamOptions) -> None:
        """Go on with what was planned."""
        self._options = options
        self._build.words = options.settings.word_timestamps
        self._apply()

    def update_keyterms(self, keyterms: Iterable[str]) -> None:
        """Favour these words too; it waits for the end of the present speech.

        Args:
            keyterms: The session's, all of them.
        """
        self._options.keyterms = list(keyterms)
        self._keyterms_wait = self._events.speaking
        if not self._keyterms_wait:
            self._apply()

    async def _run(self) -> None:
        pump = asyncio.create_task(self._pump(), name="pulse.pump")
        collected_with(pump)
        failure: Exception | None = None
        try:
            await asyncio.wait((pump, self._over), return_when=asyncio.FIRST_COMPLETED)
            if not self._over.done():
                pump.result()
                if self._feed.engine is not None:
                    await self._over
            failure = self._over.result() if self._over.done() else None
        except PulseError as error:
            failure = error  # a frame that cannot be
        finally:
            # Who is collected unclosed comes by with GeneratorExit: nothing can be awaited then,
            # and `weakref.finalize` ends the engine.
            if not isinstance(sys.exception(), GeneratorExit):
                self._alarm.set(None)
                try:
                    await aio.cancel_and_wait(pump)
                    await self._feed.let_go()
                finally:
                    self._finish(failed=failure is not None)
        if isinstance(failure, PulseError):
            raise fatal_error(failure) from None
        if failure is not None:
            raise failure

    def _finish(self, *, failed: bool) -> None:
        """Tell the last there is to tell, whether the stream ended, failed or was closed."""
        if failed:
            self._pass_on_gathered()
            self._succession.leave(self._feed.kept, self._untaken())
        self._events.close(answer=not self._succession.has_left)
        self._report_usage(at_least=0.0)
        preflight = self._events.preflight
        self._telemetry.preflights(preflight.sent, preflight.kept)

    async def _metrics_monitor_task(self, event_aiter: AsyncIterable[SpeechEvent]) -> None:
        """Let the framework measure by the events that it measures, not by all: each wakes a task.

        As it stands the base class looks at usage, and at finals to count its own retries.
        """
        await super()._metrics_monitor_task(self._used)

    async def _pump(self) -> None:
        """Take all input there is, and tell the engine when it ends."""
        inherited = self._succession.inherit(self)
        self._feed.kept = self._succession.kept
        if inherited is not None:
            if inherited.seconds:
                self._clock.start_at(inherited.began)
                self._lead = max(0.0, time.time() - inherited.began)
            # The stream that failed has counted it, but for what came afterwards.
            self._feed.unreported -= inherited.seconds - inherited.late
            for kept in inherited.items:
                if not self._take(kept, waited=False):
                    return
                await self._feed.keep_pace()
        rate = self._options.settings.sample_rate
        if rate is not None:  # what will be needed is known already
            self._feed.begin(AudioFormat("linear16", rate))
        while True:
            waited = self._waits = self._input_ch.empty()
            try:
                item = await self._input_ch.recv()
            except aio.ChanClosed:
                break
            finally:
                self._waits = False
            if not self._take(_taken(item), waited=waited):
                return
            await self._feed.keep_pace()
        if self._feed.engine is not None:
            self._pass_on_gathered()
            self._feed.engine.end()

    def _untaken(self) -> Iterator[rtc.AudioFrame | Flush]:
        """What nobody has taken yet, in order."""
        while not self._input_ch.empty():
            yield _taken(self._input_ch.recv_nowait())

    def _take(self, item: rtc.AudioFrame | Flush, *, waited: bool) -> bool:
        """Pass on what came; False when the engine takes no more, as it has failed."""
        try:
            if isinstance(item, Flush):
                self._flush()
            else:
                self._feed.push(item, waited=waited)
                self._report_usage(at_least=_USAGE_EVERY)
        except StreamClosedError:
            return False
        return True

    def _flush(self) -> None:
        if not self._options.settings.finalize_on_flush:
            return
        request_id = self._feed.flush()
        if request_id is None:
            self._events.flushed_nothing()
        else:
            self._events.flushed(request_id)
            self._telemetry.asked(request_id, self._time())
            self._alarm.set(self._events.deadline)

    def _begin(self, source: AudioFormat) -> PulseStream:
        options = self._options.first(source)
        engine = self._prewarmed.take(options, source)
        self._reused = engine is not None
        if engine is None:
            engine = PulseStream(options, source=source, name=f"livekit-{id(self):x}")
            engine.start()
        self._build.options = options
        weakref.finalize(self, call_on, self._loop, engine.abort)
        engine.listen(Delivery(weakref.ref(self)))
        return engine

    def _apply(self) -> None:
        """Bring the engine's options up to date."""
        self._keyterms_wait = False
        engine = self._feed.engine
        if engine is None or engine.closed:
            return
        wanted = self._options.following(engine.options)
        if wanted == engine.options:
            return
        # What must not be shown is held back from now on; the rest is true once it is in force.
        self._build.options = self._build.options.changed(
            redact_pii=wanted.redact_pii, redact_pci=wanted.redact_pci
        )
        engine.update(wanted)

    def _request_finalize(self) -> int:
        """Ask for the pending words on behalf of an event of the engine's."""
        assert self._feed.engine is not None
        try:
            return self._feed.engine.request_finalize()
        except StreamClosedError:
            return sys.maxsize  # the input has ended: the last words come, and END with the end

    def _on_event(self, event: Event) -> None:
        """The engine tells something."""
        now = self._time()
        self._build.offset = self._start_time_offset - self._lead
        if isinstance(event, Interim):  # most of them are, and nobody else wants to know
            self._interim_at = self._clock.until
            self._events.handle(event, now)
        else:
            self._mind(event, now)
        if self._keyterms_wait and not self._events.speaking:
            self._apply()
        self._alarm.set(self._events.deadline)

    def _mind(self, event: Event, now: float) -> None:
        """Take an event that is more than a text which may change."""
        match event:
            case Connected(seconds=seconds):
                self._report_connection_acquired(seconds, self._reused)
                self._reused = False
                if self._mends:
                    self._feed.kept = None  # there is nothing that another stream could do better
            case Final():
                self._pass_on_gathered()
                self._feed.settle(event, self._interim_at)
                if event.emotion is not None or event.gender is not None:
                    self._speaker = self.context = self._speaker.heard(event)
            case OptionsApplied() | OptionsRefused() if self._feed.engine is not None:
                self._build.options = self._feed.engine.options
        if not self._feed.is_void(event):
            self._trouble.handle(event, now)
            self._telemetry.handle(event, now)
            self._events.handle(event, now)

    def _pass_on_gathered(self) -> None:
        """Whether speech goes on is about to be judged by the newest audio."""
        with suppress(StreamClosedError):
            self._feed.pass_on()

    def _on_over(self, failure: Exception | None) -> None:
        """The engine's events have ended."""
        if not self._over.done():
            self._over.set_result(failure)

    def _on_time(self) -> None:
        """The alarm that was set goes off."""
        self._pass_on_gathered()
        self._events.advance(self._time())
        self._alarm.set(self._events.deadline)

    def _emit(self, event: SpeechEvent) -> None:
        if not self._event_ch.closed:
            self._event_ch.send_nowait(event)

    def _report_usage(self, *, at_least: float) -> None:
        usage = self._feed.usage(at_least=at_least, request_id=self._events.session_id)
        if usage is not None:
            self._emit(usage)
            if not self._used.closed:
                self._used.send_nowait(usage)


def _taken(item: rtc.AudioFrame | stt.RecognizeStream._FlushSentinel) -> rtc.AudioFrame | Flush:
    return item if isinstance(item, rtc.AudioFrame) else Flush()
