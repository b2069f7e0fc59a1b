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

MAX_BYTES = 250 * 2**20
"""The longest body that the service accepts."""
_CHUNK_BYTES = 64 * 1024

Audio: TypeAlias = bytes | bytearray | memoryview | Path | AsyncIterable[bytes] | str
Progress: TypeAlias = Callable[[int, int | None], None]


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


class Upload:
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
    ) -> Upload:
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
