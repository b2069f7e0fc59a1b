"""Which calls reach the language model whole in agent sessions, with each recognizer.

`python -m tests.livekit.context_table` writes the table into docs/benchmarks.md. With words as
arguments it holds only calls whose name contains one of them, and prints each fault.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmarks import report
from tests.livekit.conversation import Conversation, Mode, Recognizer
from tests.livekit.outcome import Outcome
from tests.support import calls, virtual_time
from tests.support.habits import Habits
from tests.support.scenarios import Call, EndTurn, Pause, Say

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
LATENCIES = (0.05, 0.3, 0.6, 0.9)  # seconds
RECOGNIZERS: tuple[Recognizer, ...] = ("ours", "official", "perfect")
_TABLE = re.compile(r"(<!-- context_livekit -->\n).*?(<!-- /context_livekit -->)", re.DOTALL)

_END = (EndTurn(), Pause(2.5))
_TWO_TURNS = Call("two turns", (Say(7), *_END, Say(4), *_END))
_PUSH_TO_TALK = Call("push to talk", (Say(7), *_END, Say(6), EndTurn(), Pause(2.5)))
_HANG_UP = Call("hang up in mid-speech", (Say(7),), tail=0.0)


@dataclass(frozen=True, slots=True)
class Row:
    """Conversations of one kind: each call in each mode at each latency."""

    name: str
    calls: Sequence[Call]
    modes: Sequence[Mode]
    habits: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    def conversations(self) -> Iterator[tuple[Call, Mode, float]]:
        """What is held."""
        for call in self.calls:
            for mode in self.modes:
                for latency in LATENCIES:
                    yield call, mode, latency


def _named(*names: str) -> list[Call]:
    return [call for call in calls.ALL if any(name in call.name for name in names)]


ROWS = (
    Row("turns of 1 to 45 words, VAD", calls.CONVERSATIONS[:4], ["vad"]),
    Row("turns of 1 to 45 words, `stt`", calls.CONVERSATIONS[:4], ["stt"]),
    Row("segments cut after five words", [_TWO_TURNS], ["vad", "stt", "manual"], {"max_words": 5}),
    Row(
        "without preemptive replies", [_TWO_TURNS], ["vad"], {"max_words": 5}, {"preemptive": False}
    ),
    Row("pauses of 0.4 and 0.45 s in a turn", _named("short pause", "two pauses"), ["vad"]),
    Row("pause of 0.7 s in a turn", _named("long pause"), ["vad"]),
    Row("coughs, soft callers, repeated words", _named("cough", "soft", "same"), ["vad"]),
    Row(
        "push-to-talk",
        [_PUSH_TO_TALK],
        ["manual"],
        {"max_words": 5},
        {"push_to_talk": True},
    ),
    Row("hang-up in mid-speech", [_HANG_UP], ["vad", "manual"], {"max_words": 5}),
    Row("muted, or no audio for a while", _named("muted", "audio stops"), ["vad"]),
    Row("options change", _named("options change"), ["vad"]),
    Row("finals with punctuation", [_TWO_TURNS], ["vad"], {"punctuates": True}),
    Row("lost connections and refusals", calls.FAULTS, ["vad"]),
)


def hold(row: Row, call: Call, mode: Mode, latency: float, recognizer: Recognizer) -> Outcome:
    """Hold one conversation."""
    habits = Habits(latency=latency, **row.habits)
    return virtual_time.run(Conversation(call, recognizer, mode, habits, **row.options).hold())


def main(arguments: Sequence[str]) -> None:
    logging.disable(logging.CRITICAL)
    if arguments:
        _print(arguments)
        return
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(_TABLE.sub(rf"\g<1>{_table()}\g<2>", text), encoding="utf-8")
    report.compare()  # the README quotes the last row


def _print(words: Sequence[str]) -> None:
    for row in ROWS:
        for recognizer in RECOGNIZERS:
            for call, mode, latency in row.conversations():
                if any(word in call.name or word in row.name for word in words):
                    outcome = hold(row, call, mode, latency, recognizer)
                    found = "; ".join(outcome.faults) or "whole"
                    asked = len(outcome.requests)
                    sys.stdout.write(
                        f"{recognizer}: {call.name}, {mode}, {latency} s: {found}, asked {asked}\n"
                    )


def _table() -> str:
    lines = [
        "| conversations | number | ours | official | all-knowing | requests a turn |",
        "|---|---|---|---|---|---|",
    ]
    sums = [0] * (1 + len(RECOGNIZERS))
    asked, turns = [0] * len(RECOGNIZERS), [0] * len(RECOGNIZERS)
    for row in ROWS:
        whole, requests = [], []
        for index, recognizer in enumerate(RECOGNIZERS):
            held = [hold(row, *each, recognizer) for each in row.conversations()]
            whole.append(sum(not outcome.faults for outcome in held))
            asks = sum(len(outcome.requests) for outcome in held)
            said = sum(len(outcome.call.turns) for outcome in held)
            requests.append(f"{asks / said:.2f}")
            asked[index] += asks
            turns[index] += said
        sums = [total + more for total, more in zip(sums, (len(held), *whole), strict=True)]
        lines.append(_row(row.name, len(held), *whole, ", ".join(requests)))
    ratios = ", ".join(f"{a / t:.2f}" for a, t in zip(asked, turns, strict=True))
    lines.append(_row("all", *sums, ratios))
    return "\n".join(lines) + "\n"


def _row(name: str, *cells: int | str) -> str:
    return f"| {' | '.join((name, *map(str, cells)))} |"


if __name__ == "__main__":
    main(sys.argv[1:])
