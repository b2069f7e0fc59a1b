"""Opening a recording, which FFmpeg may have to read in several parts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from io import BytesIO
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import IO, TYPE_CHECKING

from pulse_plugins.cli.media.location import is_url, opened
from pulse_plugins.cli.media.selection import RAW_FORMATS, Selection
from pulse_plugins.core.audio import ogg_links

if TYPE_CHECKING:
    from av.container import InputContainer

_OPEN_TIMEOUT = 20.0  # seconds without an answer, for a URL


def parts(location: str, selection: Selection) -> Iterator[str | IO[bytes]]:
    """What has to be opened one after another: of a chained Ogg file each part, else the file."""
    path = Path(location)
    if selection.encoding is not None or is_url(location) or not path.is_file():
        yield location
        return
    with path.open("rb") as file:
        if not ogg_links.is_ogg(file.read(8)):
            yield location
            return
        with mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            places = ogg_links.links(data)
            if len(places) == 1:
                yield location
                return
            for start, end in zip(places, (*places[1:], len(data)), strict=True):
                yield BytesIO(data[start:end])


def open_container(
    source: str | IO[bytes], selection: Selection
) -> AbstractContextManager[InputContainer]:
    """Open a recording.

    Args:
        source: A path, an http(s) URL or an open file.
        selection: How it is read.

    Raises:
        av.error.FFmpegError: It cannot be opened.
    """
    import av

    file = opened(source) if isinstance(source, str) else source
    if selection.encoding is None:
        return av.open(file, "r", timeout=_OPEN_TIMEOUT, metadata_errors="replace")
    return av.open(
        file,
        "r",
        format=RAW_FORMATS[selection.encoding],
        options={"sample_rate": str(selection.rate)},
        timeout=_OPEN_TIMEOUT,
    )
