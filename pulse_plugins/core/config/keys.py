"""API keys: where they come from and what they may contain."""

from __future__ import annotations

import os

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.core.config.urls import CLOUD_URL
from pulse_plugins.core.config.validation import is_header_text

ENV_API_KEY = "SMALLEST_API_KEY"
"""The environment variable that holds the key for the cloud service."""
LOCAL_API_KEY = "local"
"""The key that is sent to a server outside the cloud when no key was given."""


def clean_key(key: str | None) -> str | None:
    """Remove surrounding white space from a key; an empty key is None.

    Raises:
        ConfigurationError: The key has characters that no HTTP header can hold.
    """
    key = (key or "").strip()
    if not is_header_text(key):
        raise ConfigurationError(
            "api_key holds characters that no key has, such as a line break: copy it anew"
        )
    return key or None


def environment_key() -> str:
    """Read the key for the cloud service from the environment.

    Raises:
        ConfigurationError: The variable is not set, or its value cannot be a key.
    """
    key = clean_key(os.environ.get(ENV_API_KEY))
    if key is None:
        raise ConfigurationError(
            f"no API key for {CLOUD_URL}: set {ENV_API_KEY} or api_key, or point base_url "
            "at a local server such as ws://127.0.0.1:8765"
        )
    return key
