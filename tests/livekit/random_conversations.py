"""Conversations at random, for a search for faults that nobody thought of.

`python -m tests.livekit.random_conversations FIRST COUNT` holds one for each seed and prints what
is wrong, leaving out what an all-knowing recognizer cannot do better.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.livekit.conversation import (
    Commit,
    Conversation,
    Handoff,
    Interrupt,
    Mode,
    Recognizer,
    SayNow,
)
from tests.livekit.outcome import Outcome
from tests.support import virtual_time
from tests.support.habits import Habits
from tests.support.scenarios import (
    Call,
    Change,
    Close,
    Cough,
    Cut,
    EndTurn,
    InWord,
    Outage,
    Pause,
    Say,
)

LATENCIES = (0.05, 0.2, 0.4, 0.6, 0.9, 1.2, 1.6)  # seconds
_PAUSES = (0.1, 0.2, 0.3, 0.4, 0.45)  # seconds; the framework ends no turn in them
_WORDS = (1, 1, 2, 4, 7, 12)


@dataclass(frozen=True, slots=True)
class Drawn:
    """What one seed gives."""

    call: Call
    mode: Mode
    habits: dict[str, Any]
    more: dict[str, Any] = field(default_factory=dict)  # of the `Conversation`

    def hold(self, recognizer: Recognizer) -> Outcome:
        """Hold it with this recognizer."""
        more = self.more if recognizer == "ours" else {**self.more, "options": {}}
        talk = Conversation(self.call, recognizer, self.mode, Habits(**self.habits), **more)
        return virtual_time.run(talk.hold())


def draw(seed: int) -> Drawn:
    """The conversation of this seed."""
    random = Random(seed)
    mode: Mode = random.choice(("vad", "vad", "stt", "manual"))
    push_to_talk = mode == "manual" and random.random() < 0.5
    faulty = random.random() < 0.4
    steps: list[Any] = []
    for _ in range(random.randint(1, 3)):
        steps += _turn(random, mode, faulty=faulty)
    tail = random.choice((2.0, 2.0, 0.0))
    more: dict[str, Any] = {
        "preemptive": random.random() < 0.7,
        "reply_seconds": random.choice((0.5, 0.5, 3.0, 8.0)),
        "push_to_talk": push_to_talk,
    }
    if random.random() < 0.15:
        more["options"] = random.choice(
            ({"interim_results": False}, {"start_on_words": True}, {"vad_events": False})
        )
    habits = _habits(random, seed)
    if push_to_talk:  # the peer would wait for the rest of a cut word, whose audio does not come
        habits["doubles_word"] = None
    return Drawn(Call(f"seed {seed}", tuple(steps), tail=tail), mode, habits, more)


def _turn(random: Random, mode: Mode, *, faulty: bool) -> list[Any]:
    steps: list[Any] = []
    if random.random() < 0.12:
        steps += [Cough(random.choice((0.1, 0.3))), Pause(random.choice((0.6, 1.6)))]
    soft = random.random() < 0.1
    for part in range(random.randint(1, 3)):
        if part:
            steps.append(Pause(random.choice(_PAUSES)))
        count = random.choice(_WORDS)
        same = random.random() < 0.15
        steps.append(Say(max(2, min(count, 3)), same=True) if same else Say(count, soft=soft))
        if random.random() < 0.1:
            steps.append(random.choice((Handoff(), SayNow(), Interrupt())))
        if random.random() < 0.12:
            steps.append(
                random.choice((Change({"language": "de"}), InWord(Change({"keywords": "x"}))))
            )
        if faulty and random.random() < 0.3:
            steps.append(random.choice((Cut(), Cut((503,)), Close(1000), Close(1011), Outage(0.4))))
            if random.random() < 0.4:
                steps += [Say(1), InWord(Cut())]
    steps.append(EndTurn())
    if random.random() < 0.1:
        steps += [Pause(0.1), random.choice((Change({"language": "fr"}), SayNow(), Cut()))]
    if mode == "manual" and random.random() < 0.2:
        steps += [Pause(0.15), Commit()]
    steps.append(Pause(random.choice((2.5, 2.5, 3.5, 5.5))))
    return steps


def _habits(random: Random, seed: int) -> dict[str, Any]:
    return {
        "latency": random.choice(LATENCIES),
        "window": random.choice((0.3, 0.3, 0.6)),
        "max_words": random.choice((None, None, 3, 5, 10)),
        "flag": random.random() < 0.75,
        "answers_empty": random.random() < 0.7,
        "vad": random.random() < 0.8,
        "word_times": random.choice((True, True, "rounded")),
        "repeats_finals": random.choice((0, 0, 0, 2)),
        "doubles_word": random.choice((None, None, 0.1)),
        "overtakes": random.random() < 0.15,
        "last": random.choice(("words", "words", "empty", "repeat")),
        "punctuates": random.random() < 0.3,
        "interim_every": random.choice((1, 1, 1, 1, 3)),
        "error_every": random.choice((0, 0, 0, 3)),
        "seed": seed,
    }


def main(arguments: Sequence[str]) -> None:
    logging.disable(logging.CRITICAL)
    first, count = map(int, arguments)
    found = 0
    for seed in range(first, first + count):
        drawn = draw(seed)
        outcome = drawn.hold("ours")
        wrong = outcome.faults + outcome.errors
        if wrong and (outcome.errors or not drawn.hold("perfect").faults):
            found += 1
            sys.stdout.write(f"seed {seed}: {'; '.join(wrong)}\n    {drawn!r}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{found} of {count} conversations have a fault\n")


if __name__ == "__main__":
    main(sys.argv[1:])
