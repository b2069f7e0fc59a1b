"""Time from the end of speech to the committed turn in LiveKit, with both plugins.

    pulse-plugins bench turns_livekit [--quick] [--out FOLDER] [--publish]

A real `AgentSession` without a room hears recorded speech in real time, with the bundled VAD and a
language model that answers from a script. The server's finals leave 120 ms late and its words are
the recording's own; in the second half of the cases it sends neither speech_started and
speech_ended nor from_finalize.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import accumulate, product
from typing import Literal

from livekit.agents import inference

from pulse_plugins.local import PulseServer, ServerOptions, recordings
from pulse_plugins.local.recordings import Recording
from tests.benchmarks import plot, report
from tests.benchmarks.contender import hush
from tests.benchmarks.livekit_contenders import LiveKitOfficial, LiveKitOurs
from tests.benchmarks.load import Lag
from tests.benchmarks.readers import ReadingRecognizer, bare
from tests.livekit.rig import Rig, session

Kind = type[LiveKitOurs | LiveKitOfficial]
COMPARED: tuple[Kind, ...] = (LiveKitOurs, LiveKitOfficial)
ROUNDS = 3
PATIENCE = 8.0  # seconds after the last word in which a turn may still be committed

_FULL = ServerOptions(latency_interim=0.05, latency_final=0.12)
_PLAIN = replace(_FULL, from_finalize="never", vad_events=False)


@dataclass(frozen=True, slots=True)
class Case:
    """Who decides that a turn is over, and what the server tells."""

    title: str
    turn_detection: Literal["vad", "stt"]
    server: ServerOptions


CASES = (
    Case("VAD decides", "vad", _FULL),
    Case("STT decides", "stt", _FULL),
    Case("VAD decides, plain server", "vad", _PLAIN),
    Case("STT decides, plain server", "stt", _PLAIN),
)


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn of the caller.

    Attributes:
        committed: Seconds from the true end of its speech to the commit that held its last word;
            None where none came.
        asked: The same, to the moment at which the language model was asked what that commit
            then used.
    """

    committed: float | None
    asked: float | None

    @property
    def won(self) -> float:
        """Seconds by which the reply was begun before the commit; 0 where it was not."""
        if self.committed is None or self.asked is None:
            return 0.0
        return max(0.0, self.committed - self.asked)


@dataclass(frozen=True, slots=True)
class Call:
    """One recording through one session.

    Attributes:
        missing: Words of the recording that are in no committed turn.
        extra: Words committed that were not said.
        split: Committed turns beyond those of the caller (or short of them).
        wasted: Requests to the language model whose answer no turn used.
    """

    case: str
    contender: str
    recording: str
    turns: tuple[Turn, ...]
    missing: int
    extra: int
    split: int
    wasted: int


async def call(case: Case, kind: Kind, name: str) -> Call:
    """Play a recording into a session and see what it commits."""
    recording = recordings.load(name)
    options = replace(case.server, recognizer=ReadingRecognizer(recording.turns))
    async with PulseServer(options) as server, kind(server.url).plugin() as stt:
        handling = {"turn_detection": case.turn_detection}
        async with session(recording, stt=stt, vad=inference.VAD(), turn_handling=handling) as rig:
            await _until_all(rig, recording)
        return _judge(case, kind, recording, rig)


async def _until_all(rig: Rig, recording: Recording) -> None:
    wanted = len(recording.text.split())
    try:
        async with asyncio.timeout(recording.turns[-1].end + PATIENCE), rig.changed:
            await rig.changed.wait_for(
                lambda: sum(len(turn.text.split()) for turn in rig.turns) >= wanted
            )
    except TimeoutError:
        return  # what did not come is in the table


