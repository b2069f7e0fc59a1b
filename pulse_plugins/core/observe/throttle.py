"""Limits how often a fault that repeats is reported.

Nothing here reads a clock: `now` is seconds of any steady clock.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from math import inf

# Different faults that are remembered. A stream has a few dozen kinds; the bound holds even if the
# name of a fault comes from a server.
_MOST_FAULTS = 256


@dataclass(slots=True)
class _Reports:
    """The reports of one fault."""

    count: int = 0
    last: float = -inf
    suppressed: int = 0  # since the last report


class Throttle:
    """Reports a fault `burst` times at once, and then once in `interval`.

    A fault that has stayed away for `interval` is a new one.

    Args:
        burst: Reports before the first is suppressed.
        interval: Seconds between two reports after that; infinite: no further report until
            `clear`.
    """

    def __init__(self, burst: int, interval: float) -> None:
        self._burst = burst
        self._interval = interval
        self._faults: dict[Hashable, _Reports] = {}

    def allow(self, fault: Hashable, now: float) -> int | None:
        """Decide whether this occurrence of a fault is reported.

        Args:
            fault: What happened; occurrences with equal values are the same fault.
            now: Seconds.

        Returns:
            How many occurrences were suppressed since the last report; None: suppress this one.
        """
        reports = self._faults.get(fault)
        if reports is None:
            reports = self._faults[fault] = _Reports()
            if len(self._faults) > _MOST_FAULTS:
                del self._faults[next(iter(self._faults))]  # the oldest
        is_due = now - reports.last >= self._interval
        if is_due and not reports.suppressed:
            reports.count = 0
        if reports.count >= self._burst and not is_due:
            reports.suppressed += 1
            return None
        reports.count += 1
        reports.last = now
        suppressed, reports.suppressed = reports.suppressed, 0
        return suppressed

    def clear(self) -> None:
        """Forget all faults: the next occurrence of each is reported."""
        self._faults.clear()
