"""The time from the end of speech to the final that completes the turn (TTFS).

Pipecat's turn strategies end a turn when a finalized transcript arrives. If none arrives, they wait
for the published TTFS. A value that is too low ends turns before their last words; a value that is
too high delays only the turns without a finalized transcript.
"""

from __future__ import annotations

import math
from collections import deque

from pipecat.services.stt_latency import SMALLEST_TTFS_P99

# The framework's own benchmark of the service over the network (1000 samples, VAD stop_secs 0.2).
# Measure your own deployment with `PulseSTTService.measured_ttfs_p99`.
PULSE_TTFS_P99: float = SMALLEST_TTFS_P99

_KEPT = 1000  # turns
_ENOUGH = 20  # turns; the 99th percentile of fewer turns is only the slowest of them


class LatencyMeter:
    """Collects the TTFS of the turns of one service."""

    def __init__(self) -> None:
        self.ended: float | None = None  # when the speech ended whose words are awaited
        self._seconds: deque[float] = deque(maxlen=_KEPT)

    def speech_ended(self, at: float) -> None:
        """Speech ended at this time, in seconds on any clock."""
        self.ended = at

    def completed(self, at: float) -> None:
        """The turn has its words; only the first time after an end of speech counts."""
        if self.ended is not None:
            self._seconds.append(max(0.0, at - self.ended))
            self.ended = None

    def percentile(self, share: float) -> float | None:
        """The nearest-rank percentile in seconds, or None while there are too few turns.

        Args:
            share: 0 to 1, such as 0.99.
        """
        if len(self._seconds) < _ENOUGH:
            return None
        ordered = sorted(self._seconds)
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
