"""A Pulse server on this machine, with a real recognizer or a scripted one, and faults on purpose.

The names below are loaded when they are first used: they need the `local` extra.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pulse_plugins.local.faults import Fault
    from pulse_plugins.local.recognizer import Decoder, RecognizedWord, Recognizer
    from pulse_plugins.local.records import ConnectionRecord
    from pulse_plugins.local.scripted import ScriptedRecognizer, speak, spell
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

_ROOMS = {
    "ConnectionRecord": "records",
    "Decoder": "recognizer",
    "Fault": "faults",
    "PulseServer": "server",
    "RecognizedWord": "recognizer",
    "Recognizer": "recognizer",
    "ScriptedRecognizer": "scripted",
    "ServerOptions": "settings",
    "serve": "server",
    "speak": "scripted",
    "spell": "scripted",
}


def __getattr__(name: str) -> object:
    """Load a public name's module when it is first asked for."""
    room = _ROOMS.get(name)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{room}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names."""
    return __all__
