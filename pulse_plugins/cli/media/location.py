"""Paths and URLs: which is which, how each is opened and how it is shown."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import url2pathname

_SCHEMES = ("http", "https")


def is_url(source: str) -> bool:
    """Whether a source is fetched over the network; schemes may be written in any case."""
    return source.partition("://")[0].lower() in _SCHEMES and "://" in source


def is_file_url(source: str) -> bool:
    """Whether a source is a `file:` URL."""
    return source[:7].lower() == "file://"


def path_of(file_url: str) -> str:
    """The path that a `file:` URL names.

    Raises:
        ValueError: The URL names a file of another machine.
    """
    parts = urlsplit(file_url)
    if parts.netloc not in ("", "localhost"):
        raise ValueError("this file URL names another machine")
    return url2pathname(parts.path)


def host_of(url: str) -> str | None:
    """The host that a URL names, or None."""
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def opened(source: str) -> str:
    """What PyAV is given.

    The prefix keeps FFmpeg from taking what stands before a colon in a name for a protocol.
    """
    if is_url(source):
        scheme, rest = source.split("://", 1)
        return f"{scheme.lower()}://{rest}"
    return f"file:{source}"


def shown(source: str) -> str:
    """A source as it may be printed: a URL without user name, password and query.

    Query strings of download links often hold a signature, which gives access to the recording.
    """
    if not is_url(source):
        return source
    parts = urlsplit(source)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme.lower(), host, parts.path, "", ""))


def name_of(source: str) -> str:
    """The last part of a path or URL."""
    if is_url(source):
        return unquote(urlsplit(source).path).rstrip("/").rpartition("/")[2] or "audio"
    return source.replace("\\", "/").rstrip("/").rpartition("/")[2] or source
