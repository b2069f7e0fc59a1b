"""A call whose server needs no telling: it shows each word it hears and answers in time."""

from __future__ import annotations

from typing import Any

from tests.support.call import Call
from tests.support.hearing import Hearing

ANSWERS_AFTER = 0.12  # seconds
_STEP = 0.05  # seconds


class AttentiveCall(Call):
    """An interim comes with each new word, the answer to finalize 0.12 s after it was asked."""

    def __init__(self, **given: Any) -> None:
        self._asked: dict[int, list[float]] = {}  # by link, when each open finalize came
        self._shown: dict[int, int] = {}  # by link, how many words the newest interim had
        super().__init__(**given)

    def settle(self) -> None:
        super().settle()
        while self._react():
            super().settle()

    def pass_time(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until - 1e-9:
            super().pass_time(min(_STEP, until - self.now))

    def _react(self) -> bool:
        """Say one thing that is due; whether there was any."""
        if not self.servers:
            return False
        server = self.server
        asked = self._asked.setdefault(self.link, [])
        del asked[: max(0, len(asked) - len(server.finalizes))]  # the test answered these
        asked += [self.now] * (len(server.finalizes) - len(asked))
        message = self._due(server, asked)
        if message is None:
            return False
        self._shown[self.link] = len(server.words())
        self.session.received(self.link, message, self.now)
        return True

    def _due(self, server: Hearing, asked: list[float]) -> str | None:
        if asked and self.now - asked[0] >= ANSWERS_AFTER:
            return server.answer()
        words = len(server.words())
        if words > self._shown.get(self.link, 0):
            return server.interim()
        self._shown[self.link] = words
        return None
