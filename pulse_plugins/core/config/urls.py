"""URLs of the service: base URLs and their checks, joining a path, and writing the query."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit, urlunsplit

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.core.base.languages import LANGUAGES, REGION_HOSTS
from pulse_plugins.core.config.dialects import Dialect
from pulse_plugins.core.config.validation import warn_once

CLOUD_URL = "wss://api.smallest.ai"
"""The default base URL: the cloud service, nearest region."""
RegionName = Literal["us", "india"]

_CLOUD = "smallest.ai"
_FORM = "base_url must look like wss://host or ws://127.0.0.1:8765, without a query"


def base_urls(given: Any, region: str | None) -> str | tuple[str, ...]:
    """Check one base URL or several, or find the one of a region.

    Args:
        given: A str, or an iterable of str.
        region: A key of `REGION_HOSTS`, or None.

    Raises:
        ConfigurationError: Nothing can be reached at a URL, or a region was given beside a URL.
    """
    if region is not None:
        return _region_url(given, region)
    several = isinstance(given, Iterable) and not isinstance(given, (str, bytes))
    urls = tuple(given) if several else (given,)
    if not urls:
        raise ConfigurationError("base_url is empty: name at least one")
    for url in urls:
        if not isinstance(url, str):
            raise ConfigurationError(f"base_url takes a str or several, not {type(url).__name__}")
        _check_url(url)
    return urls if several else urls[0]


@lru_cache(maxsize=256)
def is_cloud(url: str) -> bool:
    """Whether the URL's host belongs to the cloud service."""
    # Name resolution maps letters of other widths, and accepts a dot at the end.
    host = (urlsplit(url).hostname or "").encode("idna").decode().lower().removesuffix(".")
    return host == _CLOUD or host.endswith("." + _CLOUD)


def advise_on_region(language: str, url: str) -> None:
    """Warn if this host of the cloud service closes streams in this language without a word.

    Source: docs/protocol.md, section 1.3. The default host is documented both as the one in India
    and as the nearest one, so for languages of India it gets no warning.
    """
    known = LANGUAGES.get(language)
    if known is None or known.region == "any" or not is_cloud(url):
        return
    host = urlsplit(url).hostname
    if host == REGION_HOSTS[known.region] or (known.region == "india" and url == CLOUD_URL):
        return
    warn_once(
        f"streams with language=%r need region={known.region!r}: other hosts may close the "
        "connection without a transcript",
        language,
    )


def check_path(path: str | None) -> None:
    """Check `stream_path`.

    Raises:
        ConfigurationError: The path holds characters that end a path or that no URL holds.
    """
    if path is not None and not (path.isascii() and path.isprintable() and not set(path) & _ENDS):
        raise ConfigurationError("stream_path takes printable ASCII without '?', '#' and spaces")


_ENDS = set("?# ")


def _region_url(given: Any, region: str) -> str:
    if region not in REGION_HOSTS:
        raise ConfigurationError(f"region={region!r}: use one of {', '.join(REGION_HOSTS)}")
    url = f"wss://{REGION_HOSTS[region]}"
    if given not in (CLOUD_URL, url):
        raise ConfigurationError("region and base_url both name a server: give one of them")
    return url


@lru_cache(maxsize=256)  # the options of a call are made several times, with the same URL
def _check_url(url: str) -> None:
    if not url.isprintable() or " " in url:
        raise ConfigurationError(_FORM)  # urlsplit removes line breaks silently
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        cloud = is_cloud(url)
    except ValueError:  # a port beyond 65535, half an IPv6 address, a label that is too long
        raise ConfigurationError("base_url has an impossible host or port") from None
    if parts.scheme not in ("ws", "wss", "http", "https") or not host or port == 0:
        raise ConfigurationError(_FORM)
    if _has_more(parts):
        raise ConfigurationError("base_url must hold no query and no credentials: use api_key")
    if cloud and parts.scheme in ("ws", "http"):
        raise ConfigurationError(
            "base_url: the cloud service is reached over TLS only, with wss:// or https://, "
            "because the API key and the audio would be readable on the way"
        )


def _has_more(parts: SplitResult) -> bool:
    return bool(parts.query or parts.fragment or parts.username or parts.password)


@lru_cache(maxsize=256)
def join_url(base_url: str, path: str, *, secure: str) -> str:
    """Append a path to a base URL whose own path may already end with the first part of it.

    Args:
        base_url: With one of the schemes ws, wss, http and https.
        path: The path of an endpoint.
        secure: The scheme to use if the base URL's scheme uses TLS: `wss` or `https`.
    """
    parts = urlsplit(base_url)
    base = parts.path.rstrip("/")
    steps = path.strip("/").split("/")
    for count in range(len(steps), 0, -1):
        head = "/" + "/".join(steps[:count])
        if base.endswith(head):
            base = base.removesuffix(head)
            break
    plain = secure.removesuffix("s")
    scheme = secure if parts.scheme in ("wss", "https") else plain
    return urlunsplit((scheme, parts.netloc, base + path, "", ""))


def encode_value(value: object, row: Dialect) -> str:
    """Write the value of one option as a query parameter of this dialect."""
    if isinstance(value, bool):
        return "true" if value else "false"  # the server compares with exactly "true"
    if isinstance(value, tuple):  # keywords, already checked
        texts = [word if boost is None else f"{word}:{boost:g}" for word, boost in value]
        return json.dumps(texts) if row.keywords == "json" else ",".join(texts)
    return str(value)
