"""Time that a plugin adds between the server's message and the framework's event.

    pulse-plugins bench latency            # 1, 20 and 60 streams
    pulse-plugins bench latency --quick    # 20 streams, ours and the bare client

The server's texts hold the moment at which they were sent, the frames of audio the moment at which
they were pushed; a bare client that only parses JSON has the same way to go. Four figures each:
an interim's and a final's way to the framework's event, a frame's way to the server, which is
mostly the wait for a packet to fill, and the time from the end of a turn to its final's event,
without what the server kept the answer back: a finalize that waited for a packet would show here.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Literal

from tests.benchmarks import plot, report
from tests.benchmarks.contender import Contender
from tests.benchmarks.crowd import alone, crowd, speak_all
from tests.benchmarks.service import kept_back, sent_at, server_process

SECONDS = 6.5  # of audio a stream, which are two turns
QUICK = 3.0  # the same
_LAST = 0.4  # seconds until the last answer is here
NAMES = (
    "bare client",
    "engine",
    "pipecat ours",
    "pipecat official",
    "livekit ours",
    "livekit official",
)
QUICK_NAMES = ("bare client", "pipecat ours", "livekit ours")


@dataclass(frozen=True, slots=True)
class Delays:
    """Seconds, one for each measurement."""

    interim: list[float]
    final: list[float]
    audio: list[float]
    answer: list[float]


async def contend(name: str, port: int, streams: int, seconds: float) -> dict[str, list[float]]:
    """The delays of one contender, in this process; those of audio are the server's to tell."""
    asked: list[list[float]] = []
    async with crowd(name, port, streams) as calls:
        gc.collect()
        gc.freeze()  # a collection of all modules takes 80 ms, and would hit some of them
        await speak_all(calls, seconds, asked=asked)
        await asyncio.sleep(_LAST)
    pairs = list(zip(calls, asked, strict=True))
    return {
        "interim": [late for each in calls for late in _late(each, "interim")],
        "final": [late for each in calls for late in _late(each, "final")],
        "answer": [late for each, ends in pairs for late in _answers(each, ends)],
    }


def _late(contender: Contender, kind: Literal["interim", "final"]) -> list[float]:
    found = [(each.at, sent_at(each.text)) for each in contender.heard if each.kind == kind]
    return [at - sent for at, sent in found if sent is not None]


def _answers(contender: Contender, ends: list[float]) -> list[float]:
    finals = [each for each in contender.heard if each.kind == "final"]
    return [
        each.at - kept_back(each.text) - asked for asked, each in zip(ends, finals, strict=False)
    ]


def measure(
    streams: list[int], names: Sequence[str], seconds: float
) -> dict[tuple[str, int], Delays]:
    """The delays of all, one contender after the other."""
    found = {}
    with server_process() as (port, delays):
        for count, name in product(streams, names):
            told = alone(contend, name, port, count, seconds)
            audio = [late for _ in range(count) for late in delays.get(timeout=10)]
            found[name, count] = Delays(audio=audio, **told)
    return found


def table(found: dict[tuple[str, int], Delays]) -> str:
    """Median and 99th percentile of each, in milliseconds."""
    rows = [
        [
            name,
            count,
            *(
                _both(values)
                for values in (
                    found[name, count].interim,
                    found[name, count].final,
                    found[name, count].audio,
                    found[name, count].answer,
                )
            ),
        ]
        for name, count in found
    ]
    columns = ["", "streams", "interim", "final", "frame to the wire", "end of turn to final"]
    return report.table(columns, rows)


def _both(values: list[float]) -> str:
    p50, p99 = (1000 * report.percentile(values, percent) for percent in (50, 99))
    return f"{p50:.2f} / {p99:.1f}"


def main() -> None:
    """Run it and print the table."""
    arguments = report.arguments(str(__doc__), quick="20 streams, ours and the bare client")
    if arguments.quick:
        streams, names, seconds = [20], list(QUICK_NAMES), QUICK
    else:
        streams, names, seconds = [1, 20, 60], list(NAMES), SECONDS
    found = measure(streams, names, seconds)
    text = f"Milliseconds, p50 / p99.\n\n{table(found)}"
    most = streams[-1]
    picture = plot.dots(
        f"From the server's send to the event, {most} streams",
        "milliseconds (a dot for each percentile from 1 to 99)",
        {
            name: {
                "interim": _percentiles(found[name, most].interim),
                "final": _percentiles(found[name, most].final),
            }
            for name in names
        },
    )
    path = report.write(
        "latency",
        "What the plugins add to latency",
        [text],
        {f"{name}, {count} streams": asdict(each) for (name, count), each in found.items()},
        folder=arguments.out,
        picture=picture,
    )
    print(f"{text}\n\n{path}")  # noqa: T201
    if arguments.publish:
        report.publish("latency", text)


def _percentiles(values: list[float]) -> list[float]:
    return [1000 * report.percentile(values, percent) for percent in range(1, 100)]


if __name__ == "__main__":
    main()
