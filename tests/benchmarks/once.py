"""CPU time of connecting, of the first words and of closing, once for each stream.

    pulse-plugins bench once            # twenty calls of each, a minute
    pulse-plugins bench once --quick    # five calls of each

A call is opened, given a tenth of a second of audio and the end of a turn, and closed when its
first final has come, above a speech-to-text that does nothing in the same place. The calls of a
framework follow each other in one process, in turn, after one of each that is not counted; the
server is another process, on another core. `process_time` is what is measured; what is told is the
median, each against the null of the same round, with the least and the most.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time

from tests.benchmarks import report
from tests.benchmarks.contender import FRAME_SECONDS, LAST_WORDS_SECONDS
from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.crowd import alone
from tests.benchmarks.overhead import FAMILIES, KINDS, own, spread
from tests.benchmarks.service import FRAME_BYTES, RATE, server_process

CALLS = 20
QUICK = 5
SECONDS = 0.1  # of audio, as much as brings one interim
_LOUD = (b"\x00\x10\x00\xf0" * FRAME_BYTES)[:FRAME_BYTES]


async def contend(names: list[str], port: int, calls: int) -> list[list[float]]:
    """CPU milliseconds of each of these by call, in this process."""
    for name in names:
        await _call(name, port)
    gc.collect()
    gc.freeze()  # a collection of all modules takes 50 ms, and would hit some call
    found: list[list[float]] = [[] for _ in names]
    for turn in range(calls):
        for place in range(len(names)):
            number = (turn + place) % len(names)
            began = time.process_time()
            await _call(names[number], port)
            found[number].append(1000 * (time.process_time() - began))
    return found


async def _call(name: str, port: int) -> None:
    async with CONTENDERS[name](f"ws://127.0.0.1:{port}", RATE) as contender:
        for _ in range(round(SECONDS / FRAME_SECONDS)):
            await contender.push(_LOUD)
        await contender.end_of_speech()
        if not name.endswith(" null"):
            await asyncio.wait_for(contender.final_came.wait(), LAST_WORDS_SECONDS)
        await contender.finish()


def measure(calls: int) -> dict[str, list[float]]:
    """Milliseconds of CPU of every contender, call by call."""
    found: dict[str, list[float]] = {}
    with server_process() as (port, _):
        for family in FAMILIES:
            names = [f"{family} {kind}" for kind in KINDS]
            found.update(zip(names, alone(contend, names, port, calls), strict=True))
    return found


def table(found: dict[str, list[float]]) -> str:
    """Ratios first: of the medians."""
    rows = []
    for family in FAMILIES:
        null = found[f"{family} null"]
        bare, ours, official = (own(found[f"{family} {kind}"], null) for kind in KINDS[1:])
        ratio = statistics.median(ours) / statistics.median(official)
        rows.append([family, ratio, *map(spread, (ours, official, bare, null))])
    columns = [
        "in",
        "ours / official",
        "ours, ms: median (least, most)",
        "official, ms",
        "bare client, ms",
        "the framework alone, ms",
    ]
    return report.table(columns, rows)


def main() -> None:
    """Run it and print the table."""
    arguments = report.arguments(str(__doc__), quick="five calls of each")
    found = measure(QUICK if arguments.quick else CALLS)
    text = table(found)
    path = report.write(
        "once", "The plugins' own CPU for one stream", [text], found, folder=arguments.out
    )
    print(f"{text}\n\n{path}")  # noqa: T201
    if arguments.publish:
        report.publish("once", text)


if __name__ == "__main__":
    main()
