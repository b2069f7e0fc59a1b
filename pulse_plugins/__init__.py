"""Smallest AI Pulse speech-to-text for Pipecat and LiveKit Agents.

The names below are the engine's; each is imported when it is first used, so that importing the
package costs nothing. The adapters are `pulse_plugins.pipecat` and `pulse_plugins.livekit`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from pulse_plugins.version import __version__

if TYPE_CHECKING:
    from pulse_plugins.core.audio.formats import AudioFormat, AudioFormatError
    from pulse_plugins.core.base.errors import (
        AccessDeniedError,
        AuthenticationError,
        CertificateError,
        ConfigurationError,
        ConnectionLostError,
        ConnectTimeoutError,
        InternalError,
        PaymentRequiredError,
        PulseError,
        RateLimitError,
        RegionError,
        RequestRejectedError,
        ServerError,
        StalledError,
        StreamClosedError,
    )
    from pulse_plugins.core.base.events import (
        AudioLost,
        Connected,
        Disconnected,
        Event,
        Final,
        Interim,
        MessageIgnored,
        OptionsApplied,
        OptionsRefused,
        Reconnecting,
        Recovered,
        ServerReported,
        SpeechEnded,
        SpeechStarted,
        Utterance,
        Word,
    )
    from pulse_plugins.core.client.batch import PulseBatch
    from pulse_plugins.core.client.stream import PulseStream
    from pulse_plugins.core.config.options import PulseOptions
    from pulse_plugins.core.config.retry import RetryPolicy
    from pulse_plugins.core.config.timing import Limits, Timeouts
    from pulse_plugins.core.observe.metrics import StreamMetrics

__all__ = [
    "AccessDeniedError",
    "AudioFormat",
    "AudioFormatError",
    "AudioLost",
    "AuthenticationError",
    "CertificateError",
    "ConfigurationError",
    "ConnectTimeoutError",
    "Connected",
    "ConnectionLostError",
    "Disconnected",
    "Event",
    "Final",
    "Interim",
    "InternalError",
    "Limits",
    "MessageIgnored",
    "OptionsApplied",
    "OptionsRefused",
    "PaymentRequiredError",
    "PulseBatch",
    "PulseError",
    "PulseOptions",
    "PulseStream",
    "RateLimitError",
    "Reconnecting",
    "Recovered",
    "RegionError",
    "RequestRejectedError",
    "RetryPolicy",
    "ServerError",
    "ServerReported",
    "SpeechEnded",
    "SpeechStarted",
    "StalledError",
    "StreamClosedError",
    "StreamMetrics",
    "Timeouts",
    "Utterance",
    "Word",
    "__version__",
]

_MODULES = {
    "audio.formats": ("AudioFormat", "AudioFormatError"),
    "config.retry": ("RetryPolicy",),
    "client.batch": ("PulseBatch",),
    "observe.metrics": ("StreamMetrics",),
    "config.options": ("PulseOptions",),
    "config.timing": ("Limits", "Timeouts"),
    "client.stream": ("PulseStream",),
    "base.errors": tuple(
        name for name in __all__ if name.endswith("Error") and "Format" not in name
    ),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    """Import a public name on first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = import_module(f"pulse_plugins.core.{_HOMES.get(name, 'base.events')}")
    value: object = getattr(home, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
