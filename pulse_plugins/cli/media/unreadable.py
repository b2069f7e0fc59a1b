"""Why a recording cannot be read, in words that name the cause instead of a decoder's error."""

from __future__ import annotations

import os
import urllib.request
from pathlib import Path

from pulse_plugins.cli.media.location import host_of, is_url

_HEAD = 512  # bytes; enough to recognize a web page or a container
NO_HEADER = (
    "its suffix is that of samples without a header: say what they are, for example with "
    "--encoding mulaw --rate 8000"
)
_BARE = frozenset((".f32", ".g711a", ".g711u", ".mulaw", ".pcm", ".raw", ".s16", ".s32", ".ulaw"))
_PATIENCE = 10.0  # seconds for a second look at a URL


def reason(location: str, error: Exception) -> str:
    """Say why this file or URL cannot be read.

    Args:
        location: The path or URL that was opened.
        error: What the decoder raised.
    """
    head = _head(location)
    start = head.lstrip().lower()
    if head == b"" and not is_url(location) and _is_empty(location):
        return "the file is empty"
    if start.startswith((b"<!doctype html", b"<html")):
        return "it is a web page (HTML), not a recording"
    if head[4:8] == b"ftyp" and not is_url(location) and not _has_index(Path(location)):
        return (
            "the recording is unfinished: its index is missing, because the recorder or a download "
            "was stopped before the end"
        )
    if is_bare(location):
        return NO_HEADER
    if head and not head.strip(b"\0"):
        return "it holds zero bytes only, as a download that did not finish"
    if head and _is_text(head):
        return "it is text, not a recording"
    if isinstance(error, EOFError):
        return "the file ends before any sound begins"
    why = getattr(error, "strerror", None) or error  # FFmpeg's own text repeats the name
    if is_url(location) and not head and isinstance(error, OSError):
        return f"no recording comes from {host_of(location)}: check the URL and the network ({why})"
    return f"it cannot be read: {why}"


def is_bare(location: str) -> bool:
    """Whether the name says that a file holds samples without a header."""
    return Path(location).suffix.lower() in _BARE and not is_url(location)


def is_cut_short(path: Path) -> bool:
    """Whether a WAV file is shorter than its header says: the recorder or a copy was stopped."""
    said = _wav_length(path)
    return said is not None and path.stat().st_size + 1 < said


def has_more_behind(path: Path) -> bool:
    """Whether another WAV file follows the end of this one, as `cat a.wav b.wav` joins them.

    FFmpeg stops at the end that the first header names.
    """
    said = _wav_length(path)
    if said is None:
        return False
    with path.open("rb") as file:
        file.seek(said + said % 2)
        return file.read(4) == b"RIFF"


def _wav_length(path: Path) -> int | None:
    """Bytes of a WAV file by its header; None if it is no WAV file or its header has no length."""
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError:
        return None
    said = int.from_bytes(head[4:8], "little")
    # A WAV that was written to a pipe has no size: 0 or the largest number stands there.
    if head[:4] != b"RIFF" or head[8:] != b"WAVE" or not 0 < said < 0xFFFF_FF00:
        return None
    return said + 8


def _head(location: str) -> bytes:
    try:
        if is_url(location):
            asked = urllib.request.Request(location, headers={"Range": f"bytes=0-{_HEAD - 1}"})
            with urllib.request.urlopen(asked, timeout=_PATIENCE) as answer:
                found: bytes = answer.read(_HEAD)
            return found
        if not Path(location).is_file():  # a pipe was read to its end, and opening it again waits
            return b""
        with open(location, "rb") as file:
            return file.read(_HEAD)
    except (OSError, ValueError):
        return b""


def _has_index(path: Path) -> bool:
    """Whether an MP4 file has its `moov` box, which tells where the audio is.

    Source: ISO/IEC 14496-12, section 4.2: each box begins with its size and type.
    """
    with path.open("rb") as file:
        at = 0
        while len(head := file.read(16)) >= 8:
            size = int.from_bytes(head[:4], "big")
            if head[4:8] == b"moov":
                return True
            if size == 1:  # the size is in the eight bytes that follow
                size = int.from_bytes(head[8:16], "big")
            if size < 8:  # up to the end of the file, or nonsense
                return False
            at += size
            file.seek(at)
    return False


def _is_empty(location: str) -> bool:
    try:
        return Path(location).is_file() and os.stat(location).st_size == 0
    except (OSError, ValueError):
        return False


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return all(letter.isprintable() or letter.isspace() for letter in text)
