"""A change of options in a live stream, without losing a word.

    REQUESTED  a second connection with the new options is asked for; audio goes to the old one
       │ it is open                       │ it is refused: try again later
       ▼                                  ▼
    DRAINING   the old connection is asked for the words of all audio that it was sent
       │ they are here, or `DRAIN_SECONDS` have passed
       ▼
    over: the new connection is sent everything that no final covers

When the service refuses the second connection because there are too many, the old one may hold
the last place of the plan. Then the old connection is drained first and let go, and the new one is
opened after it (`alone`).
"""

from __future__ import annotations

from dataclasses import dataclass

from pulse_plugins.core.base.errors import PulseError, RateLimitError
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.session.connection import Connection

# Seconds for the words of the old connection: the 99th percentile of the service's finals is 1.6 s,
# the 95th 0.53 s (docs/protocol.md, section 9, point 6). Words that come later are recognized again
# by the new connection. Shorter: more changes cost a replay. Longer: a slow server delays the
# change, and no audio is sent meanwhile.
DRAIN_SECONDS = 1.0
# Seconds before a refused second connection is tried again, times the number of refusals. The
# service asks to begin at 0.5 s (docs/protocol.md, section 5). Shorter: more handshakes, which
# the change takes from the retries of the stream. Longer: the change comes later.
_RETRY = 0.5
# Retries of a change. All of them take 5 s, in which a restart of a server is over. Fewer: a short
# fault refuses a change that would work. More: the owner hears later that the change is refused.
_RETRIES = 4


@dataclass(slots=True)
class OptionSwitch:
    """One change that is not complete.

    Attributes:
        options: The options that are to be in force.
        connection: The second connection, once it was asked for.
        alone: The service allows no second connection, so that the old one is closed first.
        draining: Audio that follows goes to the next connection.
        refusals: How often the second connection was lost or refused.
    """

    options: PulseOptions
    connection: Connection | None = None
    alone: bool = False
    draining: bool = False
    refusals: int = 0

    def refused(self, error: PulseError) -> float | None:
        """The second connection was refused, or was lost.

        Returns:
            Seconds until it is asked for again; None: the change is refused, or goes on `alone`.
        """
        self.connection, self.draining = None, False
        self.refusals += 1
        if isinstance(error, RateLimitError):
            self.alone = self.draining = True
            return None
        if not error.retryable or self.refusals > _RETRIES:
            return None
        return max(_RETRY * self.refusals, error.retry_after or 0.0)
