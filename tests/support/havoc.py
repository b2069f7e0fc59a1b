"""A network at its worst, from a seed."""

from __future__ import annotations

import random

from tests.support.peer import Link, Peer


class Havoc:
    """Cuts, refuses and swallows at random; put it in as the server's `fault`.

    Attributes:
        done: What it did, in order.
    """

    def __init__(self, server: Peer, seed: int) -> None:
        self._server = server
        self._random = random.Random(seed)
        self.done: list[str] = []

    def __call__(self, link: Link, what: str) -> bool:
        chance = self._random.random()
        if what == "audio" and chance < 0.04:
            self.done.append("cut")
            self._server.habits.refusals = [503] * self._random.randrange(3)
            link.cut()
            return True
        if what == "finalize" and chance < 0.3:
            self.done.append("cut at finalize")
            link.cut()
            return True
        return False
