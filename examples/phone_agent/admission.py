"""Decides which callers the phone agent takes: how many at once, and with which token."""

from __future__ import annotations

import secrets
import time

from itsdangerous import BadData, URLSafeTimedSerializer
from loguru import logger

_NONCE_BYTES = 12
_MOST_USED = 10_000  # used tokens that are remembered; more would be hundreds of calls a second
_QUIET_SECONDS = 10.0


class Lines:
    """Counts calls, and refuses one more than a limit.

    Args:
        most: How many calls are taken at once.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.open = 0

    @property
    def is_full(self) -> bool:
        """Whether one more call would be too many."""
        return self.open >= self.most

    def take(self) -> bool:
        """Take a line. Returns False if all lines are busy; otherwise `free` must follow."""
        if self.is_full:
            return False
        self.open += 1
        return True

    def free(self) -> None:
        """Give a line back."""
        self.open -= 1


class CallTokens:
    """Issues signed tokens. Each admits one call, within a short time.

    Args:
        purpose: What the tokens are for. A token for one purpose is not valid for another.
        secret: The key that signs. Several agents behind one load balancer need the same key. None
            makes a random key, which is lost when the process ends.
        seconds: How long a token is valid.
    """

    def __init__(self, purpose: str, secret: str | None, seconds: int) -> None:
        self._signer = URLSafeTimedSerializer(secret or secrets.token_hex(32), salt=purpose)
        self._seconds = seconds
        self._used: dict[str, float] = {}  # a token's nonce, and when the token expires

    def issue(self, subject: str) -> str:
        """Make a token.

        Args:
            subject: What the token is bound to, such as the id of a telephone call.
        """
        return str(self._signer.dumps([subject, secrets.token_urlsafe(_NONCE_BYTES)]))

    def redeem(self, token: str, subject: str) -> bool:
        """Whether a token is genuine, new, bound to this subject, and not used before.

        Args:
            token: What the caller sent.
            subject: As for `issue`.
        """
        try:
            issued_for, nonce = self._signer.loads(token, max_age=self._seconds)
        except (BadData, TypeError, ValueError):
            return False
        now = time.monotonic()
        while self._used and next(iter(self._used.values())) <= now:
            self._used.pop(next(iter(self._used)))  # the oldest stands first
        if issued_for != subject or nonce in self._used or len(self._used) >= _MOST_USED:
            return False
        self._used[nonce] = now + self._seconds + 1.0  # itsdangerous counts whole seconds
        return True


class Refusals:
    """Logs refused requests, but one line in ten seconds at most, so that nobody fills the log."""

    def __init__(self) -> None:
        self._quiet_until = 0.0
        self._untold = 0

    def tell(self, why: str) -> None:
        """Log one refusal, and how many were not logged since the last line.

        Args:
            why: What was refused. It must hold nothing that the caller chose.
        """
        now = time.monotonic()
        if now < self._quiet_until:
            self._untold += 1
            return
        more = f" ({self._untold} more were not logged)" if self._untold else ""
        logger.warning(f"refused: {why}{more}")
        self._quiet_until, self._untold = now + _QUIET_SECONDS, 0
