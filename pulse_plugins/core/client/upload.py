"""The body of a request to the pre-recorded endpoint, and where its answer is delivered.

Source: docs/protocol.md, section 6.
"""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

import msgspec

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.core.config.validation import is_encodable, is_header_text

MAX_BYTES = 250 * 2**20
"""The longest body that the service accepts."""
_CHUNK_BYTES = 64 * 1024

Audio: TypeAlias = bytes | bytearray | memoryview | Path | AsyncIterable[bytes] | str
Progress: TypeAlias = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Where the service delivers a transcript, instead of answering with it.

    Attributes:
        url: A public URL.
        method: The HTTP method of the delivery.
        extra: Names and values that the delivery repeats; without commas and colons.
    """

    url: str = field(repr=False)  # such URLs often carry a secret
    method: Literal["POST", "GET"] = "POST"
    extra: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check all three.

        Raises:
            ConfigurationError: The URL or the method cannot be used, or `extra` holds a separator.
        """
        if not _is_url(self.url):
            raise ConfigurationError("webhook: the URL must start with https:// or http://")
        if self.method not in ("POST", "GET"):
            raise ConfigurationError(f"webhook: method={self.method!r}: use 'POST' or 'GET'")
        texts = [str(text) for pair in self.extra.items() for text in pair]
        if any("," in text or ":" in text or not is_encodable(text) for text in texts):
            raise ConfigurationError("webhook: extra must not hold ',' or ':', which the wire uses")

    def query(self) -> dict[str, str]:
        """The query parameters."""
        pairs = {"webhook_url": self.url, "webhook_method": self.method}
        if self.extra:
            pairs["webhook_extra"] = ",".join(f"{key}:{text}" for key, text in self.extra.items())
        return pairs


class Upload:
    """The body of a request.

    Attributes:
        size: Its length in bytes; None: unknown.
        is_link: The body names a URL that the service fetches.
        problem: What the caller's iterable, file or progress function raised during a request.
    """

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
    ) -> Upload:
        """Examine the audio, without sending any.

        Raises:
            ConfigurationError: The audio is empty, too large, no file or no URL.
        """
        if content_type is not None and not is_header_text(content_type):
            raise ConfigurationError("content_type holds characters that no header can hold")
        kind = content_type or "application/octet-stream"
        if isinstance(audio, str):
            if not _is_url(audio):
                raise ConfigurationError(
                    "a str is a URL (https://...): for a file pass pathlib.Path"
                )
            body = msgspec.json.encode({"url": audio})
            return cls(body, len(body), "application/json", None, is_link=True)
        size = await _size(audio)
        if size == 0:
            raise ConfigurationError("the recording is empty")
        if size is not None and size > MAX_BYTES:
            raise _too_large()
        return cls(audio, size, kind, progress)

    @property
    def repeatable(self) -> bool:
        """Whether the body can be sent again."""
        return not (self._begun and isinstance(self._source, AsyncIterable))

    def headers(self) -> dict[str, str]:
        """The headers that describe the body and the wanted answer."""
        length = {} if self.size is None else {"Content-Length": str(self.size)}
        return {"Content-Type": self._content_type, "Accept-Encoding": "identity"} | length

    async def body(self) -> AsyncIterator[bytes]:
        """The body for one request. An error on our side of it is kept in `problem`."""
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


async def _size(audio: bytes | bytearray | memoryview | Path | AsyncIterable[bytes]) -> int | None:
    """The bytes of the audio; None: unknown."""
    match audio:
        case Path():
            try:
                found = await asyncio.to_thread(audio.stat)
            except (OSError, ValueError) as problem:  # a ValueError: the name holds a NUL
                why = getattr(problem, "strerror", None) or "no file has such a name"
                raise ConfigurationError(f"the recording cannot be read: {why}") from None
            if stat.S_ISDIR(found.st_mode):
                raise ConfigurationError("the recording cannot be read: it is a directory")
            return found.st_size
        case bytes() | bytearray():
            return len(audio)
        case memoryview():
            return audio.nbytes
        case _:
            return None


def _is_url(text: str) -> bool:
    if not is_encodable(text):
        return False
    try:
        parts = urlsplit(text)
    except ValueError:  # brackets that hold no address
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _too_large() -> ConfigurationError:
    return ConfigurationError(
        f"the recording has more than {MAX_BYTES // 2**20} MB, the service's limit: split it"
    )
