"""A second of audio and its words cost no more calls than they did: a measure without a clock.

Counted are the calls of the package's own functions, and those that they make into C, in a turn of
one second: fifty frames, ten interims, a finalize and its final. Whoever makes the path longer on
purpose writes the new figure here, beside the reason in the commit.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

import pytest

import pulse_plugins
from tests.benchmarks.contender import FRAME_SECONDS, Contender
from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.service import FRAME_BYTES, RATE, serving

CALLS = {"engine": 2920, "pipecat ours": 4070, "livekit ours": 3940}
_ROOT = str(Path(pulse_plugins.__file__).parent)
_FRAMES = 50  # a second
_LOUD = (b"\x00\x10\x00\xf0" * FRAME_BYTES)[:FRAME_BYTES]


class Calls:
    """Counts while its block runs, in this thread."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> Self:
        sys.setprofile(self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        sys.setprofile(None)

    def _note(self, frame: FrameType, event: str, _: object) -> None:
        if event in ("call", "c_call") and frame.f_code.co_filename.startswith(_ROOT):
            self.count += 1


async def turn(contender: Contender) -> None:
    """Say a second of audio, as fast as a voice does, and wait for its words."""
    confirmed = len(contender.confirmed)
    for _ in range(_FRAMES):
        await contender.push(_LOUD)
        await asyncio.sleep(FRAME_SECONDS)
    await contender.end_of_speech()
    await until(lambda: len(contender.confirmed) > confirmed)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - a contender only remembers
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("name", CALLS)
async def test_a_turn_costs_no_more_calls_than_before(name: str) -> None:
    async with serving() as port, CONTENDERS[name](f"ws://127.0.0.1:{port}", RATE) as contender:
        await turn(contender)  # connects, and makes what is made once
        contender.heard.clear()
        with Calls() as calls:
            await turn(contender)
    assert calls.count <= 1.2 * CALLS[name], f"{calls.count} calls; it was {CALLS[name]}"
    assert calls.count >= 0.5 * CALLS[name], "it costs half as much: write the new figure down"
