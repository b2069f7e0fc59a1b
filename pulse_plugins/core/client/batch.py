"""The pre-recorded endpoint: one recording up, one transcript back, over HTTP.

Source: protocol page, section 6.
"""

from __future__ import annotations

import asyncio
import logging
import stat
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Literal, Self, TypeAlias
from urllib.parse import urlsplit

import aiohttp
import msgspec

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
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.session.backoff import Backoff
from pulse_plugins.core.session.endpoint_health import shared_endpoints
from pulse_plugins.core.wire.batch_messages import BatchTranscript, read

MAX_BYTES = 250 * 2**20
"""The service refuses longer bodies, protocol page section 6."""

Audio: TypeAlias = bytes | bytearray | memoryview | Path | AsyncIterable[bytes] | str
Progress: TypeAlias = Callable[[int, int | None], None]

_PARAMETERS = frozenset(
    "model language word_timestamps diarize emotion_detection gender_detection redact_pii "
    "redact_pci format punctuate capitalize".split()
)
_CHUNK_BYTES = 64 * 1024
_SLOWEST = 32_000  # bytes a second: upload and recognition together, of 16-bit audio at 16 kHz
_PATIENCE = 60.0  # seconds beside that
_UNKNOWN_LENGTH = 600.0  # seconds; the service's own limit for one recording

_log = logging.getLogger("pulse_plugins")


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Where the service delivers the transcript instead of answering with it.

    Attributes:
        url: Publicly reachable.
        method: How it is called.
        extra: Given back with the delivery; names and values hold no comma and no colon.
    """

    url: str = field(repr=False)  # such URLs often carry a secret
    method: Literal["POST", "GET"] = "POST"
    extra: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check what the wire's own separators allow.

        Raises:
            ConfigurationError: The URL is none, the method unknown, or a separator is in `extra`.
        """
        if not _is_url(self.url):
            raise ConfigurationError("webhook: the URL must start with https:// or http://")
        if self.method not in ("POST", "GET"):
            raise ConfigurationError(f"webhook: method={self.method!r}: use 'POST' or 'GET'")
        if any(mark in text for pair in self.extra.items() for text in pair for mark in ",:"):
            raise ConfigurationError("webhook: extra must not hold ',' or ':', which the wire uses")

    def query(self) -> dict[str, str]:
        """The query parameters."""
        pairs = {"webhook_url": self.url, "webhook_method": self.method}
        if self.extra:
            pairs["webhook_extra"] = ",".join(f"{key}:{text}" for key, text in self.extra.items())
        return pairs


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
        upload = await _Upload.prepare(audio, content_type, progress)
        query = self._query(audio_format, webhook)
        if upload.is_link and self._model == "pulse-pro":
            raise ConfigurationError("model='pulse-pro' takes no URL: send the audio itself")
        if timeout is None:
            size = None if upload.is_link else upload.size
            timeout = _PATIENCE + (size / _SLOWEST if size is not None else _UNKNOWN_LENGTH)
        backoff = Backoff(self.options.retry, Random())
        now, key = asyncio.get_running_loop().time, self.options.api_key
        while True:
            url = shared_endpoints.choose(self.options.urls, key, now())
            try:
                transcript = await self._try(upload, query, timeout, url)
            except PulseError as error:
                if error.retryable:
                    shared_endpoints.failed(url, key, now(), retry_after=error.retry_after)
                if not error.retryable or not upload.repeatable:
                    raise
                delay = backoff.next(
                    slow=isinstance(error, RateLimitError), retry_after=error.retry_after
                )
                if delay is None or backoff.failures >= self._attempts:
                    raise
                _log.info("recording not transcribed (%s): again in %.1f s", error.code, delay)
            else:
                shared_endpoints.worked(url, key)
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
        self, upload: _Upload, query: dict[str, str], timeout: float, base_url: str
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
                headers=self.options.request_headers() | upload.headers(),
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


class _Upload:
    """A request's body, and what is known of it."""

    def __init__(
        self,
        source: bytes | bytearray | memoryview | Path | AsyncIterable[bytes],
        size: int | None,
        content_type: str,
        progress: Progress | None,
        *,
        is_link: bool = False,
    ) -> None:
        self._source = source
        self._content_type = content_type
        self._progress = progress
        self._begun = False
        self.size = size
        self.is_link = is_link
        self.problem: Exception | None = None

    @classmethod
    async def prepare(
        cls, audio: Audio, content_type: str | None, progress: Progress | None
    ) -> _Upload:
        """Look at the audio, without sending any.

        Raises:
            ConfigurationError: It is empty, too large, no file or no URL.
        """
        kind = content_type or "application/octet-stream"
        match audio:
            case str():
                if not _is_url(audio):
                    raise ConfigurationError(
                        "a str is a URL (https://...): for a file pass pathlib.Path"
                    )
                body = msgspec.json.encode({"url": audio})
                return cls(body, len(body), "application/json", None, is_link=True)
            case Path():
                try:
                    found = await asyncio.to_thread(audio.stat)
                except (OSError, ValueError) as problem:  # a ValueError: the name holds a NUL
                    why = getattr(problem, "strerror", None) or "no file has such a name"
                    raise ConfigurationError(f"the recording cannot be read: {why}") from None
                if stat.S_ISDIR(found.st_mode):
                    raise ConfigurationError("the recording cannot be read: it is a directory")
                size = found.st_size
            case bytes() | bytearray():
                size = len(audio)
            case memoryview():
                size = audio.nbytes
            case _:
                return cls(audio, None, kind, progress)
        if size == 0:
            raise ConfigurationError("the recording is empty")
        if size > MAX_BYTES:
            raise _too_large()
        return cls(audio, size, kind, progress)

    @property
    def repeatable(self) -> bool:
        """Whether the body can be sent once more."""
        return not (self._begun and isinstance(self._source, AsyncIterable))

    def headers(self) -> dict[str, str]:
        """The headers that describe the body; a known length spares the chunked encoding."""
        length = {} if self.size is None else {"Content-Length": str(self.size)}
        return {"Content-Type": self._content_type} | length

    async def body(self) -> AsyncIterator[bytes]:
        """The body for one request; what goes wrong on our side of it is kept in `problem`."""
        sent = 0
        try:
            async for chunk in self._chunks():
                self._begun = True
                sent += len(chunk)
                if sent > MAX_BYTES:
                    raise _too_large()
                yield chunk
                if self._progress is not None:
                    self._progress(sent, self.size)
        except Exception as problem:
            self.problem = problem
            raise

    async def _chunks(self) -> AsyncIterator[bytes]:
        match self._source:
            case Path() as path:
                file = await asyncio.to_thread(path.open, "rb")
                try:
                    while chunk := await asyncio.to_thread(file.read, _CHUNK_BYTES):
                        yield chunk
                finally:
                    file.close()
            case bytes() | bytearray() | memoryview() as whole:
                view = memoryview(whole).cast("B")
                for start in range(0, len(view), _CHUNK_BYTES):
                    yield bytes(view[start : start + _CHUNK_BYTES])
            case chunks:
                async for chunk in chunks:
                    yield chunk


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:  # brackets that hold no address
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _too_large() -> ConfigurationError:
    return ConfigurationError(
        f"the recording has more than {MAX_BYTES // 2**20} MB, the service's limit: split it"
    )


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
