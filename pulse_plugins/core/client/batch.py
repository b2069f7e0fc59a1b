"""The pre-recorded endpoint: one recording up, one transcript back, over HTTP.

Source: protocol page, section 6.
"""

from __future__ import annotations

import asyncio
import logging
import time
from email.utils import parsedate_to_datetime
from random import Random
from types import TracebackType
from typing import Literal, Self

import aiohttp

from pulse_plugins.core.audio.formats import AudioFormat
from pulse_plugins.core.base.errors import (
    ConfigurationError,
    ConnectionLostError,
    ConnectTimeoutError,
    PulseError,
    RateLimitError,
    StalledError,
    StreamClosedError,
)
from pulse_plugins.core.client.upload import Audio, Progress, Upload, Webhook
from pulse_plugins.core.config.in_force import OptionsInForce
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.session.endpoint_health import shared_health
from pulse_plugins.core.session.reconnect import RetryBudget
from pulse_plugins.core.wire.batch_messages import BatchTranscript, read

_PARAMETERS = frozenset(
    "model language word_timestamps diarize emotion_detection gender_detection redact_pii "
    "redact_pci format punctuate capitalize".split()
)
_SLOWEST = 32_000  # bytes a second: upload and recognition together, of 16-bit audio at 16 kHz
_PATIENCE = 60.0  # seconds beside that
_UNKNOWN_LENGTH = 600.0  # seconds; the service's own limit for one recording

_log = logging.getLogger("pulse_plugins")


