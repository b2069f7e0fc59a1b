"""Which of several base URLs is worth a try: what failed lately is passed over for a while.

The memory is the process's, so that a stream that begins now does not find out again what the
others know. Nothing here reads a clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_FIRST = 10.0  # seconds for which a URL is passed over after one failure
_LONGEST = 300.0
_PROBE = 15.0  # seconds in which one stream alone finds out whether it works again
_MOST = 512  # URLs that are remembered


@dataclass(slots=True)
class _Trouble:
    failures: int = 0
    until: float = 0.0


class EndpointHealth:
    """The health of base URLs, each for the key it was tried with: a limit is a key's affair."""

    def __init__(self) -> None:
        self._troubles: dict[tuple[str | None, str], _Trouble] = {}

    def choose(self, urls: Sequence[str], key: str | None, now: float) -> str:
        """The first that is healthy; if none is, the one that may be tried again first.

        One that failed and has waited for long enough is given to one caller, and to others only
        after a while: a server that comes back is not met by everybody at once.

        Args:
            urls: In order of preference, at least one.
            key: Whose they are tried with.
            now: Seconds of the process's steady clock.
        """
        if len(urls) == 1:
            return urls[0]
        best, soonest = urls[0], float("inf")
        for url in urls:
            trouble = self._troubles.get((key, url))
            if trouble is None:
                return url
            if trouble.until <= now:
                trouble.until = now + _PROBE
                return url
            if trouble.until < soonest:
                best, soonest = url, trouble.until
        return best

    def failed(
        self, url: str, key: str | None, now: float, *, retry_after: float | None = None
    ) -> None:
        """A connection to it could not be made, or was lost: avoid it, longer every time.

        Args:
            url: The base URL.
            key: Whose it was tried with.
            now: Seconds of the process's steady clock.
            retry_after: Seconds for which the server asked to be left alone.
        """
        trouble = self._troubles.pop((key, url), None) or _Trouble()
        trouble.failures += 1
        pause = min(_FIRST * 2.0 ** min(trouble.failures - 1, 30), _LONGEST)
        trouble.until = now + max(pause, min(retry_after or 0.0, _LONGEST))
        self._troubles[(key, url)] = trouble  # the newest is last
        if len(self._troubles) > _MOST:
            self._troubles.pop(next(iter(self._troubles)))

    def worked(self, url: str, key: str | None) -> None:
        """The server said something: what was held against it is forgotten."""
        self._troubles.pop((key, url), None)


shared_health = EndpointHealth()
