"""Where the time of a turn goes, from the caller's last word to the agent's first sound.

    python -m examples.phone_agent.measure            # 50 turns of simulated calls
    python -m examples.phone_agent.measure --turns 10 --plot turns.svg

Four calls at a time; the parts follow each other: the silence that the VAD waits for, the final
transcript, what the turn strategy waits beyond it, the policy, the voice.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from fastapi import FastAPI
from loguru import logger
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    LLMTextFrame,
    TranscriptionFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.observers.base_observer import BaseObserver, FramePushed
from pipecat.transports.base_transport import BaseTransport

from examples.phone_agent import telephone
from examples.phone_agent.__main__ import local_pulse, make_server
from examples.phone_agent.bookings import BookingStore
from examples.phone_agent.dialogue import Dialogue
from examples.phone_agent.pipecat_bot import TELEPHONE_RATE, run_bot
from examples.phone_agent.simulate_call import SCRIPTS, call
from tests.benchmarks.plot import dots

PARTS = ("VAD", "STT", "turn", "policy", "TTS")
_AT_ONCE = 4


@dataclass(slots=True)
class _Moments:
    """Wall clock times of one turn."""

    ended: float
    noticed: float
    final: float | None = None
    over: float | None = None
    answered: float | None = None


class Stopwatch(BaseObserver):
    """Takes the times of each turn of a call; a pause inside a turn begins it anew.

    Attributes:
        turns: Seconds of each part, in the order of `PARTS`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.turns: list[tuple[float, ...]] = []
        self._now: _Moments | None = None

    async def on_push_frame(self, data: FramePushed) -> None:
        """A frame passes from one processor to the next; the first time counts."""
        frame, now = data.frame, self._now
        match frame:
            case VADUserStoppedSpeakingFrame():
                ended = frame.timestamp - frame.stop_secs
                if now is None or now.ended != ended:
                    self._now = _Moments(ended, time.time())
            case VADUserStartedSpeakingFrame() if now is not None and now.over is None:
                self._now = None
            case TranscriptionFrame(finalized=True) if now is not None:
                now.final = now.final or time.time()
            case UserStoppedSpeakingFrame() if now is not None:
                now.over = now.over or time.time()
            case LLMTextFrame() if now is not None:
                now.answered = now.answered or time.time()
            case BotStartedSpeakingFrame() if now is not None:
                self._finish(now)
            case _:
                pass

    def _finish(self, at: _Moments) -> None:
        if at.over is None or at.answered is None:
            return  # it spoke about something else
        final = max(at.noticed, at.final or at.noticed)
        marks = (at.ended, at.noticed, final, at.over, at.answered, time.time())
        self.turns.append(tuple(b - a for a, b in pairwise(marks)))
        self._now = None


async def measure(turns: int) -> list[tuple[float, ...]]:
    """Simulate calls until so many turns were answered; seconds of each part."""
    taken: list[Stopwatch] = []
    with TemporaryDirectory() as folder:
        async with local_pulse(_AT_ONCE) as pulse:
            app, store = FastAPI(), BookingStore(f"sqlite:///{folder}/bookings.db")

            async def answer(transport: BaseTransport) -> None:
                watch = Stopwatch()
                taken.append(watch)
                await run_bot(
                    transport,
                    dialogue=Dialogue(store),
                    rate=TELEPHONE_RATE,
                    pulse_url=pulse.url if pulse else None,
                    observers=[watch],
                )

            telephone.add_routes(app, telephone.Lines(_AT_ONCE), answer)
            server = make_server(app, "127.0.0.1", 0)
            serving = asyncio.create_task(server.serve())
            while not server.started:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.05)
            port = server.servers[0].sockets[0].getsockname()[1]
            url = f"http://127.0.0.1:{port}/twilio"
            while sum(len(watch.turns) for watch in taken) < turns:
                await asyncio.gather(*(call(url, SCRIPTS["step"]) for _ in range(_AT_ONCE)))
                print(f"{sum(len(watch.turns) for watch in taken)} turns", file=sys.stderr)
            server.should_exit = True
            await serving
    return [turn for watch in taken for turn in watch.turns][:turns]


def by_part(turns: Sequence[tuple[float, ...]]) -> dict[str, list[float]]:
    """Seconds of each part in every turn, and of the whole as `all`."""
    parts = {name: [turn[index] for turn in turns] for index, name in enumerate(PARTS)}
    return {**parts, "all": [sum(turn) for turn in turns]}


def plot(turns: Sequence[tuple[float, ...]]) -> str:
    """A dot for each turn in every part, as an SVG."""
    groups = {name: {"a turn": values} for name, values in by_part(turns).items()}
    return dots("From the caller's last word to the agent's first sound", "seconds", groups)


def table(turns: Sequence[tuple[float, ...]]) -> str:
    """p50 and p95 of each part and of the whole, in milliseconds, as Markdown."""
    lines = ["| part | p50, ms | p95, ms |", "| --- | ---: | ---: |"]
    for name, values in by_part(turns).items():
        cuts = statistics.quantiles(values, n=20, method="inclusive")
        lines.append(f"| {name} | {1000 * cuts[9]:.0f} | {1000 * cuts[18]:.0f} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description="Measures the phone agent's turns.")
    parser.add_argument("--turns", type=int, default=50)
    parser.add_argument("--plot", type=Path, metavar="SVG", help="a dot for each turn")
    given = parser.parse_args()
    logger.remove()
    turns = asyncio.run(measure(given.turns))
    print(f"{len(turns)} turns, {_AT_ONCE} calls at once\n\n{table(turns)}")
    if given.plot is not None:
        given.plot.write_text(plot(turns), encoding="utf-8")


if __name__ == "__main__":
    main()
