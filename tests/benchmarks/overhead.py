"""What a plugin itself costs: CPU per audio second above a speech-to-text that does nothing.

    pulse-plugins bench overhead            # 1, 20 and 60 streams, two or three rounds
    pulse-plugins bench overhead --quick    # 20 streams, one short round

Every contender runs in a process of its own, one after the other, interleaved over the rounds; the
server is another process, on another core, whose time is not counted. Audio comes in real time,
20 ms a frame, with the end of a turn every three seconds, and is counted after a first turn: a call
lasts minutes. `process_time` of the contender's process is what is measured; a figure is the best
round's, with the median and the worst one's beside it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from itertools import product

from tests.benchmarks import plot, report
from tests.benchmarks.crowd import TURN, alone, crowd, speak_all
from tests.benchmarks.service import server_process

SECONDS = 3.0  # of audio a stream that are counted
ROUNDS = {1: 3, 20: 2, 60: 2}  # of so many streams; one alone is the noisiest
QUICK = (0.5, 1.5)  # seconds before, and seconds that are counted
FAMILIES = ("pipecat", "livekit")
KINDS = ("null", "ours", "official")

Found = dict[tuple[str, int], list[float]]


async def contend(name: str, port: int, streams: int, warm: float, seconds: float) -> float:
    """CPU milliseconds per audio second of one contender, in this process."""
    async with crowd(name, port, streams) as calls:
        await speak_all(calls, warm)
        began = time.process_time()
        await speak_all(calls, seconds)
        spent = time.process_time() - began
    return 1000 * spent / streams / seconds


def measure(rounds: Mapping[int, int], warm: float = TURN, seconds: float = SECONDS) -> Found:
    """Milliseconds of CPU per audio second of every contender, round by round."""
    found: Found = {}
    turns = range(max(rounds.values()))
    with server_process() as (port, _):
        for turn, count, family, kind in product(turns, rounds, FAMILIES, KINDS):
            if turn >= rounds[count]:
                continue
            name = f"{family} {kind}"
            spent = alone(contend, name, port, count, warm, seconds)
            found.setdefault((name, count), []).append(spent)
    return found


def own(found: Found, family: str, kind: str, count: int) -> list[float]:
    """What a plugin adds in each round to the null's best one: noise only ever adds."""
    null = min(found[f"{family} null", count])
    return [each - null for each in found[f"{family} {kind}", count]]


def table(found: Found, streams: list[int]) -> str:
    """Ratios first: of the best round of each."""
    rows = []
    for family, count in product(FAMILIES, streams):
        ours, official = (own(found, family, kind, count) for kind in KINDS[1:])
        ratio = min(ours) / min(official)
        null = found[f"{family} null", count]
        rows.append([family, count, ratio, *map(_spread, (ours, official, null))])
    return report.table(
        [
            "in",
            "streams",
            "ours / official",
            "ours, ms: best (median, worst)",
            "official, ms",
            "the framework alone, ms",
        ],
        rows,
    )


def _spread(values: list[float]) -> str:
    best = f"{min(values):.2f}"
    if len(values) == 1:
        return best
    return f"{best} ({statistics.median(values):.2f}, {max(values):.2f})"


def main() -> None:
    """Run it and print the table."""
    parser = report.parser(str(__doc__), quick="20 streams and one short round")
    parser.add_argument("--rounds", type=int, help="so many for each number of streams")
    arguments = parser.parse_args()
    if arguments.quick:
        found = measure({20: 1}, *QUICK)
    else:
        found = measure(dict.fromkeys(ROUNDS, arguments.rounds) if arguments.rounds else ROUNDS)
    streams = sorted({count for _, count in found})
    text = table(found, streams)
    picture = plot.dots(
        "What a plugin costs above a speech-to-text that does nothing",
        "milliseconds of CPU per audio second",
        {
            f"{family}, {count} streams": {
                kind: own(found, family, kind, count) for kind in KINDS[1:]
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
        report.paste(report.README, "overhead", text)


if __name__ == "__main__":
    main()
