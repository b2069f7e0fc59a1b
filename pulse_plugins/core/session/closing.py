"""The end of a stream: how long the last words are waited for.

After the input ended, everything that is held may have to be sent, perhaps once more on another
connection, and its words need time to come back. Both are bounded.
"""

from __future__ import annotations

from pulse_plugins.core.config.in_force import OptionsInForce
from pulse_plugins.core.session.connection import REPLAY_SPEED

# Seconds to wait for `is_last` when no words are owed. The service was seen to leave the socket
# open without `is_last` after silence; other clients wait 2 s (docs/protocol.md, section 5).
_QUIET = 2.0
# Seconds that the handshake of a new connection takes: 0.2 to 0.8 (docs/protocol.md, section 5,
# point 6). Shorter: a handshake that works is given up, when less than twice this is left. Longer:
# no other attempt is made, when more than this and less than twice this is left.
_HANDSHAKE = 0.8


class Closing:
    """The end of one stream.

    Args:
        in_force: The options; `Timeouts.close` is the time for the last words.

    Attributes:
        began: The input has ended.
    """

    def __init__(self, in_force: OptionsInForce) -> None:
        self._in_force = in_force
        self.began = False
        self._held = 0.0
        self._ends_at = 0.0
        self._latest = 0.0
        self._closes = 0

    @property
    def seconds(self) -> float:
        """The longest time that the end may take: twice `Timeouts.close`, and all held audio."""
        return 2 * self._in_force.options.timeouts.close + self._held

    def begin(self, held: float, now: float) -> None:
        """The input has ended while `held` seconds of audio are not acked."""
        self.began = True
        self._held = held
        self._ends_at = now + self._in_force.options.timeouts.close + held / REPLAY_SPEED
        self._latest = now + self.seconds

    def sent(self, now: float) -> None:
        """A message was sent, and its answer needs time too."""
        ends_at = now + self._in_force.options.timeouts.close
        self._ends_at = min(max(self._ends_at, ends_at), self._latest)

    def handshake_ends_at(self, now: float) -> float:
        """When to give up a handshake that is under way, so that another one can be made in time.

        A handshake gets half of the time that is left. Otherwise one that is never answered would
        take all of it.
        """
        return now + max((self._ends_at - now) / 2, _HANDSHAKE)

    def count_close(self) -> None:
        """Count a server that closed with 1000 after the closing word and without `is_last`."""
        self._closes += 1

    @property
    def has_no_more_words(self) -> bool:
        """Whether two servers have closed like this.

        The first one may have lost the last words, so that another one is sent their audio. If that
        one closes like the first, there are no words in the audio.
        """
        return self._closes > 1

    def ends_at(self, quiet_since: float | None) -> float:
        """When to stop waiting.

        Args:
            quiet_since: When the server was heard last after the closing word, if no words are
                owed; else None.
        """
        if quiet_since is None:
            return self._ends_at
        return min(self._ends_at, quiet_since + _QUIET)
