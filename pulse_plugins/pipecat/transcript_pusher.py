"""The part of the service that pushes transcripts, with tracing, metrics, usage and handlers."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    Frame,
    SpeechControlParamsFrame,
    STTMetadataFrame,
    TranscriptionFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.metrics.metrics import STTUsage
from pipecat.services.stt_service import STTService
from pipecat.transcriptions.language import Language
from pipecat.turns.eager_end_of_turn_mixin import EagerEndOfTurnSTTServiceMixin
from pipecat.utils.tracing.service_decorators import traced_stt

from pulse_plugins.pipecat.latency import LatencyMeter
from pulse_plugins.pipecat.runner import AudioUsage
from pulse_plugins.pipecat.settings import PulseSTTSettings

TURN_FRAMES = (
    BotStartedSpeakingFrame,
    SpeechControlParamsFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
_EVENTS = (
    "on_recovered",
    "on_audio_lost",
    "on_speech_started",
    "on_speech_ended",
    "on_turn_started",
    "on_end_of_turn",
    "on_eager_end_of_turn",
    "on_turn_resumed",
)


# Seconds. Pipecat ends a turn in which the user is silent and no transcript came for so long
# (`user_turn_stop_timeout`). Shorter: the words after an outage become a turn of their own. Longer:
# a realtime model, whose context waits for as long, gets its words later.
_TTFS_IN_OUTAGE = 5.0


class TranscriptPusher(EagerEndOfTurnSTTServiceMixin, STTService):
    """The methods of a service that its emitters call."""

    _settings: PulseSTTSettings

    def __init__(self, **kwargs: Any) -> None:
        """Register the event handlers; the arguments are those of `STTService`."""
        super().__init__(**kwargs)
        self._awaiting: set[object] = set()  # emitters whose final is to come
        self._reported = 0.0  # seconds of usage
        self._confidence: float | None = None  # of the transcript that is being pushed
        self._turn_is_open: bool | None = None  # None: no frame of any turn logic has come
        self._in_outage: set[object] = set()  # runners whose words are late
        self.latency = LatencyMeter()
        for name in _EVENTS:
            self._register_event_handler(name)

    @property
    def settings(self) -> PulseSTTSettings:
        """The settings in force. A settings frame changes them."""
        return self._settings

    @property
    def usage(self) -> AudioUsage:
        """The audio that was sent to the server since the pipeline was set up."""
        raise NotImplementedError

    @property
    def measured_ttfs_p99(self) -> float | None:
        """Seconds, measured on this service's own turns; None before 20 of them."""
        return self.latency.percentile(0.99)

    async def push_transcription(self, frame: TranscriptionFrame) -> None:
        """Push a transcript, after the call at which Pipecat's tracing records it."""
        await self._handle_transcription(frame.text, True, frame.language)
        self._confidence = frame.metadata.get("confidence")
        timer: asyncio.Task[None] | None = None
        if frame.finalized:
            # The base class would wait until this task has ended, and the transcript with it.
            timer, self._ttfb_timeout_task = self._ttfb_timeout_task, None
            if timer is not None:
                timer.cancel()
        await self.push_frame(frame)
        if timer is not None:
            await self.cancel_task(timer)

    async def stop_ttfb_metrics(self, *, end_time: float | None = None) -> None:
        """Note the confidence in the open tracing span; the framework knows no such attribute."""
        span = getattr(self, "_stt_span_state", {}).get("span")
        if span is not None and self._confidence is not None:
            span.set_attribute("stt.confidence", self._confidence)
        await super().stop_ttfb_metrics(end_time=end_time)

    async def forget_finalize(self) -> None:
        """Measure no time to a transcript: the turn has no words.

        The base class offers no public way; a test fails when one of these names is gone.
        """
        await self.cancel_ttfb_metrics()  # type: ignore[no-untyped-call]
        await self._cancel_ttfb_timeout()  # type: ignore[no-untyped-call]

    def expect_final(self, emitter: object) -> None:
        """Note that the words of a turn were asked for."""
        self._awaiting.add(emitter)

    def is_last_final(self, emitter: object) -> bool:
        """Note that the words came. Return whether no other participant's words are awaited."""
        self._awaiting.discard(emitter)
        return not self._awaiting

    async def speech_ended_at(self, ended: float) -> None:
        """Begin to measure the time to the final transcript."""
        await self.start_ttfb_metrics(start_time=ended)

    @property
    def predicts_ends(self) -> bool:
        """Whether ends of turns are predicted."""
        return self.eager_end_of_turn_enabled

    async def predict_end(self, text: str, user_id: str, language: Language | None) -> None:
        """Report that the turn has probably ended."""
        await self._push_eager_end_of_turn(text, user_id=user_id, language=language)
        await self.tell("on_eager_end_of_turn", text)

    async def withdraw_prediction(self) -> None:
        """Report that the caller goes on, if an end was predicted."""
        if self.eager_end_of_turn_pending:
            await self._cancel_eager_end_of_turn()  # type: ignore[no-untyped-call]
            await self.tell("on_turn_resumed")

    def confirm_prediction(self) -> None:
        """Note that the turn has ended."""
        self._clear_eager_end_of_turn()  # type: ignore[no-untyped-call]

    async def report_usage(self) -> None:
        """Report the audio that the server was sent since the last report."""
        seconds = self.usage.speech
        if seconds > self._reported:
            seconds, self._reported = seconds - self._reported, seconds
            await self.start_stt_usage_metrics(STTUsage(audio_seconds=seconds))

    async def emit_stt_usage_metrics(self) -> None:
        """Report usage; the base class calls this at the end."""
        await self.report_usage()

    async def tell(self, event_name: str, *args: object) -> None:
        """Call the application's handlers of an event."""
        await self._call_event_handler(event_name, *args)

    @property
    def joins_speakers(self) -> bool:
        """Whether an utterance of several speakers must be one frame, so that no word is lost.

        A frame that may start the turn must carry all words: `MinWordsUserTurnStartStrategy` drops
        each frame with too few words, and a turn analyzer ends a turn that starts with several
        frames at once. Later than the published latency after the end of speech, the stop
        strategies end the turn with the first frame. Otherwise each speaker has frames of their
        own, as always where nothing is known of turn logic in the pipeline.
        """
        ended, latency = self.latency.ended, self._ttfs_p99_latency or 0.0
        is_late = ended is not None and time.time() - ended >= latency
        return self._turn_is_open is False or is_late

    def note_turn(self, frame: Frame) -> None:
        """Note what a frame says of the user's turn."""
        match frame:
            case UserStartedSpeakingFrame():
                self._turn_is_open = True
            case UserStoppedSpeakingFrame() | BotStartedSpeakingFrame():
                self._turn_is_open = False
            case SpeechControlParamsFrame() if frame.turn_params and self._turn_is_open is None:
                self._turn_is_open = False

    def service_metadata_frame(self) -> STTMetadataFrame:
        """Return the TTFS, which an outage makes longer; 0 stays 0, which means not to wait."""
        frame = super().service_metadata_frame()
        if self._in_outage and frame.ttfs_p99_latency:
            frame.ttfs_p99_latency = max(frame.ttfs_p99_latency, _TTFS_IN_OUTAGE)
        return frame

    async def outage_changed(self, runner: object, *, is_on: bool) -> None:
        """Publish another TTFS when an outage delays the words of a stream, and when none are late.

        With text of the turn in hand, the stop strategies wait for the rest no longer than the
        TTFS that was published before the user stopped, and the rest would become another turn.
        """
        before = bool(self._in_outage)
        if is_on:
            self._in_outage.add(runner)
        else:
            self._in_outage.discard(runner)
        if bool(self._in_outage) != before and self.supports_ttfs:
            await self.broadcast_service_metadata()  # type: ignore[no-untyped-call]

    def expect_nothing(self) -> None:
        """Note that the user speaks again, so outstanding finalize requests end no turn."""
        self._awaiting.clear()
        self.latency.ended = None

    def begin_usage(self) -> None:
        """Count the usage of another call."""
        self._reported = 0.0

    def _record_stt_audio_usage(self, audio: bytes | bytearray) -> None:
        """Count nothing here: what the server was sent is counted where it is sent."""

    @traced_stt
    async def _handle_transcription(
        self, transcript: str, is_final: bool, language: Language | None = None
    ) -> None:
        """Do nothing: `traced_stt` records a tracing span at this call."""
