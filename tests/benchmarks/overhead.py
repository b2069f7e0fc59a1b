"""CPU time of a plugin for one second of audio, above a plugin that does nothing.

The bare client in the same place is the least that a plugin can cost: it sends each frame as a
packet and passes each message on.

    pulse-plugins bench overhead            # 1, 20 and 60 streams, five minutes
    pulse-plugins bench overhead --quick    # 20 streams, one short round

The contenders of a framework live in one process and speak in turn, three seconds of audio each,
so that whatever else the machine does meets all of them; the server is another process, on another
core, whose time is not counted. Audio comes in real time, 20 ms a frame, with the end of a turn
every three seconds, and is counted after a first turn. `process_time` is what is measured; what is
told is the median of the rounds, each against the null of the same round, with the least and the
most.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from itertools import product

from tests.benchmarks import plot, report
from tests.benchmarks.crowd import TURN, alone, crowd, speak_all
from tests.benchmarks.service import server_process

SECONDS = 3.0  # of audio a stream in each round
STREAMS = (1, 20, 60)
ROUNDS = 3
QUICK = (0.5, 1.5)  # seconds before, and seconds that are counted
FAMILIES = ("pipecat", "livekit")
KINDS = ("null", "bare", "ours", "official")

Found = dict[tuple[str, int], list[float]]


async def contend(
    names: list[str], port: int, streams: int, rounds: int, warm: float, seconds: float
) -> list[list[float]]:
    """CPU milliseconds per audio second of each of these by round, in this process."""
    found: list[list[float]] = [[] for _ in names]
    async with AsyncExitStack() as stack:
        calls = [await stack.enter_async_context(crowd(name, port, streams)) for name in names]
        for each in calls:
            await speak_all(each, warm)
        gc.collect()
        gc.freeze()  # a collection of all modules takes 50 ms and more, and would hit one of them
        for turn in range(rounds):
            for place in range(len(names)):
                number = (turn + place) % len(names)
                began = time.process_time()
                await speak_all(calls[number], seconds)
                spent = time.process_time() - began
                found[number].append(1000 * spent / streams / seconds)
    return found


def measure(
    streams: Sequence[int], rounds: int, warm: float = TURN, seconds: float = SECONDS
) -> Found:
    """Milliseconds of CPU per audio second of every contender, round by round."""
    found: Found = {}
    with server_process() as (port, _):
        for count, family in product(streams, FAMILIES):
            names = [f"{family} {kind}" for kind in KINDS]
            spent = alone(contend, names, port, count, rounds, warm, seconds)
            found.update(zip([(name, count) for name in names], spent, strict=True))
    return found


def own(whole: list[float], null: list[float]) -> list[float]:
    """What a plugin adds to the null of the same round."""
    return [each - nothing for each, nothing in zip(whole, null, strict=True)]


def spread(values: list[float]) -> str:
    """The median, the least and the most."""
    return f"{statistics.median(values):.2f} ({min(values):.2f}, {max(values):.2f})"


def table(found: Found, streams: list[int]) -> str:
    """Ratios first: of the medians."""
    rows = []
    for family, count in product(FAMILIES, streams):
        null = found[f"{family} null", count]
        bare, ours, official = (own(found[f"{family} {kind}", count], null) for kind in KINDS[1:])
        ratio = statistics.median(ours) / statistics.median(official)
        rows.append([family, count, ratio, *map(spread, (ours, official, bare, null))])
    return report.table(
        [
            "in",
            "streams",
            "ours / official",
            "ours, ms: median (least, most)",
            "official, ms",
            "bare client, ms",
            "the framework alone, ms",
        ],
        rows,
    )


def main() -> None:
    """Run it and print the table."""
    parser = report.parser(str(__doc__), quick="20 streams and one short round")
    parser.add_argument("--rounds", type=int, help="so many for each number of streams")
    arguments = parser.parse_args()
    if arguments.quick:
        found = measure([20], 1, *QUICK)
    else:
        found = measure(STREAMS, arguments.rounds or ROUNDS)
    streams = sorted({count for _, count in found})
    text = table(found, streams)
    picture = plot.dots(
        "What a plugin costs above a speech-to-text that does nothing",
        "milliseconds of CPU per audio second",
        {
            f"{family}, {count} streams": {
                kind: own(found[f"{family} {kind}", count], found[f"{family} null", count])
                for kind in KINDS[1:]
            }
            for family, count in product(FAMILIES, streams)
        },
    )
    path = report.write(
        "overhead",
        "The plugins' own CPU per audio second",
        [text],
        {f"{name}, {count} streams": values for (name, count), values in found.items()},
        folder=arguments.out,
        picture=picture,
    )
    print(f"{text}\n\n{path}")  # noqa: T201
    if arguments.publish:
        report.publish("overhead", text)


if __name__ == "__main__":
    main()
