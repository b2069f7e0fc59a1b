"""Words lost, doubled and out of order in each fault, with this and the official plugins.

    pulse-plugins bench faults [--quick] [--out FOLDER] [--publish]

Each cell of the matrix is one caller who speaks numbered words in real time to one server that
hears them in the audio it really got, and whose finals leave 120 ms after a finalize. The fault
happens at the same place of the audio for every contender. LiveKit's official plugin is flushed at
the end of speech here as ours is, which no agent session does for it: see `turns_livekit.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass

from pulse_plugins.local import PulseServer, ServerOptions
from tests.benchmarks import plot, report
from tests.benchmarks.contender import Contender, hush
from tests.benchmarks.livekit_contenders import LiveKitOfficial, LiveKitOurs
from tests.benchmarks.load import Lag
from tests.benchmarks.pipecat_contenders import PipecatOfficial, PipecatOurs
from tests.benchmarks.talk import VAD_DELAY, Score, Spoken, Talk, numbers, play, score, talk

COMPARED: tuple[type[Contender], ...] = (PipecatOurs, PipecatOfficial, LiveKitOurs, LiveKitOfficial)
SERVER = ServerOptions(recognizer="scripted", latency_interim=0.05, latency_final=0.12)
TOGETHER = 2  # scenarios at once, each with every contender
_IN_FLIGHT = 0.005  # seconds in which a message sent before a fault may still arrive


@dataclass(frozen=True, slots=True)
class Scenario:
    """One row of the matrix.

    Attributes:
        title: As the table says it.
        words: How many are spoken.
        faults: What goes wrong on the server, in its compact form.
        outage: Seconds for which nothing listens on the port after the first fault.
        to_the_end: The words go on right up to the end of the input.
        interrupts: Whether there is something to recover from.
    """

    title: str
    words: int
    faults: tuple[str, ...] = ()
    outage: float = 0.0
    to_the_end: bool = False
    interrupts: bool = True

    def talk(self) -> Talk:
        """What is said."""
        if self.to_the_end:
            return talk(self.words, per_turn=self.words, tail=0.0)
        return talk(self.words)


SCENARIOS = (
    Scenario("no fault", 36, interrupts=False),
    Scenario("one drop", 60, ("drop@audio=7.1",)),
    Scenario("drop, then 2 s outage", 72, ("drop@audio=7.1",), outage=2.0),
    Scenario("three drops", 96, ("drop@audio=7.1,times=3",)),
    Scenario(
        "drop, then three 503 refusals",
        96,
        ("drop@audio=7.1", *(f"refuse=503@connection={number}" for number in (2, 3, 4))),
    ),
    Scenario("drop at a finalize", 36, ("drop@finalize=2",)),
    Scenario("speech until the input ends", 20, to_the_end=True, interrupts=False),
    Scenario("malformed messages", 36, ("garbage@word=5", "garbage@word=20"), interrupts=False),
    Scenario("server accepts and never answers", 96, ("blackhole@audio=7.1",)),
    Scenario("each connection drops after 5 s", 72, ("drop@audio=5,times=0",)),
)
QUICK = frozenset({"one drop", "drop at a finalize", "speech until the input ends"})


@dataclass(frozen=True, slots=True)
class Result:
    """One cell.

    Attributes:
        recovered: Seconds from each fault to the next transcript with a word that was in none
            before (after a fault on finalize: in no final); None where none came.
        confirmed: Turns of which the consumer was told that all words are there, when they were,
            before the next turn's end of speech.
        turns: How many ends of speech there were.
        lives: Whether words of the last turn arrived.
        failure: What ended the stream.
    """

    scenario: str
    contender: str
    words: int
    score: Score
    recovered: tuple[float | None, ...]
    confirmed: int
    turns: int
    lives: bool
    failure: str | None


@dataclass(frozen=True, slots=True)
class Mishap:
    """A fault that happened: `time.perf_counter`, and the compact form."""

    at: float
    fault: str


async def _watch(server: PulseServer, scenario: Scenario, mishaps: list[Mishap]) -> None:
    """Note when faults happen; take the server away for the outage after the first."""
    while True:
        await server.wait_for(lambda s: len(s.faults.happened) > len(mishaps), timeout=3600)
        mishaps.append(Mishap(time.perf_counter(), server.faults.happened[len(mishaps)]))
        if scenario.outage and len(mishaps) == 1:
            await server.aclose()
            await asyncio.sleep(scenario.outage)
            await server.start()


async def _port() -> int:
    """A free one, which a server can come back to."""
    made = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = int(made.sockets[0].getsockname()[1])
    made.close()
    await made.wait_closed()
    return port


async def cell(scenario: Scenario, kind: type[Contender]) -> Result:
    """Run one scenario with one contender."""
    said = scenario.talk()
    mishaps: list[Mishap] = []
    async with PulseServer(SERVER, faults=scenario.faults, port=await _port()) as server:
        watching = asyncio.create_task(_watch(server, scenario, mishaps))
        try:
            async with kind(server.url) as contender:
                spoken = await play(said, contender)
        finally:
            watching.cancel()
            await asyncio.wait([watching])
    return judge(scenario, said, spoken, contender, mishaps)


def judge(
    scenario: Scenario, said: Talk, spoken: Spoken, contender: Contender, mishaps: Sequence[Mishap]
) -> Result:
    """What a cell's numbers are."""
    finals = [number for each in contender.finals for number in numbers(each)]
    # After the last word there is nothing to recover; a refused handshake prolongs a fault.
    silent = spoken.ends[-1] - VAD_DELAY if spoken.ends else spoken.finished
    broke = [each for each in mishaps if each.at < silent and not each.fault.startswith("refuse")]
    return Result(
        scenario.title,
        contender.name,
        scenario.words,
        score(said.words, finals),
        tuple(_recovery(contender, each) for each in broke if scenario.interrupts),
        _confirmed(said, contender, spoken),
        len(spoken.ends),
        any(number in said.turns[-1] for number in finals),
        contender.failure,
    )


