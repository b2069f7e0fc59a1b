"""Smallest AI Pulse speech-to-text for Pipecat.

`from pulse_plugins.pipecat import PulseSTTService` goes wherever
`pipecat.services.smallest.stt.SmallestSTTService` goes.
"""

from __future__ import annotations

from pulse_plugins.pipecat.latency import PULSE_TTFS_P99
from pulse_plugins.pipecat.segmented import PulseSegmentedSTTService
from pulse_plugins.pipecat.settings import PulseSTTSettings
from pulse_plugins.pipecat.stt import PulseSTTService

__all__ = ["PULSE_TTFS_P99", "PulseSTTService", "PulseSTTSettings", "PulseSegmentedSTTService"]
