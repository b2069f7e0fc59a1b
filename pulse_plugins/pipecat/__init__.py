"""Smallest AI Pulse speech-to-text for Pipecat.

`pulse_plugins.pipecat.PulseSTTService` can be used wherever
`pipecat.services.smallest.stt.SmallestSTTService` can.
"""

from __future__ import annotations

from pulse_plugins.pipecat.latency import PULSE_TTFS_P99
from pulse_plugins.pipecat.segmented import PulseSegmentedSTTService
from pulse_plugins.pipecat.settings import PulseSTTSettings
from pulse_plugins.pipecat.stt import PulseSTTService

__all__ = ["PULSE_TTFS_P99", "PulseSTTService", "PulseSTTSettings", "PulseSegmentedSTTService"]
