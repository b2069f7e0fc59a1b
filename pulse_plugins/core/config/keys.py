"""API keys: which key belongs to which base URL.

A key must reach only the servers that it was given for. A stream with several base URLs may have
one server of the cloud and one of the user's own, and fail-over must not hand the key of the first
to the second.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from hashlib import blake2b

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.core.config.urls import CLOUD_URL, is_cloud
from pulse_plugins.core.config.validation import is_header_text

ENV_API_KEY = "SMALLEST_API_KEY"
"""The environment variable that holds the key for the cloud service."""
LOCAL_API_KEY = "local"
"""The key that is sent to a server outside the cloud when no key was given."""
_SALT = os.urandom(16)  # without it a short key could be found by trying


def clean_key(key: str | None) -> str | None:
    """Remove surrounding white space from a key; an empty key is None.

    Raises:
        ConfigurationError: The key has characters that no HTTP header can hold.
    """
    if not isinstance(key, str | None):
        raise ConfigurationError(f"an api_key is a str, not {type(key).__name__}")
    key = (key or "").strip()
    if not is_header_text(key):
        raise ConfigurationError(
            "api_key holds characters that no key has, such as a line break: copy the key again"
        )
    return key or None


def keys_of_urls(
    urls: Sequence[str], api_key: str | None, api_keys: Mapping[str, str]
) -> dict[str, str | None]:
    """Find the key of each base URL.

    `api_keys` comes first. `api_key` is the key of all other base URLs. Without `api_key`, hosts of
    the cloud service get the key of the environment, and other hosts get None.

    Args:
        urls: The base URLs.
        api_key: One key for all, cleaned.
        api_keys: Keys by base URL. A key for a URL that is not among `urls` is not used.

    Raises:
        ConfigurationError: `api_key` would go to the cloud service and to other hosts, or the cloud
            service would get no key.
    """
    if not isinstance(api_keys, Mapping):
        raise ConfigurationError("api_keys takes a mapping of base URLs to keys")
    keys = {url: clean_key(api_keys.get(url)) for url in urls}
    others = [url for url, key in keys.items() if key is None]
    if api_key is not None and len({is_cloud(url) for url in others}) > 1:
        raise ConfigurationError(
            "api_key would be sent to the cloud service and to another host: give each base URL "
            "its own key with api_keys={url: key}"
        )
    for url in others:
        keys[url] = api_key or (_environment_key() if is_cloud(url) else None)
    return keys


def fingerprint(key: str | None) -> str:
    """Identify a key, within this process, without holding it."""
    return blake2b((key or "").encode(), key=_SALT, digest_size=8).hexdigest()


def _environment_key() -> str:
    """Read the key for the cloud service from the environment."""
    key = clean_key(os.environ.get(ENV_API_KEY))
    if key is None:
        raise ConfigurationError(
            f"no API key for {CLOUD_URL}: set {ENV_API_KEY} or api_key, or point base_url "
            "at a local server such as ws://127.0.0.1:8765"
        )
    return key
