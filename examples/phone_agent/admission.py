"""Decides which callers the phone agent takes: how many at once, and with which token."""

from __future__ import annotations

import secrets
import time

from itsdangerous import BadData, URLSafeTimedSerializer

_NONCE_BYTES = 12


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
        self._used = {used: until for used, until in self._used.items() if until > now}
        if issued_for != subject or nonce in self._used:
            return False
        self._used[nonce] = now + self._seconds + 1.0  # itsdangerous counts whole seconds
        return True
