"""The `STT` that an agent session, an adapter or an application of LiveKit Agents is given."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Mapping
from typing import Any, Literal, Self

import aiohttp
from livekit.agents import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions, stt
from livekit.agents.types import NOT_GIVEN, NotGivenOr
from livekit.agents.utils import AudioBuffer

from pulse_plugins.core.audio.formats import AudioFormat
from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.core.config.dialects import DialectName
from pulse_plugins.core.config.encodings import Encoding
from pulse_plugins.core.config.keywords import Keywords
from pulse_plugins.core.config.timing import Limits, Timeouts
from pulse_plugins.livekit.options import (
    ROOM_RATE,
    Region,
    first_settings,
    for_connection,
    with_job_proxy,
    with_keyterms,
)
from pulse_plugins.livekit.prewarm import Prewarmed
from pulse_plugins.livekit.recognize import recognize
from pulse_plugins.livekit.speech_stream import SpeechStream


class STT(stt.STT[Literal["metrics_collected", "error"]]):
    """Pulse speech-to-text. One object serves any number of independent streams.

    Args:
        model: `pulse`, or `pulse-2` (English only). Any other model works with `recognize` alone.
        language: A code such as `en`, or a group that is detected, such as `multi-eu`.
        sample_rate: Hz on the wire: 8000, 16000, 22050, 24000, 44100 or 48000. Not given: the rate
            of the frames, or 16000 if the service does not take that rate.
        encoding: The encoding on the wire; audio is converted to it. `mulaw` and `alaw` are 8 kHz.
        word_timestamps: Show words with times, confidence and speaker.
        diarize: Tell speakers apart.
        split_speakers: A final with several speakers becomes one event for each run of words.
            Not given: True if an adapter reads the stream. An agent session would begin a reply
            for each event, so a session gets one event with the speaker of most words. The words
            of the event name their speakers.
        speaker_format: The format of each run of words in a final with several speakers, with
            `{speaker_id}` and `{text}`, such as `"{speaker_id}: {text}"`. None: unchanged text.
        format: Punctuation and capitals; not given: the service's default.
        itn_normalize: Spoken numbers become digits, in finals.
        numerals: The legacy option for numbers as digits.
        keywords: Words to favour: `["Acme", ("NVIDIA", 2.0)]`, a mapping, or `"Acme:2,NVIDIA"`.
            The session's keyterms are added to them.
        sentence_timestamps: Sentences with times in `SpeechData.metadata["utterances"]`.
        redact_pii: Placeholders for personal data in finals; interims are not delivered.
        redact_pci: The same for payment data.
        endpointing: The server's VAD ends segments. Not given: on if the endpoint documents it.
        endpointing_timeout_ms: Silence in ms after which the server's VAD ends a segment. Not
            given: 300 if the endpoint documents it.
        eou_timeout_ms: Silence in ms after which the decoder ends a segment, 100 to 10000.
        vad_events: The server reports when speech starts and ends. Not given: on if the endpoint
            documents it. Without these reports, a final ends the speech.
        finalize_on_flush: A flush of the framework sends a finalize request.
        interim_results: Interims are delivered.
        min_confidence: Finals with a lower average confidence are dropped; 0 to 1.
        start_on_words: START_OF_SPEECH waits for the first text, so that a cough does not start
            speech.
        silence_level: After 2 s of audio below this loudness (root mean square, 0 to 1 of full
            scale), nothing is sent until louder audio comes, which is sent with the 0.5 s before
            it. This saves cost, and words below the level are lost. 0.001 is -60 dB, for tracks
            without background noise. Not given: all audio is sent.
        finalize_on_words: Long speech is cut into several finals.
        max_words: The number of words after which speech is cut.
        keepalive_interval: Seconds without audio after which the connection is kept alive; None:
            never.
        api_key: Not given: the key of the environment variable `SMALLEST_API_KEY`. Servers outside
            the cloud service need no key.
        http_session: Used by `recognize`; streams have their own websocket.
        region: `auto`, `us` or `india`: the host of the service in that region. Excludes
            `base_url`.
        external_session_id: Your id of the call, for the records of the service. An id that may
            hold a caller's number, such as the name of a SIP room, is replaced by a keyed hash.
        base_url: The server, or several in order of preference. The default is
            `https://api.smallest.ai`; `ws://127.0.0.1:8765` is the local server.
        stream_path: Path of the streaming endpoint. `/stt/live` and `/transcribe` select a dialect.
        dialect: `pulse` (default), `live`, `legacy` or `direct`; see `pulse_plugins.core`.
        limits: Bounds on memory.
        timeouts: Bounds on time. The framework's connection options set `connect`.
        **options: Any other field of `pulse_plugins.core.config.options.PulseOptions`.

    Raises:
        ConfigurationError: An argument cannot work, or there is no key. It is a ValueError.
    """

    def __init__(
        self,
        *,
        model: str = "pulse",
        language: str = "en",
        sample_rate: NotGivenOr[int] = NOT_GIVEN,
        encoding: Encoding = "linear16",
        word_timestamps: bool = True,
        diarize: bool = False,
        format: NotGivenOr[bool] = NOT_GIVEN,
        itn_normalize: NotGivenOr[bool] = NOT_GIVEN,
        numerals: NotGivenOr[bool | str] = NOT_GIVEN,
        keywords: NotGivenOr[Keywords | None] = NOT_GIVEN,
        sentence_timestamps: NotGivenOr[bool] = NOT_GIVEN,
        redact_pii: bool = False,
        redact_pci: bool = False,
        endpointing: NotGivenOr[bool] = NOT_GIVEN,
        endpointing_timeout_ms: NotGivenOr[int | None] = NOT_GIVEN,
        eou_timeout_ms: NotGivenOr[int | None] = NOT_GIVEN,
        vad_events: NotGivenOr[bool] = NOT_GIVEN,
        finalize_on_flush: bool = True,
        interim_results: bool = True,
        min_confidence: float = 0.0,
        start_on_words: bool = False,
        silence_level: NotGivenOr[float | None] = NOT_GIVEN,
        split_speakers: NotGivenOr[bool] = NOT_GIVEN,
        speaker_format: NotGivenOr[str | None] = NOT_GIVEN,
        finalize_on_words: NotGivenOr[bool | None] = NOT_GIVEN,
        max_words: NotGivenOr[int | None] = NOT_GIVEN,
        keepalive_interval: NotGivenOr[float | None] = NOT_GIVEN,
        api_key: str | None = None,
        http_session: aiohttp.ClientSession | None = None,
        region: NotGivenOr[Region] = NOT_GIVEN,
        external_session_id: NotGivenOr[str | None] = NOT_GIVEN,
        base_url: NotGivenOr[str | tuple[str, ...]] = NOT_GIVEN,
        stream_path: NotGivenOr[str] = NOT_GIVEN,
        dialect: NotGivenOr[DialectName] = NOT_GIVEN,
        limits: NotGivenOr[Limits] = NOT_GIVEN,
        timeouts: NotGivenOr[Timeouts] = NOT_GIVEN,
        **options: Any,
    ) -> None:
        self._settings = first_settings(
            {
                "model": model,
                "language": language,
                "sample_rate": sample_rate,
                "encoding": encoding,
                "word_timestamps": word_timestamps,
                "diarize": diarize or NOT_GIVEN,
                "format": format,
                "itn_normalize": itn_normalize,
                "numerals": numerals,
                "keywords": keywords,
                "sentence_timestamps": sentence_timestamps,
                "redact_pii": redact_pii or NOT_GIVEN,
                "redact_pci": redact_pci or NOT_GIVEN,
                "endpointing": endpointing,
                "endpointing_timeout_ms": endpointing_timeout_ms,
                "eou_timeout_ms": eou_timeout_ms,
                "vad_events": vad_events,
                "finalize_on_flush": finalize_on_flush,
                "interim_results": interim_results,
                "min_confidence": min_confidence,
                "start_on_words": start_on_words,
                "silence_level": silence_level,
                "split_speakers": split_speakers,
                "speaker_format": speaker_format,
                "region": region,
                "external_session_id": external_session_id,
                "finalize_on_words": finalize_on_words,
                "max_words": max_words,
                "keepalive_interval": keepalive_interval,
                "api_key": api_key,
                "base_url": base_url,
                "stream_path": stream_path,
                "dialect": dialect,
                "limits": limits,
                "timeouts": timeouts,
                **options,
            }
        )
        super().__init__(
            capabilities=stt.STTCapabilities(
                streaming=True, interim_results=True, offline_recognize=True, keyterms=True
            )
        )
        self._session = http_session
        self._keyterms: list[str] = []
        self._streams: weakref.WeakSet[SpeechStream] = weakref.WeakSet()
        self._prewarmed = Prewarmed()
        weakref.finalize(self, self._prewarmed.forget)
        self._show_capabilities()

    @property
    def model(self) -> str:
        """The model's name, for metrics and traces."""
        return self._settings.model

    @property
    def provider(self) -> str:
        """The provider's name, for metrics and traces."""
        return "SmallestAI"

    def stream(
        self,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> SpeechStream:
        """Make a stream for one audio track, which connects by itself. Needs a running loop.

        Args:
            language: The language of this stream.
            conn_options: If `max_retry` is 0 or 1, as a fallback adapter sets it, the stream fails
                after so many failed retries in a row. If it is larger, as an agent session sets
                it, the stream fails when faults have lasted for `timeouts.max_outage`.

        Raises:
            ValueError: The model does not stream, or the language cannot work.
        """
        if not self._settings.streams:
            raise ValueError(f"model {self.model!r} does not stream: use recognize()")
        self._show_capabilities()
        made = SpeechStream(
            stt=self,
            settings=self._settings.changed({"language": language}),
            keyterms=self._keyterms,
            prewarmed=self._prewarmed,
            conn_options=conn_options,
        )
        self._streams.add(made)
        return made

    def update_options(
        self,
        *,
        model: NotGivenOr[str] = NOT_GIVEN,
        language: NotGivenOr[str] = NOT_GIVEN,
        sample_rate: NotGivenOr[int] = NOT_GIVEN,
        encoding: NotGivenOr[Encoding] = NOT_GIVEN,
        format: NotGivenOr[bool | None] = NOT_GIVEN,
        itn_normalize: NotGivenOr[bool | None] = NOT_GIVEN,
        keywords: NotGivenOr[Keywords | None] = NOT_GIVEN,
        sentence_timestamps: NotGivenOr[bool | None] = NOT_GIVEN,
        redact_pii: NotGivenOr[bool | None] = NOT_GIVEN,
        redact_pci: NotGivenOr[bool | None] = NOT_GIVEN,
        endpointing: NotGivenOr[bool | None] = NOT_GIVEN,
        endpointing_timeout_ms: NotGivenOr[int | None] = NOT_GIVEN,
        eou_timeout_ms: NotGivenOr[int | None] = NOT_GIVEN,
        vad_events: NotGivenOr[bool | None] = NOT_GIVEN,
        finalize_on_flush: NotGivenOr[bool] = NOT_GIVEN,
        **options: Any,
    ) -> None:
        """Change options of live streams and of later ones. Live streams lose no words.

        An argument that is not given, or equal to the present value, changes nothing. `encoding`,
        `sample_rate` and `finalize_on_flush` take effect with the next stream: a session relies
        on `capabilities.manual_flush` as it was when the stream was made.

        Raises:
            ConfigurationError: An option is unknown or cannot work, here or in a live stream with
                a language of its own, or the model does not stream while a stream is live.
                Nothing has changed then.
        """
        given: Mapping[str, Any] = {
            "model": model,
            "language": language,
            "sample_rate": sample_rate,
            "encoding": encoding,
            "format": format,
            "itn_normalize": itn_normalize,
            "keywords": keywords,
            "sentence_timestamps": sentence_timestamps,
            "redact_pii": redact_pii,
            "redact_pci": redact_pci,
            "endpointing": endpointing,
            "endpointing_timeout_ms": endpointing_timeout_ms,
            "eou_timeout_ms": eou_timeout_ms,
            "vad_events": vad_events,
            "finalize_on_flush": finalize_on_flush,
            **options,
        }
        settings = self._settings.changed(given)
        live = [each for each in self._streams if each.is_live]
        if live and not settings.streams:
            raise ConfigurationError(
                f"model {settings.model!r} does not stream, and a stream is live"
            )
        planned = [(each, each.planned(given)) for each in live]
        self._settings = settings
        self._show_capabilities()
        for stream, its in planned:
            stream.adopt(its)

    def off(
        self, event: Literal["metrics_collected", "error"], callback: Callable[..., Any]
    ) -> None:
        """Remove a listener. A listener of metrics is told all usage before.

        A session that closes removes its listener before it flushes its stream for the last time.
        """
        if event == "metrics_collected":
            for each in self._streams:
                each.report_usage()
        super().off(event, callback)

    def prewarm(self) -> None:
        """Open a connection for the first stream. Without a running loop this does nothing.

        The connection waits for a stream for up to 30 s. If the frames of the stream have another
        rate than the prewarmed one (`sample_rate`, or the 24 kHz of an agent session's room), the
        connection is closed.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        if not self._settings.streams or any(each.is_live for each in self._streams):
            return
        options = self._settings.source_options(AudioFormat("linear16", ROOM_RATE))
        options = for_connection(with_keyterms(options, self._keyterms), _PREWARM)
        self._prewarmed.start(with_job_proxy(options))

    async def __aenter__(self) -> Self:
        return self

    async def aclose(self) -> None:
        """Close every stream and the prewarmed connection at once.

        A stream of another event loop is asked to end there, if that loop still runs.
        """
        await asyncio.gather(*[each.aclose() for each in self._streams], self._prewarmed.aclose())

    async def _recognize_impl(
        self,
        buffer: AudioBuffer,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions,
    ) -> stt.SpeechEvent:
        settings = self._settings.changed({"language": language})
        return await recognize(buffer, settings, conn_options, self._session)

    def _update_session_keyterms(self, keyterms: list[str]) -> None:
        self._keyterms = list(keyterms)
        for each in self._streams:
            each.update_keyterms(self._keyterms)

    def _show_capabilities(self) -> None:
        """The framework reads this object while it runs: it stays one and the same."""
        settings, shown = self._settings, self._capabilities
        shown.streaming = settings.streams
        shown.interim_results = settings.interim_results and not settings.options.redacts
        shown.diarization = bool(settings.options.diarize)
        shown.aligned_transcript = "word" if settings.word_timestamps else False
        if not any(each.is_live for each in self._streams):
            shown.manual_flush = settings.finalize_on_flush and settings.streams


_PREWARM = DEFAULT_API_CONNECT_OPTIONS
