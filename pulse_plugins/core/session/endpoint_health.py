"""Chooses among several base URLs: one that failed lately is passed over for a while.

The streams of a process share the memory of failures, so that a new stream does not try a base URL
that has just failed another stream. Nothing here reads a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

# Seconds for which a base URL is passed over after one failure. Chosen, not measured. Shorter:
# while a host is down, each new stream loses the time of one handshake more often. Longer: one lost
# connection keeps all streams away from the preferred host for longer.
_FIRST = 10.0
# Seconds; the time doubles with each failure up to this. Five failures in a row reach it. Longer: a
# host that works again is used later by this time. Shorter: see `_FIRST`.
_LONGEST = 300.0
# Seconds during which one stream alone tries a base URL again. A handshake takes 10 s at most by
# default, and the first words some seconds more. Shorter: a second stream is sent to a host that
# has not answered yet. Longer: the other streams come back later by this time.
_PROBE = 15.0
_REMEMBERED = 512  # base URLs; bounds the memory, and the oldest are forgotten


@dataclass(slots=True)
class _Failures:
    """The failures of one base URL with one key; a limit of the service belongs to a key."""

    count: int = 0
    until: float = 0.0  # when the base URL may be tried again


class EndpointHealth:
    """Remembers failures by base URL and account."""

    def __init__(self) -> None:
        self._failures: dict[tuple[str | None, str], _Failures] = {}

    def choose(
        self, urls: Sequence[str], account_for: Callable[[str], str | None], now: float
    ) -> str:
        """The first healthy base URL; if none is, the one that may be tried again first.

        A base URL that was passed over for long enough is given to one stream, and to others only
        `_PROBE` seconds later, so that not all streams connect at once to a server that comes back.

        Args:
            urls: In order of preference, at least one.
            account_for: Identifies the API key of a base URL.
            now: Seconds of the process's steady clock.
        """
        if len(urls) == 1:
            return urls[0]
        best, soonest = urls[0], float("inf")
        for url in urls:
            failures = self._failures.get((account_for(url), url))
            if failures is None:
                return url
            if failures.until <= now:
                failures.until = now + _PROBE
                return url
            if failures.until < soonest:
                best, soonest = url, failures.until
        return best

    def failed(
        self, url: str, account: str | None, now: float, *, retry_after: float | None = None
    ) -> None:
        """A connection could not be made, or was lost: pass the base URL over for a while.

        Args:
            url: The base URL.
            account: Identifies the API key that was used.
            now: Seconds of the process's steady clock.
            retry_after: Seconds for which the server asked not to be tried.
        """
        failures = self._failures.pop((account, url), None) or _Failures()
        failures.count += 1
        pause = min(_FIRST * 2.0 ** min(failures.count - 1, 30), _LONGEST)
        failures.until = now + max(pause, min(retry_after or 0.0, _LONGEST))
        self._failures[(account, url)] = failures  # the newest is last
        if len(self._failures) > _REMEMBERED:
            self._failures.pop(next(iter(self._failures)))

    def worked(self, url: str, account: str | None) -> None:
        """The server recognized words: forget its failures."""
        self._failures.pop((account, url), None)


shared_health = EndpointHealth()
