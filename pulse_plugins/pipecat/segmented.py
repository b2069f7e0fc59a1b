"""`PulseSegmentedSTTService`: sends each stretch of speech to the pre-recorded endpoint.

It is slower than the stream and gives no interims. It offers what only recordings have: the model
`pulse-pro`, and gender and emotion with `pulse`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import aiohttp
from pipecat.frames.frames import (
    EndFrame,
    Frame,
    InputAudioRawFrame,
    TranscriptionFrame,
    UserMuteStartedFrame,
    UserMuteStoppedFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessorSetup
from pipecat.services.settings import STTSettings
from pipecat.services.stt_service import SegmentedSTTService, STTService
from pipecat.transcriptions.language import Language
from pipecat.utils.errors import ErrorCategory
from pipecat.utils.tracing.service_decorators import traced_stt

from pulse_plugins.core.base.errors import PulseError, RegionError
from pulse_plugins.core.base.events import Final
from pulse_plugins.core.client.batch import PulseBatch
from pulse_plugins.core.config.dialects import DialectName
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.wire.batch_messages import BatchTranscript
from pulse_plugins.pipecat.arguments import base_options, refuse_unknown, take_settings
from pulse_plugins.pipecat.audio_input import FrameFormats, MonoAudio
from pulse_plugins.pipecat.errors import category, passing_category
from pulse_plugins.pipecat.frames import Result, final_frames
from pulse_plugins.pipecat.latency import PULSE_TTFS_P99
from pulse_plugins.pipecat.participants import Participants
from pulse_plugins.pipecat.settings import (
    PulseSTTSettings,
    accepted,
    language_to_pulse,
    voice_of,
)

# HTTP statuses about the key, the credit or the address. Every other segment would get them too.
_HOPELESS = frozenset({401, 402, 403, 404})


@dataclass(frozen=True, slots=True)
class _Spoken:
    """The speaker and the settings at the moment when a segment ended.

    Attributes:
        user_id: The speaker.
        settings: A copy of the settings in force.
        options: The options of the request, made from these settings.
    """

    user_id: str
    settings: PulseSTTSettings
    options: PulseOptions


class PulseSegmentedSTTService(SegmentedSTTService):
    """Transcribes each stretch of speech that the VAD finds as one recording.

    The pipeline needs a VAD. `TranscriptionFrame.result` is a dict as the service writes one; its
    attribute `event` is the engine's `BatchTranscript`.

    Example::

        stt = PulseSegmentedSTTService(dialect="live", model="pulse-pro")
    """

    Settings = PulseSTTSettings
    _settings: PulseSTTSettings

    def __init__(
        self,
        *,
        api_key: str | None = None,
        base_url: str | tuple[str, ...] | None = None,
        model: Literal["pulse", "pulse-pro"] | None = None,
        sample_rate: int | None = None,
        settings: STTSettings | None = None,
        ttfs_p99_latency: float | None = PULSE_TTFS_P99,
        dialect: DialectName | None = None,
        options: PulseOptions | None = None,
        attempts: int = 2,
        timeout: float = 10.0,
        extra_headers: Mapping[str, str] | None = None,
        aiohttp_session: aiohttp.ClientSession | None = None,
        **kwargs: Any,
    ) -> None:
        """Check all arguments. The first request is sent after the first speech.

        Args:
            api_key: The key. None: the key of the environment variable `SMALLEST_API_KEY`. Servers
                outside the cloud service need no key.
            base_url: The server, or several, of which the first healthy one is used.
            model: `"pulse-pro"` (English, `dialect="live"`). None: the model of the settings.
            sample_rate: Hz of the audio that is sent; audio is converted. None: the
                pipeline's rate.
            settings: The options that may change during a call. The endpoint ignores those that
                concern streams.
            ttfs_p99_latency: Seconds from the end of speech to the transcript, 99th percentile.
            dialect: The endpoint of the service.
            options: All other options. The other arguments take precedence.
            attempts: The highest number of attempts for a segment whose failure can pass.
            timeout: Seconds for one attempt.
            extra_headers: Additional HTTP headers of each request.
            aiohttp_session: An HTTP session of the caller, who also closes it.
            **kwargs: Fields of `Settings`, and arguments of `SegmentedSTTService`.

        Raises:
            ConfigurationError: An argument or setting cannot work or does not exist; the text says
                what to change.
        """
        settings = take_settings(kwargs, self.Settings, settings)
        refuse_unknown(kwargs, type(self))
        base = base_options(
            options,
            api_key=api_key,
            base_url=base_url,
            dialect=dialect,
            encoding=None,
            sample_rate=None,
            upsample_telephony=False,
            keepalive_timeout=None,
            extra_headers=extra_headers,
            socket={},
        )
        store = PulseSTTSettings.store(base, settings)
        self._model: Literal["pulse", "pulse-pro"] | None = model
        self._attempts = attempts
        self._timeout = timeout
        self._base = base
        self._session = aiohttp_session
        self._owns_session = aiohttp_session is None
        self._options = self._checked(store)
        self._formats = FrameFormats()
        self._mono = MonoAudio(sample_rate or base.sample_rate)  # `setup` knows the pipeline's
        self._spoken: deque[_Spoken] = deque()  # one for each segment that waits
        self._user_muted = False
        super().__init__(
            settings=store, sample_rate=sample_rate, ttfs_p99_latency=ttfs_p99_latency, **kwargs
        )

    @property
    def settings(self) -> PulseSTTSettings:
        """The settings in force. A settings frame changes them."""
        return self._settings

    def can_generate_metrics(self) -> bool:
        """Return True, because processing time, TTFB and usage are measured."""
        return True

    def language_to_service_language(self, language: Language) -> str | None:
        """Return the service's language code, without a region."""
        return language_to_pulse(language)

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        """Prepare for a call."""
        await super().setup(setup)
        self._mono = MonoAudio(self.sample_rate)

    async def stop(self, frame: EndFrame) -> None:
        """Transcribe the waiting segments, within a bounded time, and then pass the EndFrame on.

        If the user still speaks, the speech so far is the last segment.

        The base class waits without a bound: two segments took 43 s with a server that did not
        answer.
        """
        if self._user_speaking:  # the VAD will not report the end of this speech
            await self._handle_user_stopped_speaking(VADUserStoppedSpeakingFrame())
        task, self._segment_task = self._segment_task, None
        if task is not None:
            await self._segment_queue.put(None)
            await asyncio.wait({task}, timeout=self._options.timeouts.close)
            if not task.done():
                await self.cancel_task(task)
                await self.push_error(
                    f"the call ended before {1 + len(self._spoken)} segments were transcribed"
                )
        await super().stop(frame)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Take frames of the VAD and of mute strategies."""
        await super().process_frame(frame, direction)
        if isinstance(frame, UserMuteStartedFrame):
            self._user_muted = True
        elif isinstance(frame, UserMuteStoppedFrame):
            self._user_muted = False
            self._audio_buffer.clear()  # speech during the mute must not be transcribed after it

    async def process_audio_frame(
        self, frame: InputAudioRawFrame, direction: FrameDirection
    ) -> None:
        """Take audio of any rate and channel count, as each frame says."""
        source = self._formats.read(frame)
        if source is None:
            if self._formats.error is not None:
                await self.push_error(self._formats.error, category=ErrorCategory.APPLICATION)
            return
        audio = self._mono.take(frame.audio, source)
        mono = replace(frame, audio=audio, sample_rate=self.sample_rate, num_channels=1)
        await super().process_audio_frame(mono, direction)

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None, None]:
        """Transcribe one segment.

        Args:
            audio: The segment as a WAV file.

        Yields:
            The transcript; with several speakers, the last one's, the others being pushed before.
        """
        spoken = self._spoken.popleft() if self._spoken else self._now()
        await self.start_processing_metrics()
        try:
            transcript = await self._transcribe(audio, spoken.options)
        except PulseError as error:
            hopeless = error.status in _HOPELESS or isinstance(error, RegionError)
            await self.push_error(
                str(error),
                exception=error,
                category=category(error) if hopeless else passing_category(error),
                force_treat_as_permanent=hopeless,
            )
            return
        finally:
            await self.stop_processing_metrics()
        frames = _frames(transcript, spoken)
        for frame in frames:
            await self._handle_transcription(frame.text, True, frame.language)
            if frame is frames[-1]:
                yield frame
            else:  # past the base class, which would mark it as the turn's last
                await STTService.push_frame(self, frame)

    async def cleanup(self) -> None:
        """Close the session and end all tasks."""
        await self._cancel_segment_task()  # type: ignore[no-untyped-call]
        await super().cleanup()  # type: ignore[no-untyped-call]
        if self._owns_session and self._session is not None:
            session, self._session = self._session, None
            await session.close()

    async def _handle_user_stopped_speaking(self, frame: VADUserStoppedSpeakingFrame) -> None:
        # Here the base class cuts a segment, if the service is usable.
        self._audio_buffer += self._mono.flush()
        if self._user_muted:
            self._audio_buffer.clear()
            self._user_speaking = False
            return
        if self.is_usable:
            self._spoken.append(self._now())
        await super()._handle_user_stopped_speaking(frame)

    def _now(self) -> _Spoken:
        return _Spoken(self._user_id, self._settings.copy(), self._options)

    @traced_stt
    async def _handle_transcription(
        self, transcript: str, is_final: bool, language: Language | None = None
    ) -> None:
        """Do nothing: `traced_stt` records a tracing span at this call."""

    async def _update_settings(  # type: ignore[override]
        self, delta: STTSettings
    ) -> dict[str, Any]:
        """Apply a delta, or nothing of it; segments after it are transcribed with it."""
        options = await accepted(self, delta, self._settings, self._checked)
        if options is None:
            return {}
        changed: dict[str, Any] = await super()._update_settings(delta)
        self._options = options
        return changed

    def _checked(self, settings: PulseSTTSettings) -> PulseOptions:
        options = settings.options(self._base)
        PulseBatch(
            options, model=self._model, attempts=self._attempts
        )  # raises ConfigurationError if the options cannot work
        return options

    async def _transcribe(self, audio: bytes, options: PulseOptions) -> BatchTranscript:
        """One request on the service's session, which outlives a change of settings."""
        if self._session is None:
            self._session = aiohttp.ClientSession()
        batch = PulseBatch(
            options, model=self._model, attempts=self._attempts, session=self._session
        )
        return await batch.transcribe(audio, content_type="audio/wav", timeout=self._timeout)


def _frames(transcript: BatchTranscript, spoken: _Spoken) -> list[TranscriptionFrame]:
    if not any(letter.isalnum() for letter in transcript.text):
        return []  # punctuation alone is no turn
    people = Participants()
    people.heard(spoken.user_id, 0.0)
    final = Final(
        transcript.text,
        0.0,
        transcript.duration or 0.0,
        transcript.words,
        language=transcript.language,
        utterances=transcript.utterances,
        emotion=dict(transcript.emotions) or None,
        gender=transcript.gender,
    )
    if spoken.settings.is_doubtful(final.confidence):
        return []
    voice = voice_of(spoken.options)
    frames = final_frames([final], lambda _: voice, people, spoken.settings.format_of_speakers)
    for frame in frames:
        if isinstance(frame.result, Result):
            frame.result.event = transcript
    return frames
