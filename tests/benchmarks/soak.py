"""Many calls with random drops for minutes: every word comes once, and no task is left over.

    pulse-plugins bench soak [--minutes N] [--streams N] [--quick] [--out FOLDER] [--publish]

The server runs in a process of its own and cuts a TCP connection at random, each stream's every
20 s on average, also in mid-word and during a replay. The streams of this process are the engine
and both adapters, each of which speaks numbered words in turns in real time. It fails if a word is
lost, doubled or out of order, or a task or file descriptor is left over.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import random
import resource
import sys
import threading
import time
from array import array
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from pulse_plugins.local import PulseServer, ServerOptions
from tests.benchmarks import report
from tests.benchmarks.contender import FRAME_SECONDS, Contender, hush
from tests.benchmarks.contenders import Engine
from tests.benchmarks.livekit_contenders import LiveKitOurs
from tests.benchmarks.load import Lag
from tests.benchmarks.pipecat_contenders import PipecatOurs
from tests.benchmarks.talk import Score, numbers, score, talk

MIX: tuple[type[Contender], ...] = (Engine, Engine, Engine, PipecatOurs, LiveKitOurs)
BETWEEN_DROPS = 20.0  # seconds, of one stream, on average
_WORDS = 12  # a turn
_SAMPLE = 10.0  # seconds between two looks at the process
_WARM = 30.0  # seconds until a process has imported and pooled what it needs


def serve(pipe: Connection, streams: int, seed: int) -> None:
    """The other process: a server that cuts connections until it is told to stop."""

    async def run() -> int:
        options = ServerOptions(
            recognizer="scripted", latency_interim=0.05, latency_final=0.12, max_connections=1000
        )
        chance = random.Random(seed)
        async with PulseServer(options) as server:
            pipe.send(server.url)
            while not pipe.poll():
                await asyncio.sleep(chance.expovariate(streams / BETWEEN_DROPS))
                server.faults.add(["drop@audio=0"])  # whoever sends the next packet
            return server.faults.happened.count("drop@audio=0")

    pipe.send(asyncio.run(run()))


@dataclass(frozen=True, slots=True)
class Look:
    """The process at one moment."""

    seconds: float
    megabytes: float
    tasks: int
    descriptors: int
    threads: int


def look(began: float) -> Look:
    """See what the process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Look(
        round(time.perf_counter() - began, 1),
        round(pages * resource.getpagesize() / 1e6, 1),
        len(asyncio.all_tasks()),
        len(os.listdir("/proc/self/fd")),
        threading.active_count(),
    )


@dataclass(frozen=True, slots=True)
class Stream:
    """What became of one stream's words."""

    contender: str
    words: int
    score: Score
    failure: str | None


async def speak(kind: type[Contender], url: str, start: float, until: float) -> Stream:
    """One stream: turn after turn until the time is over."""
    await asyncio.sleep(start)
    heard = array("i")
    said = 0
    async with kind(url) as contender:

        def harvest() -> None:
            for each in contender.heard:
                if each.kind == "final":
                    heard.extend(numbers(each.text))
            contender.heard.clear()
            contender.confirmed.clear()

        due = time.perf_counter()
        while due < until:
            turn = talk(_WORDS, first=said)
            said += _WORDS
            for index, frame in enumerate(turn.frames):
                if index in turn.starts:
                    await contender.start_of_speech()
                if index in turn.ends:
                    await contender.end_of_speech()
                await contender.push(frame)
                due += FRAME_SECONDS
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
            harvest()
        await contender.finish()
        harvest()
        return Stream(kind.name, said, score(range(said), heard), contender.failure)


async def watch(looks: list[Look], began: float) -> None:
    """Look at the process again and again."""
    while True:
        await asyncio.sleep(_SAMPLE)
        looks.append(look(began))


