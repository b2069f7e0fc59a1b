"""`PulseSTTService`: the engine's stream as a Pipecat service.

Audio and VAD frames share one task of the framework, so what they call only enqueues; another
task takes the engine's events (`link`) and pushes what was heard (`delivery`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    STTMetadataFrame,
    STTMuteFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessorSetup
from pipecat.services.settings import STTSettings
from pipecat.services.stt_service import STTService
from pipecat.transcriptions.language import Language
from pipecat.turns.user_turn_strategies import ExternalUserTurnStrategies
from pipecat.utils.errors import ErrorCategory
from pipecat.utils.tracing.service_decorators import traced_stt

from pulse_plugins.core.audio.formats import AudioFormat
from pulse_plugins.core.base.errors import ConfigurationError, PulseError
from pulse_plugins.core.client.stream import PulseStream
from pulse_plugins.core.config.dialects import DialectName
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.pipecat.configuration import (
    TurnDetection,
    base_options,
    take_socket_arguments,
    wire_rate,
)
from pulse_plugins.pipecat.delivery import Delivery
from pulse_plugins.pipecat.incoming import FrameFormats
from pulse_plugins.pipecat.latency import PULSE_TTFS_P99, LatencyMeter
from pulse_plugins.pipecat.link import Link
from pulse_plugins.pipecat.settings import (
    InterimRedaction,
    PulseSTTSettings,
    language_to_pulse,
)


class PulseSTTService(STTService):
    """Streaming speech-to-text with Smallest AI Pulse.

    Takes the place of `pipecat.services.smallest.stt.SmallestSTTService`. The end of the user's
    speech asks the service for the pending words, and exactly the transcript that completes the
    turn is marked finalized, so that turn strategies need not wait.

    Event handlers:
        on_connected, on_disconnected: In pairs, without an argument.
        on_connection_error: Once per incident, with a text; the engine goes on by itself.
        on_recovered: After an outage, with the engine's `Recovered`.
        on_audio_lost: Audio that no server will hear, with the engine's `AudioLost`.

    Example::

        stt = PulseSTTService(
            api_key=os.environ["SMALLEST_API_KEY"],
            settings=PulseSTTService.Settings(language=Language.EN, keywords="Pipecat:2"),
        )
    """

    Settings = PulseSTTSettings
    _settings: PulseSTTSettings

    def __init__(
        self,
        *,
        api_key: str | None = None,
        base_url: str | tuple[str, ...] | None = None,
        encoding: str | None = None,
        sample_rate: int | None = None,
        settings: STTSettings | None = None,
        ttfs_p99_latency: float | None = PULSE_TTFS_P99,
        dialect: DialectName | None = None,
        options: PulseOptions | None = None,
        turn_detection: TurnDetection = "vad",
        should_interrupt: bool = True,
        upsample_telephony: bool = False,
        speaker_format: str | None = None,
        interim_redaction: InterimRedaction | None = None,
        keepalive_timeout: float | None = None,
        **kwargs: Any,
    ) -> None:
        """Check everything; nothing is connected before the pipeline is set up.

        Args:
            api_key: The key; `SMALLEST_API_KEY` if None. A server of one's own needs none.
            base_url: Where the service is, such as `"ws://127.0.0.1:8765"`; of several the
                first healthy one.
            encoding: What is sent: `"linear16"` (the default), `"mulaw"` (8 kHz, half the
                bandwidth), or another that `PulseOptions` takes.
            sample_rate: Hz on the wire; None: the pipeline's where the service takes it, and
                16000 elsewhere. Audio is converted.
            settings: What may change during a call.
            ttfs_p99_latency: Seconds from the end of speech to the final, 99th percentile.
            dialect: Which of the service's endpoints is spoken.
            options: Everything else (retry, limits, timeouts, headers, proxy, ...); the
                arguments here win over it.
            turn_detection: `"vad"`: the pipeline decides; `"server"`: the service's VAD proposes
                the turns, and no local VAD is needed.
            should_interrupt: In server mode, whether the start of a turn interrupts the bot.
            upsample_telephony: Send 8 kHz audio as 16 kHz.
            speaker_format: The setting of this name.
            interim_redaction: The setting of this name.
            keepalive_timeout: Seconds without audio before a keepalive goes out.
            **kwargs: Those of `STTService`; those of `WebsocketSTTService` are understood too.

        Raises:
            ConfigurationError: An argument or setting cannot work; the text says what to change.
        """
        if turn_detection not in ("vad", "server"):
            raise ConfigurationError("turn_detection is 'vad' or 'server'")
        base = base_options(
            options,
            api_key=api_key,
            base_url=base_url,
            dialect=dialect,
            encoding=encoding,
            sample_rate=sample_rate,
            upsample_telephony=upsample_telephony,
            keepalive_timeout=keepalive_timeout,
            socket=take_socket_arguments(kwargs),
        )
        labels = PulseSTTSettings()
        if speaker_format is not None:
            labels.speaker_format = speaker_format
        if interim_redaction is not None:
            labels.interim_redaction = interim_redaction
        store = PulseSTTSettings.store(base, settings, labels)
        store.options(base)  # refuses what cannot work, before anything runs
        super().__init__(
            settings=store, sample_rate=sample_rate, ttfs_p99_latency=ttfs_p99_latency, **kwargs
        )
        self._base = base
        self._wire_rate = sample_rate
        self._pipeline_rate: int | None = None
        self._upsample_telephony = upsample_telephony
        self._should_interrupt = should_interrupt
        self._server_turns = turn_detection == "server"
        self._link: Link | None = None  # between setup and the end
        self._formats = FrameFormats(self)
        self.latency = LatencyMeter()
        self._register_event_handler("on_recovered")
        self._register_event_handler("on_audio_lost")

    @property
    def stream(self) -> PulseStream | None:
        """The engine's stream, for its counters; None while the pipeline does not run."""
        return self._link.stream if self._link is not None else None

    @property
    def measured_ttfs_p99(self) -> float | None:
        """Seconds, measured on this service's own turns; None before 20 of them."""
        return self.latency.percentile(0.99)

    @property
    def settings(self) -> PulseSTTSettings:
        """What is in force, for reading; a settings frame changes it."""
        return self._settings

    @property
    def supports_ttfs(self) -> bool:
        """Whether turns wait for a final after the end of speech: not in server mode."""
        return not self._server_turns

    def can_generate_metrics(self) -> bool:
        """TTFB and usage are measured."""
        return True

    def language_to_service_language(self, language: Language) -> str | None:
        """The service's code; a region is cut off."""
        return language_to_pulse(language)

    def service_metadata_frame(self) -> STTMetadataFrame:
        """The TTFS, and in server mode the turn strategies that take our proposals."""
        frame = super().service_metadata_frame()
        if self._server_turns:
            frame.user_turn_strategies = ExternalUserTurnStrategies(
                enable_interruptions=self._should_interrupt
            )
        return frame

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        """Begin to connect in the background; the first words wait in the engine."""
        await super().setup(setup)
        await self._teardown()
        self._pipeline_rate = setup.audio_in_sample_rate
        source = AudioFormat("linear16", setup.audio_in_sample_rate)
        self._link = Link(
            self,
            lambda: self._options(self._settings),
            source,
            proposes_turns=self._server_turns,
        )

    async def stop(self, frame: EndFrame) -> None:
        """Push the last words, for a bounded time, before the EndFrame goes on."""
        if self._link is not None:
            await self._link.drain()
        await super().stop(frame)
        await self._teardown()

    async def cancel(self, frame: CancelFrame) -> None:
        """End at once."""
        await super().cancel(frame)
        await self._teardown()

    async def cleanup(self) -> None:
        """Leave nothing running, whatever came before."""
        await self._teardown()
        await super().cleanup()  # type: ignore[no-untyped-call]

    async def process_audio_frame(
        self, frame: InputAudioRawFrame, direction: FrameDirection
    ) -> None:
        """Take audio of any rate and channel count, as each frame says."""
        source = await self._formats.read(frame)
        if source is None:
            return
        if self._link is not None:
            self._link.follow(source)
        await super().process_audio_frame(frame, direction)

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None, None]:
        """Give audio to the engine; never waits."""
        if self._link is not None:
            self._link.push(audio, self._user_id)
        yield None

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Follow the pipeline's VAD, in whichever direction its frames travel."""
        follows_vad = not self._server_turns
        if isinstance(frame, VADUserStartedSpeakingFrame) and follows_vad and self._delivery:
            self._delivery.speech_started()
        await super().process_frame(frame, direction)
        if isinstance(frame, VADUserStoppedSpeakingFrame) and follows_vad and self._delivery:
            self._delivery.speech_stopped(frame.timestamp - frame.stop_secs)
        elif isinstance(frame, STTMuteFrame) and frame.mute and self._delivery:
            self._delivery.muted()

    async def push_transcription(self, frame: TranscriptionFrame) -> None:
        """Push a transcript, for the tracing's sake with the call that it looks for."""
        await self._handle_transcription(frame.text, True, frame.language)
        timer: asyncio.Task[None] | None = None
        if frame.finalized:
            # The base class would wait until this task has ended, and the transcript with it.
            timer, self._ttfb_timeout_task = self._ttfb_timeout_task, None
            if timer is not None:
                timer.cancel()
        await self.push_frame(frame)
        if timer is not None:
            await self.cancel_task(timer)

    async def forget_finalize(self) -> None:
        """The turn has no words: leave nothing that a later transcript would take for its own.

        The base class offers no public way; a test fails when one of these names is gone.
        """
        self._finalize_requested = False
        self._finalize_pending = False
        await self.stop_ttfb_metrics()
        await self._cancel_ttfb_timeout()  # type: ignore[no-untyped-call]

    def _record_stt_audio_usage(self, audio: bytes | bytearray) -> None:
        # The base class counts 16-bit mono at `sample_rate`; frames may be otherwise.
        if self._link is not None:  # else it goes nowhere
            self._stt_usage_pending_seconds += len(audio) / self._link.bytes_per_second

    @traced_stt
    async def _handle_transcription(
        self, transcript: str, is_final: bool, language: Language | None = None
    ) -> None:
        """Does nothing; tracing hangs on it."""

    async def _update_settings(  # type: ignore[override]
        self, delta: STTSettings
    ) -> dict[str, Any]:
        """Apply a delta, or nothing of it; the engine makes a new connection only if it must."""
        try:
            options = self._options(self._settings.proposed(delta))
        except (TypeError, ValueError) as error:  # ConfigurationError is a ValueError
            # The caller's mistake says nothing about the service, which goes on as it was.
            await self.push_error(
                f"settings unchanged: {error}", category=ErrorCategory.APPLICATION
            )
            return {}
        changed: dict[str, Any] = await super()._update_settings(delta)
        if changed and self._link is not None:
            self._link.update(options)
        return changed

    async def take_back_settings(self, kept: PulseOptions, error: PulseError) -> None:
        """The service refused changed settings: the former ones are in force."""
        self._settings.adopt(kept)
        self._sync_model_name_to_metrics()  # type: ignore[no-untyped-call]
        await self.push_error(
            f"settings taken back: {error}",
            exception=error,
            category=ErrorCategory.APPLICATION,
        )

    async def tell(self, event_name: str, *args: object) -> None:
        """Call the application's handlers of an event."""
        await self._call_event_handler(event_name, *args)

    @property
    def _delivery(self) -> Delivery | None:
        return None if self._link is None else self._link.live()

    def _options(self, settings: PulseSTTSettings) -> PulseOptions:
        rate = wire_rate(
            self._base.encoding,
            self._wire_rate,
            self._pipeline_rate or self._base.sample_rate,
            upsample_telephony=self._upsample_telephony,
        )
        options = settings.options(self._base).changed(sample_rate=rate)
        return options.changed(vad_events=True) if self._server_turns else options

    async def _teardown(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            await link.close()
