"""The stream of one caller: passes frames and flushes to a `PulseStream`, and events back.

The engine belongs to the stream and reconnects by itself. The base class, which would run `_run`
again after a failure, is told to try once. The tasks of the engine hold only a weak reference to
this object. A stream that its owner forgets is therefore collected, and its engine is ended.
"""

from __future__ import annotations

import asyncio
import sys
import time
import weakref
from collections.abc import AsyncIterable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

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
from pulse_plugins.livekit import framework
from pulse_plugins.livekit.audio_input import AudioInput, InputClock
from pulse_plugins.livekit.commit_guard import HOLD, CommitGuard
from pulse_plugins.livekit.options import Settings, StreamOptions
from pulse_plugins.livekit.prewarm import Prewarmed
from pulse_plugins.livekit.reports import Reports, fatal_error, usage_metrics
from pulse_plugins.livekit.speech_data import Speaker, SpeechDataBuilder
from pulse_plugins.livekit.speech_events import SpeechEvents
from pulse_plugins.livekit.weak_listener import Alarm, WeakListener, call_on

_USAGE_EVERY = 5.0  # seconds of audio


class SpeechStream(stt.RecognizeStream):
    """Speech recognition of one audio track. `STT.stream` makes it.

    Frames may have any rate and channel count, and may change them. Word and speech times are on
    the session's clock whatever happens to connections.
    """

    def __init__(
        self,
        *,
        stt: stt.STT[Any],
        settings: Settings,
        keyterms: Iterable[str],
        prewarmed: Prewarmed,
        conn_options: APIConnectOptions,
    ) -> None:
        # The engine has tried as often as `conn_options` allows before it reports failure.
        super().__init__(stt=stt, conn_options=replace(conn_options, max_retry=0))
        framework.read_events_directly(self)
        framework.end_with_their_stream(framework.tasks_of(self))
        self._options = StreamOptions(settings, keyterms, conn_options)
        self._keyterms_wait = False  # for the end of speech
        self._prewarmed = prewarmed
        self._reused = False
        self._loop = loop = asyncio.get_running_loop()
        self._time = loop.time
        self._over: asyncio.Future[Exception | None] = loop.create_future()
        self._alarm = Alarm(weakref.ref(self))
        self._goes_on = False  # the alarm was set at an interim, and stays through the next ones
        self._clock = clock = InputClock()
        self._build = SpeechDataBuilder(settings.options, clock, words=settings.word_timestamps)
        self._build.speaker_format = settings.speaker_format
        self._events = SpeechEvents(
            self._build,
            clock,
            self._emit,
            self._request_finalize,
            time.time,
            framework.TurnModeReader(),
            settings,
        )
        self._input = AudioInput(clock, self._events.eager, self._begin, settings.silence_level)
        self._guard = CommitGuard(self._events.eager, self._events.turns)
        self._speaker = Speaker()
        self._reports = Reports(self._emit_error)
        self._waits = False  # for input: all that came has been passed on

    @property
    def is_live(self) -> bool:
        """Whether the stream still takes audio."""
        return not self._event_ch.closed

    @property
    def session_id(self) -> str:
        """The service's id of the newest connection; empty before the first text."""
        return self._events.session_id

    @property
    def start_time_offset(self) -> float:
        """Seconds from the start of the session to the first sample of the stream.

        If the owner sets this value, times of this stream include pauses of the input, because the
        clock of a session runs on while the input is muted. If the owner does not set the value, as
        a `MultiSpeakerAdapter`, times count the audio that was pushed.
        """
        return super().start_time_offset

    @start_time_offset.setter
    def start_time_offset(self, value: float) -> None:
        base: Any = stt.RecognizeStream.start_time_offset
        base.fset(self, value)
        self._build.offset = value
        self._build.counts_pauses = True
        if self._options.settings.split_speakers is None:
            self._build.splits_speakers = False

    def push_frame(self, frame: rtc.AudioFrame) -> None:
        """Add audio; its rate and channels may differ from those of the frame before.

        Args:
            frame: 16-bit audio.

        Raises:
            RuntimeError: The input has ended or the stream is closed.
        """
        if self._waits:  # the frame can be passed on without waking the task of the input
            try:
                taken = self._input.push_live(frame)
            except StreamClosedError:
                return  # the stream is ending, and its owner is told why
            if self._input.unreported >= _USAGE_EVERY:
                self._report_usage(at_least=_USAGE_EVERY)
            if taken:
                return
        if self._input_ch.closed or self._event_ch.closed:
            super().flush()  # raises the error of the framework for a closed input
        self._waits = False  # until all that is queued has been passed on
        self._input_ch.send_nowait(frame)

    def flush(self) -> None:
        """Ask for the words of all audio so far.

        Raises:
            RuntimeError: The input has ended or the stream is closed.
        """
        if self._waits:
            self._take_flush()
        else:
            super().flush()

    def end_input(self) -> None:
        """End the input. The last words still arrive, and then the iteration ends.

        Raises:
            RuntimeError: The input has ended or the stream is closed.
        """
        self._waits = False
        super().end_input()

    async def aclose(self) -> None:
        """Close the stream at once. Words that are not final yet are lost.

        Called from another event loop, this asks the stream to end and does not wait.
        """
        if self._loop is not asyncio.get_running_loop():
            return call_on(self._loop, partial(self._on_over, None))
        self._waits = False  # so that a later `push_frame` raises an error
        await super().aclose()

    def update_options(self, **given: Any) -> None:
        """Change options of this stream alone; see `STT.update_options`.

        Raises:
            ConfigurationError: An option is unknown or cannot work; nothing has changed then.
        """
        self.adopt(self.planned(given))

    def planned(self, given: Mapping[str, Any]) -> StreamOptions:
        """Compute the options that a change would give, without making the change.

        Raises:
            ConfigurationError: An option is unknown or cannot work.
        """
        engine = self._input.engine
        return self._options.changed(given, engine.options if engine is not None else None)

    def adopt(self, options: StreamOptions) -> None:
        """Use the options that `planned` returned."""
        self._options = options
        self._input.gate.level = options.settings.silence_level
        self._build.words = options.settings.word_timestamps
        self._build.speaker_format = options.settings.speaker_format
        self._events.follow(options.settings)
        self._apply()

    def report_usage(self) -> None:
        """Report all audio that was pushed and not reported yet, if this loop is the stream's."""
        with suppress(StreamClosedError, RuntimeError):
            if asyncio.get_running_loop() is self._loop:
                self._input.pass_on()
                self._report_usage(at_least=0.0)

    def update_keyterms(self, keyterms: Iterable[str]) -> None:
        """Replace the keyterms of the session. The change waits for the end of the present speech.

        Args:
            keyterms: All keyterms of the session.
        """
        self._options.keyterms = list(keyterms)
        self._keyterms_wait = self._events.speaking
        if not self._keyterms_wait:
            self._apply()

    async def _run(self) -> None:
        pump = asyncio.create_task(self._pump(), name="pulse.pump")
        framework.end_with_their_stream((pump,))
        failure: Exception | None = None
        try:
            await asyncio.wait((pump, self._over), return_when=asyncio.FIRST_COMPLETED)
            if not self._over.done():
                pump.result()
                if self._input.engine is not None:
                    await self._over
            failure = self._over.result() if self._over.done() else None
        except PulseError as error:
            failure = error  # there is no such audio format
        finally:
            # A stream that is collected without being closed raises GeneratorExit here. Nothing can
            # be awaited then, and `weakref.finalize` ends the engine.
            if not isinstance(sys.exception(), GeneratorExit):
                self._alarm.set(None)
                try:
                    await aio.cancel_and_wait(pump)
                    await self._input.close()
                finally:
                    self._pass_held()
                    self._alarm.set(None)
                    self._events.close(self._time())
                    self._report_usage(at_least=0.0)
                    self._prewarmed.discard()  # it was for this session
        if isinstance(failure, PulseError):
            raise fatal_error(failure) from None
        if failure is not None:
            raise failure

    async def _metrics_monitor_task(self, event_aiter: AsyncIterable[SpeechEvent]) -> None:
        """Do nothing: `_report_usage` emits the metrics itself.

        The base class would read all events in a task, and a session that closes stops listening
        before the task runs.
        """

    async def _pump(self) -> None:
        """Take the queued input, and end the engine's input with it."""
        rate = self._options.settings.sample_rate
        if rate is not None:  # the engine can be made before the first frame
            self._input.begin(AudioFormat("linear16", rate))
        with suppress(StreamClosedError):  # the engine takes no more, as it has failed
            while True:
                waited = self._waits = self._input_ch.empty()
                try:
                    item = await self._input_ch.recv()
                except aio.ChanClosed:
                    break
                finally:
                    self._waits = False
                if isinstance(item, rtc.AudioFrame):
                    self._input.push(item, waited=waited)
                    self._report_usage(at_least=_USAGE_EVERY)
                else:
                    self._take_flush()
                await self._input.keep_pace()
            if self._input.engine is not None:
                self._input.pass_on()
                self._input.engine.end()

    def _take_flush(self) -> None:
        self._report_usage(at_least=0.0)  # a session reads no events once it is closing
        if not self._options.settings.finalize_on_flush:
            return
        try:
            request_id = self._input.flush()
        except StreamClosedError:
            return
        if request_id is None:
            self._events.flushed_nothing()
        else:
            self._events.flushed(request_id, self._time())
            self._set_alarm()

    def _begin(self, source: AudioFormat) -> PulseStream:
        options = self._options.first(source)
        engine, self._reused = self._prewarmed.take(options, source)
        self._reports.stream = engine.name
        self._build.options = options
        weakref.finalize(self, call_on, self._loop, engine.abort)
        engine.listen(WeakListener(weakref.ref(self)))
        return engine

    def _apply(self) -> None:
        """Bring the engine's options up to date."""
        self._keyterms_wait = False
        engine = self._input.engine
        if engine is None or engine.closed:
            return
        wanted = self._options.following(engine.options)
        if wanted == engine.options:
            return
        # Redaction counts from now on. The other options count once they are in force.
        self._build.options = self._build.options.changed(
            redact_pii=wanted.redact_pii, redact_pci=wanted.redact_pci
        )
        engine.update(wanted)

    def _request_finalize(self) -> int:
        """Ask for the pending words because of an event of the engine."""
        assert self._input.engine is not None
        try:
            self._input.pass_on()
            return self._input.engine.request_finalize()
        except StreamClosedError:
            return sys.maxsize  # the input has ended, so that the last words and END come anyway

    def _on_event(self, event: Event) -> None:
        """Take an event of the engine."""
        now, goes_on = self._time(), False
        if isinstance(event, Interim):  # most events are interims, which concern nothing else
            goes_on = self._events.take_interim(event, now)
            if goes_on and self._goes_on:
                return  # the alarm is early enough
        else:
            self._take_event(event, now)
        if self._keyterms_wait and not self._events.speaking:
            self._apply()
        self._set_alarm(goes_on=goes_on)

    def _take_event(self, event: Event, now: float) -> None:
        """Take an event that is no interim."""
        match event:
            case Connected(seconds=seconds):
                framework.report_connection(self, seconds, reused=self._reused)
                self._reused = False
            case Final():
                # Whether speech goes on is about to be judged by the newest audio.
                with suppress(StreamClosedError):
                    self._input.pass_on()
                if event.emotion is not None or event.gender is not None:
                    self._speaker = self.context = self._speaker.heard(event)
            case OptionsApplied() | OptionsRefused() if self._input.engine is not None:
                self._build.options = self._input.engine.options
        self._reports.handle(event, now)
        if begins := self._guard.begins_to_hold(event):
            self._events.hold_interims(now + 2 * HOLD)
            self._loop.call_later(HOLD, self._pass_held)
        if not self._guard.holds(event, begins=begins):
            self._events.handle(event, now)

    def _pass_held(self) -> None:
        """The answer to a commit has waited long enough."""
        if held := self._guard.take():
            for event in held:
                self._events.handle(event, self._time())
            self._set_alarm()

    def _on_over(self, failure: Exception | None) -> None:
        """The engine's events have ended."""
        if not self._over.done():
            self._over.set_result(failure)

    def _on_time(self) -> None:
        """The time of the alarm has come."""
        with suppress(StreamClosedError):
            self._input.pass_on()
        now = self._time()
        self._events.advance(now, silent_for=time.time() - self._input.newest)
        self._set_alarm()

    def _set_alarm(self, *, goes_on: bool = False) -> None:
        self._goes_on = goes_on
        self._alarm.set(self._events.deadline)

    def _emit(self, event: SpeechEvent) -> None:
        if not self._event_ch.closed:
            self._event_ch.send_nowait(event)

    def _report_usage(self, *, at_least: float) -> None:
        usage = self._input.usage(at_least=at_least, request_id=self._events.session_id)
        if usage is not None:
            self._emit(usage)
            self._stt.emit("metrics_collected", usage_metrics(self._stt, usage))
