"""Smallest AI Pulse speech-to-text for Pipecat and LiveKit Agents."""

from pulse_plugins.version import __version__

__all__ = ["__version__"]