async def run(url: str, streams: int, seconds: float) -> tuple[list[Stream], list[Look], Lag]:
    """All streams; what the process held before, meanwhile and after; the loop's lag."""
    for kind in dict.fromkeys(MIX):  # what is imported at first is no leak
        async with kind(url) as contender:
            await contender.finish()
    await asyncio.sleep(1.0)
    gc.collect()
    began = time.perf_counter()
    looks = [look(began)]
    watching = asyncio.create_task(watch(looks, began))
    async with Lag() as lag:
        calls = [
            speak(MIX[index % len(MIX)], url, 2.0 * index / streams, began + seconds)
            for index in range(streams)
        ]
        results = await asyncio.gather(*calls)
    watching.cancel()
    await asyncio.wait([watching])
    await asyncio.sleep(1.0)
    gc.collect()
    looks.append(look(began))
    return list(results), looks, lag


def growth(looks: Sequence[Look]) -> float:
    """Megabytes a minute after the warm-up, by least squares; NaN of a short run."""
    points = [(each.seconds / 60, each.megabytes) for each in looks[1:-1] if each.seconds > _WARM]
    if len(points) < 3:
        return float("nan")
    x_mean = sum(x for x, _ in points) / len(points)
    y_mean = sum(y for _, y in points) / len(points)
    spread = sum((x - x_mean) ** 2 for x, _ in points)
    return sum((x - x_mean) * (y - y_mean) for x, y in points) / spread


def words_table(results: Sequence[Stream]) -> str:
    """A row a kind of stream."""
    rows = []
    for kind in dict.fromkeys(MIX):
        of_kind = [each for each in results if each.contender == kind.name]
        scores = [each.score for each in of_kind]
        rows.append(
            (
                kind.name,
                len(of_kind),
                sum(each.words for each in of_kind),
                sum(each.lost for each in scores),
                sum(each.doubled for each in scores),
                sum(each.out_of_order for each in scores),
                sum(each.invented for each in scores),
                sum(each.failure is not None for each in of_kind),
            )
        )
    columns = ["stream", "streams", "words", "lost", "doubled", "out of order", "invented"]
    return report.table([*columns, "failed"], rows)


def looks_table(looks: Sequence[Look]) -> str:
    """Before, each minute or so, and after."""
    step = max(1, round(60 / _SAMPLE))
    middle = looks[1:-1]
    shown = [
        ("before", looks[0]),
        *((f"{each.seconds:.0f} s", each) for each in middle[step // 2 - 1 :: step]),
        ("after", looks[-1]),
    ]
    rows = [(name, e.megabytes, e.tasks, e.descriptors, e.threads) for name, e in shown]
    return report.table(["when", "memory, MB", "tasks", "descriptors", "threads"], rows)


def main() -> None:
    """Run it, print what came of it, and fail if it was not as promised."""
    parser = report.parser(str(__doc__), quick="one minute")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--streams", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1, help="of the drops")
    arguments = parser.parse_args()
    hush()
    minutes = 1.0 if arguments.quick else arguments.minutes
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(
        target=serve, args=(theirs, arguments.streams, arguments.seed), daemon=True
    )
    server.start()
    url = ours.recv()
    results, looks, lag = asyncio.run(run(url, arguments.streams, minutes * 60))
    ours.send("stop")
    drops = ours.recv()
    server.join()
    first, last = looks[0], looks[-1]
    clean = all(each.score == Score(0, 0, 0, 0) and each.failure is None for each in results)
    left_over = (last.tasks - first.tasks, last.descriptors - first.descriptors)
    summary = (
        f"{minutes:g} minutes, {arguments.streams} streams, {drops} connections cut; memory grew "
        f"by {growth(looks):.2f} MB a minute after the first {_WARM:.0f} s; left over: "
        f"{left_over[0]} tasks, {left_over[1]} descriptors. {lag}"
    )
    tables = [words_table(results), summary]
    path = report.write(
        "soak",
        "Minutes of calls with random drops",
        [*tables, looks_table(looks)],
        {
            "drops": drops,
            "streams": [asdict(each) for each in results],
            "looks": [asdict(each) for each in looks],
            "lag_p99": lag.p99,
        },
        folder=arguments.out,
    )
    print("\n\n".join([*tables, looks_table(looks), str(path)]))  # noqa: T201
    if arguments.publish:
        lag.refuse_to_publish()
        report.publish("soak", "\n\n".join(tables))
    sys.exit(0 if clean and max(left_over) <= 0 else 1)


if __name__ == "__main__":
    main()
