"""PulseBatch: the client of the pre-recorded endpoint, over HTTP.

Source: docs/protocol.md, section 6.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from random import Random
from types import TracebackType
from typing import Literal, Self, TypeAlias

import aiohttp

from pulse_plugins.core.audio.formats import AudioFormat
from pulse_plugins.core.base.errors import (
    CertificateError,
    ConfigurationError,
    ConnectionLostError,
    ConnectTimeoutError,
    PulseError,
    RateLimitError,
    RegionError,
    ServerError,
    StalledError,
    StreamClosedError,
)
from pulse_plugins.core.client.http import (
    proxy_for,
    read_answer,
    redirect_error,
    retry_after,
)
from pulse_plugins.core.client.trust import certificate_error, tls_context
from pulse_plugins.core.client.upload import Audio, Progress, Upload, Webhook
from pulse_plugins.core.config.in_force import OptionsInForce
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.config.validation import warn_once
from pulse_plugins.core.session.endpoint_health import shared_health
from pulse_plugins.core.session.reconnect import RetryBudget
from pulse_plugins.core.wire.batch_messages import BatchTranscript, read

_PARAMETERS = frozenset(
    "model language word_timestamps diarize emotion_detection gender_detection redact_pii "
    "redact_pci format punctuate capitalize".split()
)
# Options that change a transcript and that the endpoint does not take. A warning names them.
# Options that only decide where a stream is divided have no meaning for a recording.
_NOT_TAKEN = (
    "keywords itn_normalize numerals no_format_delay sentence_timestamps full_transcript "
    "external_session_id"
).split()

# The default timeout of one attempt: a minute, and the time that the slowest useful network needs
# for the audio. 16-bit audio at 16 kHz has 32,000 bytes a second, so it may take as long to send
# and recognize as it plays.
_PATIENCE = 60.0  # seconds
_SLOWEST = 32_000  # bytes a second
_UNKNOWN_LENGTH = 600.0  # seconds; the service's limit for one recording

_Query: TypeAlias = Callable[[], dict[str, str]]

# Another host may have the language, or a certificate that can be verified.
_FAULT_OF_HOST = (RegionError, CertificateError)

_log = logging.getLogger("pulse_plugins")


class PulseBatch:
    """Transcribes recordings.

        async with PulseBatch(PulseOptions(language="en")) as batch:
            transcript = await batch.transcribe(Path("call.wav"))

    Args:
        options: The options that the pre-recorded endpoint knows are sent. A warning names the
            options that would change the transcript and that the endpoint does not know, such as
            `keywords`.
        model: `pulse-pro` (English, `dialect="live"` only), or None: the model of the options.
        attempts: The highest number of attempts for a request whose failure can pass.
        session: A session of the caller, who also closes it. Its own settings for TLS are used.

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
        if attempts < 1:
            raise ConfigurationError("attempts must be at least 1")
        _check_model(self._model, self.options)
        _warn_about_options(self.options)

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
        """Close the session, unless it belongs to the caller. A second call does nothing."""
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
            audio: The bytes or the path of a file (wav, mp3, flac, ogg, m4a, webm); an async
                iterable of its bytes; or a public URL, which the service fetches. An iterable
                cannot be sent again, so a failure after its first bytes is final.
            content_type: The type of the body. None: `application/octet-stream`, and the service
                detects the format.
            audio_format: The format of samples without a container; mono.
            progress: Called with the bytes sent so far and in all (None: unknown). A retry starts
                at 0.
            webhook: Where the service delivers the transcript. The answer then has a `request_id`
                and no text.
            timeout: Seconds for one attempt. None: a minute and as long as the audio may play.

        Raises:
            ConfigurationError: The request cannot work; nothing was sent.
            StreamClosedError: `aclose` was called before.
            PulseError: The service or the network failed. A failure that can pass was retried.
        """
        self._check_open()
        upload = await Upload.prepare(audio, content_type, progress)
        query = partial(self._query, audio_format, webhook)
        if upload.is_link and self._model == "pulse-pro":
            raise ConfigurationError("model='pulse-pro' takes no URL: send the audio itself")
        seconds = _patience(upload) if timeout is None else timeout
        budget = RetryBudget(OptionsInForce(self.options), Random())
        now, account_for = asyncio.get_running_loop().time, self.options.account_for
        urls = self.options.urls
        while True:
            url = shared_health.choose(urls, account_for, now())
            result = await self._try(upload, query, seconds, url)
            # Coverage under Python 3.11 loses some lines behind this `await` where an exception
            # was turned into a result. `test_batch_failures` runs them and fails without them.
            if isinstance(result, BatchTranscript):
                shared_health.worked(url, account_for(url))
                return result
            if result.retryable:
                shared_health.failed(url, account_for(url), now(), retry_after=result.retry_after)
            one_of_several = len(urls) > 1 and upload.repeatable
            if isinstance(result, _FAULT_OF_HOST) and one_of_several:  # pragma: no branch
                urls = tuple(each for each in urls if each != url)
                continue  # pragma: no cover
            delay = self._delay(result, budget, now()) if upload.repeatable else None
            if delay is None:
                raise result
            _log.info(  # pragma: no cover
                "recording not transcribed (%s): again in %.1f s", result.code, delay
            )
            await asyncio.sleep(delay)

    def _check_open(self) -> None:
        if self._closed:
            raise StreamClosedError("this PulseBatch is closed: make a new one")
        if self._session is not None and self._session.closed:
            raise StreamClosedError("the session is closed: make a new one")

    def _delay(self, error: PulseError, budget: RetryBudget, now: float) -> float | None:
        """Seconds before the next attempt; None: there is none."""
        budget.failed(now)
        if not error.retryable or budget.failures >= self._attempts:
            return None
        slow = isinstance(error, RateLimitError)
        return budget.delay(slow=slow, retry_after=error.retry_after)

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
        self, upload: Upload, query: _Query, seconds: float, base_url: str
    ) -> BatchTranscript | PulseError:
        """Make one request.

        Errors of the HTTP library hold the headers, the key among them. They are replaced by our
        own errors, which are returned and raised later without a traceback, so that an error
        tracker finds no frame with headers or URLs.

        Raises:
            Exception: What the caller's iterable or progress function raised.
        """
        result: BatchTranscript | PulseError
        url = self.options.batch_url(base_url)
        try:
            result = await self._request(upload, query, seconds, url, base_url)
        except PulseError as error:
            result = error.with_traceback(None)
        except Exception as failed:
            result = _request_error(failed, url, seconds)
        if upload.problem is not None:
            raise upload.problem
        return result

    async def _request(
        self, upload: Upload, query: _Query, seconds: float, url: str, base_url: str
    ) -> BatchTranscript:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        proxy = proxy_for(url, self.options.proxy)
        if proxy is not None and not proxy.startswith(("http:", "https:")):
            raise ConfigurationError("recordings take an HTTP proxy; another kind was configured")
        ours = self._owns_session and url.startswith("https:")
        async with self._session.post(
            url,
            params=query(),  # a webhook's URL may hold a secret, like the headers
            data=upload.body(),
            headers=self.options.request_headers(base_url) | upload.headers(),
            timeout=aiohttp.ClientTimeout(
                total=seconds, sock_connect=self.options.timeouts.connect
            ),
            proxy=proxy,
            ssl=await tls_context() if ours else True,
            allow_redirects=False,
            auto_decompress=False,  # a small body could become a huge one
        ) as response:
            headers = response.headers
            if 300 <= response.status < 400:
                raise redirect_error(response.status, url, headers.get("Location", ""))
            transcript = await _beside_the_loop(
                partial(
                    read,
                    response.status,
                    await _body(response),
                    language=self.options.language,
                    request_id=headers.get("x-request-id"),
                    retry_after=retry_after(headers.get("Retry-After")),
                )
            )
            # Utterances may hold the text that redaction replaced (docs/protocol.md, section 4.3).
            return replace(transcript, utterances=()) if self.options.redacts else transcript


async def _beside_the_loop(do_read: Callable[[], BatchTranscript]) -> BatchTranscript:
    """Read an answer in a thread, because all calls of the process share the event loop.

    To read the words of nine hours, 12 MB, takes 0.9 s. In a thread the event loop is held up for
    0.3 s of that, in which the JSON decoder keeps the interpreter for itself.
    """
    try:
        return await asyncio.to_thread(do_read)
    except RuntimeError:  # no thread can be started
        return do_read()


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """Read the whole body of an answer.

    Raises:
        ServerError: The body is too long, or compressed although that was not asked for.
    """
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise ServerError("the service's answer is compressed", code="unreadable")
    body = await read_answer(response)
    if body is None:
        raise ServerError("the service's answer is too long", code="unreadable")
    return body


def _request_error(failed: Exception, url: str, seconds: float) -> PulseError:
    match failed:
        case aiohttp.ClientConnectorCertificateError():
            return certificate_error(url, failed.certificate_error)
        case aiohttp.ClientHttpProxyError():
            return ConnectionLostError(
                f"the proxy did not connect to the server: it answered with HTTP {failed.status}",
                code="proxy",
                status=failed.status,
            )
        case aiohttp.ConnectionTimeoutError():
            return ConnectTimeoutError("the service did not accept a connection in time")
        case TimeoutError():
            return StalledError(f"no transcript within {seconds:.0f} s")
        case aiohttp.ClientError() | OSError():
            return ConnectionLostError(
                f"the connection failed before the transcript came ({type(failed).__name__})"
            )
        case RuntimeError():  # the resolver of host names runs in a thread
            return ConnectionLostError("no connection: no thread can be started", code="resources")
        case _:
            return ConfigurationError(f"no request can be made: {type(failed).__name__}")


def _check_model(model: str, options: PulseOptions) -> None:
    options.batch_url()  # raises for a dialect without the endpoint
    if model not in ("pulse", "pulse-pro"):
        raise ConfigurationError(
            f"model={model!r} is for streams: recordings take 'pulse' or 'pulse-pro'"
        )
    if model == "pulse-pro":
        if "model" not in options.row.parameters:
            raise ConfigurationError("model='pulse-pro' needs dialect='live'")
        if options.language != "en" or options.diarize:
            raise ConfigurationError(
                "model='pulse-pro' is English without speakers: set language='en' and "
                "diarize=None, or take model='pulse'"
            )


def _warn_about_options(options: PulseOptions) -> None:
    names = [name for name in _NOT_TAKEN if getattr(options, name) not in (None, False, ())]
    if names:
        warn_once(
            "the pre-recorded endpoint does not take %s: they have no effect on recordings",
            ", ".join(names),
        )


def _patience(upload: Upload) -> float:
    """The default timeout of one attempt, in seconds."""
    if upload.is_link or upload.size is None:
        return _PATIENCE + _UNKNOWN_LENGTH
    return _PATIENCE + upload.size / _SLOWEST