def _recovery(contender: Contender, mishap: Mishap) -> float | None:
    known: set[int] = set()
    for each in contender.heard:
        if "finalize" in mishap.fault and each.kind != "final":
            continue
        words = set(numbers(each.text))
        if each.at > mishap.at + _IN_FLIGHT and words - known:
            return each.at - mishap.at
        known |= words
    return None


def _confirmed(said: Talk, contender: Contender, spoken: Spoken) -> int:
    finals = [
        (each.at, set(numbers(each.text))) for each in contender.heard if each.kind == "final"
    ]
    until = [*spoken.ends[1:], float("inf")]
    return sum(
        any(
            start < at < end
            and set(turn) <= set().union(*(words for came, words in finals if came <= at))
            for at in contender.confirmed
        )
        for turn, start, end in zip(said.turns, spoken.ends, until, strict=False)
    )


async def run(scenarios: Sequence[Scenario]) -> tuple[list[Result], Lag]:
    """The whole matrix, and the loop's lag while it ran."""
    async with PulseServer(SERVER) as server:
        for kind in COMPARED:  # what a framework imports at first belongs to no cell
            async with kind(server.url) as contender:
                await contender.finish()
    room = asyncio.Semaphore(TOGETHER)

    async def row(scenario: Scenario) -> list[Result]:
        async with room:
            return list(await asyncio.gather(*(cell(scenario, kind) for kind in COMPARED)))

    # The longest first, so that none is left alone at the end.
    order = sorted(scenarios, key=lambda each: -each.words)
    async with Lag() as lag:
        rows = dict(zip(order, await asyncio.gather(*map(row, order)), strict=True))
    return [result for scenario in scenarios for result in rows[scenario]], lag


def _words(result: Result) -> str:
    each = result.score
    parts = {
        "lost": each.lost,
        "doubled": each.doubled,
        "out of order": each.out_of_order,
        "invented": each.invented,
    }
    said = [f"{count} {name}" for name, count in parts.items() if count] or ["all"]
    return ", ".join([*said, *([] if result.lives else ["then nothing"])])


def _recovered(result: Result) -> str | float | None:
    if not result.recovered:
        return None
    came = [each for each in result.recovered if each is not None]
    return max(came) if len(came) == len(result.recovered) else "never"


def _turns(result: Result) -> str | None:
    return f"{result.confirmed} of {result.turns}" if result.turns else None


def matrix(results: Sequence[Result], cell: Callable[[Result], object]) -> str:
    """A row a scenario, a column a contender."""
    rows: dict[str, list[object]] = {}
    for result in results:
        rows.setdefault(result.scenario, [result.scenario, result.words]).append(cell(result))
    return report.table(["fault", "words"] + [k.name for k in COMPARED], rows.values())


HEADLINE = (
    "one drop",
    "drop, then 2 s outage",
    "drop, then three 503 refusals",
    "each connection drops after 5 s",
)


def picture(results: Sequence[Result], titles: Collection[str] | None = None) -> plot.Drawing:
    """How many words were lost: a panel for each framework, a bar for each plugin.

    Args:
        results: The whole matrix.
        titles: Scenarios to show; None: all.
    """
    panels: dict[str, dict[str, dict[str, list[float]]]] = {}
    shown = [each for each in results if titles is None or each.scenario in titles]
    for result in shown:
        family, plugin = result.contender.split(" ", 1)
        panel = panels.setdefault({"pipecat": "Pipecat", "livekit": "LiveKit Agents"}[family], {})
        panel.setdefault(result.scenario, {})[plugin] = [float(result.score.lost)]
    spoken = sorted({result.words for result in shown})
    unit = f"words lost of the {spoken[0]} to {spoken[-1]} that the caller spoke"
    return plot.drawing("Words lost, by fault", unit, panels)


def main() -> None:
    """Run it and print both tables."""
    arguments = report.arguments(str(__doc__), quick="three scenarios instead of all")
    hush()
    scenarios = [each for each in SCENARIOS if not arguments.quick or each.title in QUICK]
    results, lag = asyncio.run(run(scenarios))
    words = matrix(results, _words)
    details = [
        "Seconds from a fault to the first new words; the slowest fault of the call counts:",
        matrix(results, _recovered),
        "Turns whose end was confirmed with all their words, before the next turn ended:",
        matrix(results, _turns),
    ]
    tables = ["Words:", words, *details, str(lag)]
    path = report.write(
        "faults",
        "Words lost, by fault",
        tables,
        {"cells": [asdict(result) for result in results], "lag_p99": lag.p99},
        folder=arguments.out,
    )
    print("\n\n".join([*tables, str(path)]))  # noqa: T201
    if arguments.publish:
        lag.refuse_to_publish()
        versions = report.header(report.machine())
        report.publish("faults", "\n\n".join([*tables, versions]), picture(results))
        report.draw("words_lost", picture(results, HEADLINE))


if __name__ == "__main__":
    main()