class PulseBatch:
    """Transcribes recordings.

        async with PulseBatch(PulseOptions(language="en")) as batch:
            transcript = await batch.transcribe(Path("call.wav"))

    Args:
        options: Of these, what the pre-recorded endpoint knows is sent.
        model: `pulse-pro` (English, `dialect="live"` only), or None: the options' own.
        attempts: How often a request is tried in all, where trying again can help.
        session: A session of the caller's, which stays the caller's to close.

    Raises:
        ConfigurationError: The options cannot work for recordings.
    """

    def __init__(
        self,
        options: PulseOptions | None = None,
        *,
        model: Literal["pulse", "pulse-pro"] | None = None,
        attempts: int = 4,
        session: aiohttp.ClientSession | None = None,
    ) -> None:
        self.options = options if options is not None else PulseOptions()
        self._model = model or self.options.model
        self._attempts = attempts
        self._session = session
        self._owns_session = session is None
        self._closed = False
        self.options.batch_url()  # some dialects have none
        if attempts < 1:
            raise ConfigurationError("attempts must be at least 1")
        if self._model not in ("pulse", "pulse-pro"):
            raise ConfigurationError(
                f"model={self._model!r} is for streams: recordings take 'pulse' or 'pulse-pro'"
            )
        if self._model == "pulse-pro":
            if "model" not in self.options.row.parameters:
                raise ConfigurationError("model='pulse-pro' needs dialect='live'")
            if self.options.language != "en" or self.options.diarize:
                raise ConfigurationError(
                    "model='pulse-pro' is English without speakers: set language='en' and "
                    "diarize=None, or take model='pulse'"
                )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the session, unless it is the caller's. A second call does nothing."""
        self._closed = True
        if self._owns_session and self._session is not None:
            session, self._session = self._session, None
            await session.close()

    async def transcribe(
        self,
        audio: Audio,
        *,
        content_type: str | None = None,
        audio_format: AudioFormat | None = None,
        progress: Progress | None = None,
        webhook: Webhook | None = None,
        timeout: float | None = None,
    ) -> BatchTranscript:
        """Send one recording and wait for its transcript.

        Args:
            audio: A file's bytes or path (wav, mp3, flac, ogg, m4a, webm), its bytes as they
                come, or a public URL that the service fetches. Bytes as they come cannot be
                sent again: a failure after the first of them is final.
            content_type: Of the body; None: `application/octet-stream`, the service looks itself.
            audio_format: What bare samples without a container are; mono.
            progress: Called with the bytes sent so far and in all (None: not known); a retry
                starts at 0 again.
            webhook: Deliver the transcript there; the answer then only has a `request_id`.
            timeout: Seconds for one try; None: a minute and as long as the audio may play.

        Raises:
            ConfigurationError: Found before anything is sent: too large, no such file, and so on.
            StreamClosedError: `aclose` was called before.
            PulseError: The service or the network failed; `retryable` errors have been retried.
        """
        if self._closed:
            raise StreamClosedError("this PulseBatch is closed: make a new one")
        upload = await Upload.prepare(audio, content_type, progress)
        query = self._query(audio_format, webhook)
        if upload.is_link and self._model == "pulse-pro":
            raise ConfigurationError("model='pulse-pro' takes no URL: send the audio itself")
        if timeout is None:
            size = None if upload.is_link else upload.size
            timeout = _PATIENCE + (size / _SLOWEST if size is not None else _UNKNOWN_LENGTH)
        budget = RetryBudget(OptionsInForce(self.options), Random())
        now, key_for = asyncio.get_running_loop().time, self.options.key_for
        while True:
            url = shared_health.choose(self.options.urls, key_for, now())
            try:
                transcript = await self._try(upload, query, timeout, url)
            except PulseError as error:
                if error.retryable:
                    shared_health.failed(url, key_for(url), now(), retry_after=error.retry_after)
                if not error.retryable or not upload.repeatable:
                    raise
                budget.failed(now())
                if budget.failures >= self._attempts:
                    raise
                slow = isinstance(error, RateLimitError)
                delay = budget.delay(slow=slow, retry_after=error.retry_after)
                _log.info("recording not transcribed (%s): again in %.1f s", error.code, delay)
            else:
                shared_health.worked(url, key_for(url))
                return transcript
            await asyncio.sleep(delay)

    def _query(self, audio_format: AudioFormat | None, webhook: Webhook | None) -> dict[str, str]:
        known = {key: text for key, text in self.options.query().items() if key in _PARAMETERS}
        if "model" in self.options.row.parameters:
            known["model"] = self._model
        if audio_format is not None:
            if audio_format.channels != 1 or audio_format.encoding == "float32":
                raise ConfigurationError(
                    "audio_format: bare samples are mono and linear16, linear32, mulaw or alaw"
                )
            known["encoding"] = audio_format.encoding
            known["sample_rate"] = str(audio_format.sample_rate)
        return known | dict(self.options.extra) | (webhook.query() if webhook else {})

    async def _try(
        self, upload: Upload, query: dict[str, str], timeout: float, base_url: str
    ) -> BatchTranscript:
        """One request; foreign errors, which can show the key or a URL, do not leave it."""
        if self._session is None:
            self._session = aiohttp.ClientSession()
        url = self.options.batch_url(base_url)
        limits = aiohttp.ClientTimeout(total=timeout, sock_connect=self.options.timeouts.connect)
        try:
            async with self._session.post(
                url,
                params=query,
                data=upload.body(),
                headers=self.options.request_headers(base_url) | upload.headers(),
                timeout=limits,
                proxy=self.options.proxy,
                allow_redirects=False,  # the key is for this host alone
            ) as response:
                return read(
                    response.status,
                    await response.read(),
                    request_id=response.headers.get("x-request-id"),
                    retry_after=_retry_after(response.headers.get("Retry-After")),
                )
        except PulseError:
            raise
        except aiohttp.ConnectionTimeoutError:
            raise ConnectTimeoutError("the service did not accept a connection in time") from None
        except TimeoutError:
            error: PulseError = StalledError(f"no transcript within {timeout:.0f} s")
        except (aiohttp.ClientError, OSError) as problem:
            error = ConnectionLostError(
                f"the connection failed before the transcript came ({type(problem).__name__})"
            )
        raise upload.problem or error from None


def _retry_after(header: str | None) -> float | None:
    """Seconds from a `Retry-After` header in either of its forms, RFC 9110 section 10.2.3."""
    if header is None:
        return None
    try:
        if header.strip().isdecimal():
            return float(header)
        return max(parsedate_to_datetime(header).timestamp() - time.time(), 0.0)
    except ValueError:
        return None
