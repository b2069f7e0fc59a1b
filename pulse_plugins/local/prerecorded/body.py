"""The body of an upload on its way from the socket into a temporary file."""

from __future__ import annotations

import asyncio
import tempfile
from types import TracebackType
from typing import IO, Self

from aiohttp import StreamReader

from pulse_plugins.local.wire.refusals import RefusedError

_IN_MEMORY = 1 << 20  # bytes; a longer body is written to a file that has no name
_SLOWEST = 4096  # bytes per second that an upload must reach on average


class Body:
    """A body that can be read from its start as often as needed; a context manager.

    Attributes:
        size: Bytes received.
    """

    def __init__(self, data: bytes = b"") -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
        self.size = 0
        self.append(data)

    def append(self, data: bytes) -> None:
        """Add received bytes at the end."""
        self._file.write(data)
        self.size += len(data)

    def file(self) -> IO[bytes]:
        """The bytes from the start. There is one file, so one reader at a time."""
        self._file.seek(0)
        return self._file

    def descriptor(self) -> int:
        """A file descriptor at the start of the bytes, for another process."""
        self._file.rollover()
        self._file.flush()
        self._file.seek(0)
        return self._file.fileno()

    def close(self) -> None:
        """Delete the bytes."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


async def receive(content: StreamReader, *, limit: int, timeout: float) -> Body:
    """Read a body to its end.

    Args:
        content: Where the bytes come from.
        limit: Bytes that a body may have.
        timeout: Seconds that the body may take, and one more for every 4096 bytes of it. So a
            sender of a byte now and then is not waited for, and a large file has its time.

    Raises:
        RefusedError: The body is too large (413), or stopped coming (408).
    """
    clock = asyncio.get_running_loop().time
    began = clock()
    body = Body()
    try:
        while not content.at_eof():
            deadline = began + timeout + body.size / _SLOWEST
            async with asyncio.timeout_at(deadline):
                body.append(await content.readany())
            if body.size > limit:
                text = f"Audio data too large: more than {limit} bytes (max_body_bytes)"
                raise RefusedError(413, text)
    except TimeoutError:
        body.close()
        raise RefusedError(408, "the body did not arrive in time (upload_timeout)") from None
    except BaseException:
        body.close()
        raise
    return body
