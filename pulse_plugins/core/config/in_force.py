"""The options in force, looked up by every part of a stream instead of being copied into it."""

from __future__ import annotations

from dataclasses import dataclass

from pulse_plugins.core.config.options import PulseOptions


@dataclass(slots=True)
class OptionsInForce:
    """Holds the options of one stream; only the session replaces them."""

    options: PulseOptions
