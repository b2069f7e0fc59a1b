"""URLs of the service: which hosts are the cloud's, joining a path, and writing the query."""

from __future__ import annotations

import json
from urllib.parse import urlsplit, urlunsplit

from pulse_plugins.core.config.dialects import Dialect

CLOUD_URL = "wss://api.smallest.ai"
"""The default base URL: the cloud service, nearest region."""


def is_cloud(url: str) -> bool:
    """Whether the URL's host belongs to the cloud service."""
    host = urlsplit(url).hostname or ""
    return host == "smallest.ai" or host.endswith(".smallest.ai")


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