def _judge(case: Case, kind: Kind, recording: Recording, rig: Rig) -> Call:
    said, got = Counter(bare(recording.text)), Counter(bare(" ".join(t.text for t in rig.turns)))
    # A turn is complete with the commit that brings as many words as were said until its end.
    totals = list(accumulate(len(turn.text.split()) for turn in rig.turns))
    wanted = accumulate(len(turn.text.split()) for turn in recording.turns)
    began = rig.caller.began or 0.0
    turns: list[Turn] = []
    used = 0
    for turn, words in zip(recording.turns, wanted, strict=True):
        index = next((i for i, total in enumerate(totals) if total >= words), None)
        if index is None:
            turns.append(Turn(None, None))
            continue
        commit = rig.turns[index]
        since = rig.turns[index - 1].at if index else began
        asked = [at for at, text in rig.asked if text == commit.text and at > since]
        used += bool(asked)
        end = began + turn.end
        turns.append(Turn(commit.at - end, asked[0] - end if asked else None))
    return Call(
        case.title,
        kind.name,
        recording.name,
        tuple(turns),
        (said - got).total(),
        (got - said).total(),
        len(rig.turns) - len(recording.turns),
        len(rig.asked) - used,
    )


async def run(names: Sequence[str], rounds: int) -> tuple[list[Call], Lag]:
    """Every case with both plugins and each recording at once, and the loop's lag meanwhile."""
    calls: list[Call] = []
    async with Lag() as lag:
        for _ in range(rounds):
            made = [call(*each) for each in product(CASES, COMPARED, names)]
            calls += await asyncio.gather(*made)
    return calls, lag


def cell(calls: Sequence[Call], case: Case, kind: Kind) -> list[Call]:
    """All calls of a case with a contender."""
    return [each for each in calls if each.case == case.title and each.contender == kind.name]


def commits(calls: Sequence[Call]) -> list[float]:
    """Seconds from the end of speech to the commit, of the turns that were committed."""
    return [t.committed for each in calls for t in each.turns if t.committed is not None]


def turns_table(calls: Sequence[Call]) -> str:
    """A row a cell."""
    rows: list[list[object]] = []
    for case in CASES:
        for kind in COMPARED:
            found = cell(calls, case, kind)
            turns = [turn for each in found for turn in each.turns]
            won = [turn.won * 1000 for turn in turns if turn.won > 0.001]
            done = commits(found)
            rows.append(
                [
                    case.title,
                    _plugin(kind.name),
                    f"{len(done)} of {len(turns)}",
                    report.percentile(done, 50),
                    report.percentile(done, 95),
                    sum(each.missing for each in found),
                    len(won),
                    round(report.percentile(won, 50)) if won else None,
                    sum(each.wasted for each in found),
                ]
            )
    columns = [
        "case",
        "plugin",
        "turns committed",
        "p50, s",
        "p95, s",
        "words missing",
        "early replies",
        "head start p50, ms",
        "unused LLM requests",
    ]
    return report.table(columns, rows)


def _plugin(name: str) -> str:
    return name.removeprefix("livekit ")


def main() -> None:
    """Run it, print the table, draw the plot."""
    arguments = report.arguments(str(__doc__), quick="one recording, once")
    hush()
    names = recordings.names()
    once = arguments.quick
    calls, lag = asyncio.run(run(names[:1] if once else names, 1 if once else ROUNDS))
    table = turns_table(calls)
    drawing = plot.drawing(
        "LiveKit: from the end of speech to the committed turn",
        "seconds: one dot for each turn, a line and a number at the median",
        {c.title: {_plugin(k.name): commits(cell(calls, c, k)) for k in COMPARED} for c in CASES},
    )
    path = report.write(
        "turns_livekit",
        "From the end of speech to the committed turn in LiveKit",
        [table, str(lag)],
        {"calls": [asdict(each) for each in calls], "lag_p99": lag.p99},
        folder=arguments.out,
        picture=drawing(plot.LIGHT),
    )
    print("\n\n".join([table, str(lag), str(path)]))  # noqa: T201
    if arguments.publish:
        lag.refuse_to_publish()
        report.publish("turns_livekit", table, drawing)


if __name__ == "__main__":
    main()
