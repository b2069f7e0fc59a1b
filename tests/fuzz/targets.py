"""What is fuzzed: the client's reading of messages, and the local server's door.

A target is a strategy and a check that raises when the property does not hold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.fuzz.client import CLIENT_FRAMES, SESSIONS, check_parse, check_session
from tests.fuzz.server import REQUESTS, STREAMS, Door


@dataclass(frozen=True)
class Target:
    """One thing to fuzz: examples and the check of one."""

    name: str
    examples: st.SearchStrategy[Any]
    check: Callable[[Any], None]


def targets(door: Door) -> list[Target]:
    """All of them, cheapest first."""
    return [
        Target("parse", CLIENT_FRAMES, check_parse),
        Target("session", SESSIONS, check_session),
        Target("streams", STREAMS, door.check_stream),
        Target("requests", REQUESTS, door.check_request),
    ]
