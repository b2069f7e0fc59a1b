"""When and where a stream tries to connect, and whether it may try again.

`RetryBudget` gives the time of the next attempt, and `EndpointHealth` gives its base URL. The end
of the input shortens the delay before an attempt and the time that its handshake may take.
"""

from __future__ import annotations

from random import Random

from pulse_plugins.core.base.errors import PulseError
from pulse_plugins.core.config.in_force import OptionsInForce
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.session.closing import Closing
from pulse_plugins.core.session.connection import Connection
from pulse_plugins.core.session.endpoint_health import EndpointHealth
from pulse_plugins.core.session.reconnect import RetryBudget


class Attempts:
    """The attempts of one stream to connect.

    Args:
        in_force: The options.
        closing: The end of the stream.
        random: For the jitter of delays.
        health: Which base URLs failed lately.
    """

    def __init__(
        self, in_force: OptionsInForce, closing: Closing, random: Random, health: EndpointHealth
    ) -> None:
        self._closing = closing
        self._budget = RetryBudget(in_force, random)
        self._health = health
        self._last_id = 0
        self._refused_regions: set[str] = set()  # base URLs that do not serve the language
        self._last_url: str | None = None  # of the connection that ended last

    # The next attempt.

    def wait(self, now: float) -> float:
        """Seconds until a handshake is allowed; 0: one is allowed now, and is counted."""
        return self._budget.wait_for_token(now)

    def connection(self, options: PulseOptions, now: float) -> Connection:
        """The next connection to ask for."""
        self._last_id += 1
        urls = [url for url in options.urls if url not in self._refused_regions] or options.urls
        url = self._health.choose(urls, options.account_for, now)
        return Connection(self._last_id, options, url)

    def handshake_ends_at(self, now: float) -> float | None:
        """When to give up a handshake that is under way now; None: the driver's limit is enough."""
        return self._closing.handshake_ends_at(now) if self._closing.began else None

    # The results of attempts.

    @property
    def number(self) -> int:
        """The number of the present attempt, counted from 1 since the last progress."""
        return self._budget.failures + 1

    def is_fail_over(self, connection: Connection) -> bool:
        """Whether a connection goes to another base URL than the one that ended last."""
        return self._last_url not in (None, connection.url)

    def ack_came(self, connection: Connection) -> None:
        """The ack offset moved: trouble is over and the base URL is good."""
        self._budget.progress()
        self._health.worked(connection.url, connection.options.account_for(connection.url))

    def lost(self, connection: Connection, error: PulseError | None, now: float) -> None:
        """A connection is gone, or could not be made."""
        if error is not None and error.retryable:  # another base URL may do better
            account = connection.options.account_for(connection.url)
            self._health.failed(connection.url, account, now, retry_after=error.retry_after)

    def ended(self, connection: Connection, *, progress: bool) -> None:
        """The current connection is gone; `progress` says whether it was good."""
        self._last_url = connection.url
        if progress:
            self._budget.progress()

    # Questions after a lost connection.

    @property
    def failures(self) -> int:
        """The number of failures since the last progress."""
        return self._budget.failures

    @property
    def trouble_ends_at(self) -> float | None:
        """When trouble without progress has lasted too long; None: there is no trouble."""
        return self._budget.ends_at

    def retry(self, error: PulseError, now: float, *, slow: bool) -> float | None:
        """Seconds until the next attempt, or None: the budget is spent.

        Args:
            error: Why the connection is gone.
            now: The session's clock.
            slow: The server says that there are too many connections.
        """
        self._budget.failed(now)
        if self._budget.is_spent(now):
            return None
        delay = self._budget.delay(slow=slow, retry_after=error.retry_after)
        return self.hurried(delay) if self._closing.began else delay

    def hurried(self, delay: float) -> float:
        """The delay after the end of the input, when only the last words are awaited."""
        return self._budget.hurried(delay)

    def other_region(self, connection: Connection) -> bool:
        """The base URL of a connection refused the language: do its options name another one?"""
        self._refused_regions.add(connection.url)
        return not self._refused_regions.issuperset(connection.options.urls)

    def options_changed(self) -> None:
        """Other options are in force, so that no region has refused their language yet."""
        self._refused_regions.clear()
