"""Measures where the time of a turn goes, from the caller's last word to the agent's first sound.

    python -m examples.phone_agent.measure            # 50 turns of simulated calls
    python -m examples.phone_agent.measure --turns 10 --plot turns.svg

Four calls run at a time. The parts of a turn follow each other: the silence that the VAD waits for,
the final transcript, the wait of the turn strategy, the dialogue, and the voice.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from fastapi import FastAPI
from loguru import logger
from pipecat.transports.base_transport import BaseTransport

from examples.phone_agent import telephone
from examples.phone_agent.__main__ import local_pulse
from examples.phone_agent.admission import Lines
from examples.phone_agent.bookings import BookingStore
from examples.phone_agent.dialogue import Dialogue
from examples.phone_agent.pipecat_bot import TELEPHONE_RATE, run_bot
from examples.phone_agent.simulate_call import SCRIPTS, call
from examples.phone_agent.stopwatch import PARTS, Stopwatch
from examples.phone_agent.web import make_server, port_of
from tests.benchmarks.plot import DARK, LIGHT, Drawing, drawing

_AT_ONCE = 4


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

            lines = Lines(_AT_ONCE)
            telephone.add_routes(app, lines, answer)
            server = make_server(app, "127.0.0.1", 0, (lines,))
            serving = asyncio.create_task(server.serve())
            while not server.started:  # noqa: ASYNC110 - uvicorn signals it in no other way
                await asyncio.sleep(0.05)
            url = f"http://127.0.0.1:{port_of(server)}/twilio"
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


def plot(turns: Sequence[tuple[float, ...]]) -> Drawing:
    """A chart with a dot for each turn in every part."""
    groups = {
        name: {"ours": [1000 * value for value in values]}
        for name, values in by_part(turns).items()
    }
    unit = "milliseconds: one dot for each turn, a line and a number at the median"
    return drawing("From the caller's last word to the agent's first sound", unit, groups)


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
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="SVG",
        help="write a chart, and beside it one with -dark in its name",
    )
    given = parser.parse_args()
    logger.remove()
    turns = asyncio.run(measure(given.turns))
    print(f"{len(turns)} turns, {_AT_ONCE} calls at once\n\n{table(turns)}")
    if given.plot is not None:
        dark = given.plot.with_stem(f"{given.plot.stem}-dark")
        for path, theme in ((given.plot, LIGHT), (dark, DARK)):
            path.write_text(plot(turns)(theme), encoding="utf-8")


if __name__ == "__main__":
    main()
