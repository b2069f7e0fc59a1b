"""Smallest AI Pulse speech-to-text for LiveKit Agents.

`pulse_plugins.livekit.STT` can be used wherever a `livekit.plugins.*.STT` can. Its arguments have
the names of `livekit.plugins.smallestai.STT` where they mean the same.
"""

from __future__ import annotations

import threading

from livekit.agents import Plugin

from pulse_plugins.livekit.options import logger
from pulse_plugins.livekit.speech_stream import SpeechStream
from pulse_plugins.livekit.stt import STT
from pulse_plugins.version import __version__

__all__ = ["STT", "SpeechStream", "__version__"]


class _PulsePlugin(Plugin):
    def __init__(self) -> None:
        super().__init__(__name__, __version__, __package__ or __name__, logger)


if threading.current_thread() is threading.main_thread():  # elsewhere the framework refuses
    Plugin.register_plugin(_PulsePlugin())
