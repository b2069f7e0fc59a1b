"""A Pulse server on this machine, with a real recognizer or a scripted one, and faults on purpose.

The names below are loaded when they are first used: they need the `local` extra.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pulse_plugins.local.connection.records import ConnectionRecord
    from pulse_plugins.local.faults import Fault
    from pulse_plugins.local.recognizers.contract import Decoder, RecognizedWord, Recognizer
    from pulse_plugins.local.recognizers.scripted import ScriptedRecognizer, speak, spell
    from pulse_plugins.local.server import PulseServer, serve
    from pulse_plugins.local.settings import ServerOptions

__all__ = [
    "ConnectionRecord",
    "Decoder",
    "Fault",
    "PulseServer",
    "RecognizedWord",
    "Recognizer",
    "ScriptedRecognizer",
    "ServerOptions",
    "serve",
    "speak",
    "spell",
]

_MODULES = {
    "ConnectionRecord": "connection.records",
    "Decoder": "recognizers.contract",
    "Fault": "faults",
    "PulseServer": "server",
    "RecognizedWord": "recognizers.contract",
    "Recognizer": "recognizers.contract",
    "ScriptedRecognizer": "recognizers.scripted",
    "ServerOptions": "settings",
    "serve": "server",
    "speak": "recognizers.scripted",
    "spell": "recognizers.scripted",
}


def __getattr__(name: str) -> object:
    """Load a public name's module when it is first asked for."""
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names."""
    return __all__
