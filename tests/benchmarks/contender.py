"""What every program that a benchmark compares can do, behind one small interface.

async with CONTENDERS["pipecat ours"](server.url, 16_000) as contender:
    await contender.push(frame)  # 20 ms of 16-bit mono
    await contender.end_of_speech()
    await contender.finish()
    contender.heard  # what came back, and when
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

FRAME_SECONDS = 0.02
KEY = "not-a-key"  # the local server takes any
LAST_WORDS_SECONDS = 15.0  # seconds that what was pending at the end may take


@dataclass(frozen=True, slots=True)
class Heard:
    """A transcript as the consumer got it."""

    at: float  # time.perf_counter
    kind: Literal["interim", "final"]
    text: str


class Contender(ABC):
    """One caller's audio through one program, from `async with` to `finish`.

    Attributes:
        heard: The transcripts that came back, in order.
        confirmed: When the consumer was told that a turn has all its words: Pipecat's `finalized`
            transcripts, LiveKit's END_OF_SPEECH, the engine's and the bare client's answers to
            finalize. `time.perf_counter`.
        final_came: Set with the first final.
        failure: Why it ended before it was asked to, or None.
    """

    name: ClassVar[str]
    is_ours: ClassVar[bool] = False

    def __init__(self, url: str, rate: int = 16_000) -> None:
        """Prepare it.

        Args:
            url: The server, `ws://host:port`.
            rate: Hz of the frames, which is also sent.
        """
        self.url = url
        self.rate = rate
        self.heard: list[Heard] = []
        self.confirmed: list[float] = []
        self.final_came = asyncio.Event()
        self.failure: str | None = None

    @property
    def finals(self) -> list[str]:
        """The words of all finals, in order."""
        return " ".join(each.text for each in self.heard if each.kind == "final").split()

    def hear(self, kind: Literal["interim", "final"], text: str) -> None:
        """Remember a transcript that came this moment."""
        self.heard.append(Heard(time.perf_counter(), kind, text))
        if kind == "final":
            self.final_came.set()

    def confirm(self) -> None:
        """Remember that a turn's words were said to be complete this moment."""
        self.confirmed.append(time.perf_counter())

    @abstractmethod
    async def __aenter__(self) -> Self: ...

    @abstractmethod
    async def __aexit__(self, *_: object) -> None: ...

    @abstractmethod
    async def push(self, frame: bytes) -> None:
        """Give the next 20 ms."""

    async def start_of_speech(self) -> None:
        """Do what the framework does when its VAD hears speech begin; most do nothing."""
        return

    @abstractmethod
    async def end_of_speech(self) -> None:
        """Do what the framework does when its VAD hears speech end."""

    @abstractmethod
    async def finish(self) -> None:
        """Say that no audio follows, and wait until what was pending has come (or 15 s)."""


def hush() -> None:
    """Silence the logs of all: no contender's share is what it writes about itself."""
    import logging

    from loguru import logger

    logger.remove()
    logging.disable(logging.CRITICAL)
