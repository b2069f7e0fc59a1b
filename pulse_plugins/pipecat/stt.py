"""`PulseSTTService`: the engine's stream as a Pipecat service.

Audio and VAD frames share one task of the framework, so what they call only enqueues. Another task
takes the engine's events (`runner`) and pushes what was heard (`emitter`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Coroutine, Mapping
from typing import Any, cast

from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    STTMetadataFrame,
    STTMuteFrame,
    UserAudioRawFrame,
    UserMuteStartedFrame,
    UserMuteStoppedFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessorSetup
from pipecat.services.settings import STTSettings
from pipecat.transcriptions.language import Language
from pipecat.utils.errors import ErrorCategory

from pulse_plugins.core.audio.formats import AudioFormat
from pulse_plugins.core.base.errors import ConfigurationError, PulseError
from pulse_plugins.core.client.stream import PulseStream
from pulse_plugins.core.config.dialects import DialectName
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.pipecat.arguments import (
    TurnDetection,
    base_options,
    refuse_unknown,
    take_settings,
    take_socket_arguments,
    wire_rate,
)
from pulse_plugins.pipecat.audio_input import FrameFormats
from pulse_plugins.pipecat.emitter import Emitter
from pulse_plugins.pipecat.latency import PULSE_TTFS_P99
from pulse_plugins.pipecat.runner import AudioUsage
from pulse_plugins.pipecat.settings import PulseSTTSettings, accepted, language_to_pulse
from pulse_plugins.pipecat.streams import ParticipantMode, Streams
from pulse_plugins.pipecat.transcript_pusher import TURN_FRAMES, TranscriptPusher

_AUDIO = (InputAudioRawFrame, UserAudioRawFrame)
_NOTED = (VADUserStoppedSpeakingFrame, STTMuteFrame, UserMuteStartedFrame, UserMuteStoppedFrame)


class _NoFrames:
    """What `run_stt` returns: transcripts are pushed when they come.

    An asynchronous generator for each frame of audio would be registered with the event loop each
    time.
    """

    def __aiter__(self) -> _NoFrames:
        return self

    async def __anext__(self) -> Frame:
        raise StopAsyncIteration


_NO_FRAMES = cast(AsyncGenerator[Frame | None, None], _NoFrames())


class PulseSTTService(TranscriptPusher):
    """Streaming speech-to-text with Smallest AI Pulse.

    Replaces `pipecat.services.smallest.stt.SmallestSTTService`. Each utterance gives one final
    transcript, and interim transcripts carry all words of the open utterance. At the end of the
    user's speech the service sends a finalize request. The transcript that answers the request has
    `finalized=True`, so that turn strategies do not wait for more.

    Event handlers:
        on_connected, on_disconnected: A connection was opened or closed. No argument.
        on_connection_error: An outage began, and the engine tries to reconnect. The text of the
            error.
        on_recovered: An outage has ended. The event `Recovered` of the engine.
        on_audio_lost: Audio will not be transcribed. The event `AudioLost` of the engine.
        on_turn_started: The first words of an utterance arrived. Their text.
        on_end_of_turn: An utterance is complete. Its text.
        on_eager_end_of_turn: The turn has probably ended (`enable_eager_end_of_turn=True`). Its
            text so far.
        on_turn_resumed: The predicted end of the turn was wrong. No argument.
        on_speech_started, on_speech_ended: The server's VAD heard speech begin or end
            (`vad_events=True`). Seconds of audio since the stream began.

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
        participants: ParticipantMode = "together",
        upsample_telephony: bool = False,
        keepalive_timeout: float | None = None,
        extra_headers: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        """Check all arguments. The first connection is opened when the pipeline is set up.

        Args:
            api_key: The key. None: the key of the environment variable `SMALLEST_API_KEY`. Servers
                outside the cloud service need no key.
            base_url: The server, such as `"ws://127.0.0.1:8765"`, or several servers, of which the
                first healthy one is used.
            encoding: The encoding on the wire: `"linear16"` (the default), `"mulaw"` (8 kHz, half
                the bandwidth), or another encoding of `PulseOptions`.
            sample_rate: Hz on the wire; audio is converted. None: the rate of the pipeline, or
                16000 if the service does not take that rate.
            settings: The options that may change during a call.
            ttfs_p99_latency: Seconds from the end of speech to the final, 99th percentile.
            dialect: The endpoint of the service. None: the endpoint that knows the settings.
            options: All other options (retry, limits, timeouts, proxy, ...). The other arguments
                take precedence.
            turn_detection: `"vad"`: the VAD of the pipeline decides when turns end. `"server"`: the
                VAD of the service proposes turns, and the pipeline needs no VAD.
            should_interrupt: With `turn_detection="server"`, whether the start of a turn interrupts
                the bot.
            participants: `"together"`: all audio goes into one stream. `"separate"`: each `user_id`
                of the audio frames has a stream of its own.
            upsample_telephony: Send 8 kHz audio as 16 kHz.
            keepalive_timeout: Seconds without audio after which a keepalive is sent.
            extra_headers: Additional HTTP headers of each connection.
            **kwargs: Fields of `Settings`, and arguments of `STTService`, such as
                `enable_eager_end_of_turn`, which needs `turn_detection="server"`. Arguments of
                `WebsocketSTTService` are accepted too.

        Raises:
            ConfigurationError: An argument or setting cannot work or does not exist; the text says
                what to change.
        """
        _check_modes(
            turn_detection, participants, eager=bool(kwargs.get("enable_eager_end_of_turn"))
        )
        socket = take_socket_arguments(kwargs)
        settings = take_settings(kwargs, self.Settings, settings)
        refuse_unknown(kwargs, type(self))
        base = base_options(
            options,
            api_key=api_key,
            base_url=base_url,
            dialect=dialect,
            encoding=encoding,
            sample_rate=sample_rate,
            upsample_telephony=upsample_telephony,
            keepalive_timeout=keepalive_timeout,
            extra_headers=extra_headers,
            socket=socket,
        )
        store = self.Settings.store(base, settings)
        store.options(base)  # refuses what cannot work, before anything runs
        super().__init__(
            settings=store, sample_rate=sample_rate, ttfs_p99_latency=ttfs_p99_latency, **kwargs
        )
        self._base = base
        self._wire_rate = sample_rate
        self._pipeline_rate: int | None = None
        self._upsample_telephony = upsample_telephony
        self._should_interrupt = should_interrupt
        self._participants = participants
        self._server_turns = turn_detection == "server"
        self._streams: Streams | None = None  # between setup and the end
        self._formats = FrameFormats()
        self._source: AudioFormat | None = None  # what the streams were told that frames hold

    @property
    def stream(self) -> PulseStream | None:
        """The newest stream of the engine. None while the pipeline does not run."""
        return self._streams.newest if self._streams is not None else None

    @property
    def usage(self) -> AudioUsage:
        """The audio that the server was sent since the pipeline was set up."""
        return self._streams.usage if self._streams is not None else AudioUsage()

    @property
    def supports_ttfs(self) -> bool:
        """Whether turns wait for a final after the end of speech; False with server turns."""
        return not self._server_turns

    def can_generate_metrics(self) -> bool:
        """Return True, because TTFB and usage are measured."""
        return True

    def language_to_service_language(self, language: Language) -> str | None:
        """Return the service's language code, without a region."""
        return language_to_pulse(language)

    def service_metadata_frame(self) -> STTMetadataFrame:
        """Return the TTFS, and with server turns the strategies that accept proposed turns."""
        frame = super().service_metadata_frame()
        if self._server_turns:
            frame.user_turn_strategies = self.recommended_user_turn_strategies(
                enable_interruptions=self._should_interrupt
            )
        return frame

    async def finalize(self) -> None:
        """Send a finalize request now. The transcript that answers it has `finalized=True`."""
        for emitter in self._emitters():
            emitter.finalize()

    # The framework's calls.

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        """Begin to connect in the background. The engine keeps the audio until then."""
        await super().setup(setup)
        await self._teardown()
        self._pipeline_rate = setup.audio_in_sample_rate
        self.begin_usage()
        self._source = None
        self._streams = Streams(
            self,
            lambda: self._options(self._settings),
            AudioFormat("linear16", setup.audio_in_sample_rate),
            mode=self._participants,
            proposes_turns=self._server_turns,
        )

    async def stop(self, frame: EndFrame) -> None:
        """Push the last words, within a bounded time, and then the EndFrame."""
        if self._streams is not None:
            await self._streams.drain()
        await super().stop(frame)
        await self._teardown()

    async def cancel(self, frame: CancelFrame) -> None:
        """End the stream at once, without the last words."""
        await super().cancel(frame)
        await self._teardown()

    async def cleanup(self) -> None:
        """Close all streams and end all tasks."""
        await self._teardown()
        await super().cleanup()  # type: ignore[no-untyped-call]

    def process_audio_frame(
        self, frame: InputAudioRawFrame, direction: FrameDirection
    ) -> Coroutine[Any, Any, None]:
        """Take audio of any rate and channel count, as each frame says."""
        source = self._formats.read(frame)
        if source is None:
            return self._leave_out()
        if source is not self._source and self._streams is not None:
            self._source = source
            self._streams.follow(source)
        return super().process_audio_frame(frame, direction)

    def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None, None]:
        """Give audio to the engine. Never waits."""
        if self._streams is not None:
            self._streams.push(audio, self._user_id)
        return _NO_FRAMES

    def process_frame(self, frame: Frame, direction: FrameDirection) -> Coroutine[Any, Any, None]:
        """Take frames of the VAD and of mute strategies, in both directions."""
        if type(frame) in _AUDIO:  # a coroutine of our own would cost more than what it does
            return super().process_frame(frame, direction)
        return self._process_other(frame, direction)

    async def _process_other(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, VADUserStartedSpeakingFrame) and not self._server_turns:
            self.expect_nothing()
            for emitter in self._emitters():
                emitter.speech_started()
        await super().process_frame(frame, direction)
        if isinstance(frame, TURN_FRAMES):
            self.note_turn(frame)
        elif isinstance(frame, _NOTED):
            for emitter in self._emitters():
                self._note(frame, emitter)

    def _note(self, frame: Frame, emitter: Emitter) -> None:
        """Tell an emitter what the pipeline's VAD or mute says, after the base class knows it."""
        match frame:
            case VADUserStoppedSpeakingFrame() if not self._server_turns:
                emitter.speech_stopped(frame.timestamp - frame.stop_secs)
            case STTMuteFrame() if frame.mute:
                emitter.audio_muted()
            case UserMuteStartedFrame():
                emitter.user_muted()
            case UserMuteStoppedFrame():
                emitter.user_unmuted()

    def _emitters(self) -> list[Emitter]:
        return self._streams.live() if self._streams is not None else []

    async def _leave_out(self) -> None:
        if self._formats.error is not None:
            await self.push_error(self._formats.error, category=ErrorCategory.APPLICATION)

    async def take_back_settings(self, kept: PulseOptions, error: PulseError) -> None:
        """Restore the former settings, because the service refused the changed ones."""
        self._settings.adopt(kept)
        self._sync_model_name_to_metrics()  # type: ignore[no-untyped-call]
        await self.push_error(
            f"settings taken back: {error}",
            exception=error,
            category=ErrorCategory.APPLICATION,
        )

    # Parts.

    async def _update_settings(  # type: ignore[override]
        self, delta: STTSettings
    ) -> dict[str, Any]:
        """Apply a delta, or nothing of it; the engine makes a new connection only if it must."""
        options = await accepted(self, delta, self._settings, self._options)
        if options is None:
            return {}
        changed: dict[str, Any] = await super()._update_settings(delta)
        if changed and self._streams is not None:
            self._streams.update(options)
        return changed

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
        streams, self._streams = self._streams, None
        if streams is not None:
            await streams.close()


def _check_modes(turn_detection: str, participants: str, *, eager: bool) -> None:
    if turn_detection not in ("vad", "server"):
        raise ConfigurationError("turn_detection is 'vad' or 'server'")
    if participants not in ("together", "separate"):
        raise ConfigurationError("participants is 'together' or 'separate'")
    if eager and turn_detection != "server":
        raise ConfigurationError(
            "enable_eager_end_of_turn needs turn_detection='server': Pipecat answers predictions "
            "only where the service decides the turns"
        )
    if turn_detection == "server" and participants == "separate":
        raise ConfigurationError(
            "turn_detection='server' follows one speaker's turns: with participants='separate' "
            "let the pipeline's VAD decide (turn_detection='vad')"
        )
