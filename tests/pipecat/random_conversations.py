"""Conversations at random, for a search for faults that nobody thought of.

`python -m tests.pipecat.random_conversations FIRST COUNT` holds one for each seed and prints what
is wrong, leaving out what an all-knowing service cannot do better.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from loguru import logger

from tests.pipecat.context_table import faults
from tests.pipecat.conversation import Conversation, Step, end
from tests.pipecat.conversations import ALL_LATENCIES, STARTS, STOPS
from tests.pipecat.tone_server import Habits
from tests.support.scenarios import Cough, Pause, Say

_WORDS = (1, 2, 4, 7, 11, 15)
_PAUSES = (0.1, 0.2, 0.3, 0.45, 0.7, 1.2, 1.9)  # seconds
_SHORT = 0.45  # seconds: a pause that ends no turn, whatever the strategy


def conversation(seed: int) -> Conversation:
    """The conversation of this seed."""
    random = Random(seed)
    server_turns = random.random() < 0.3
    start, stop = random.choice(STARTS), random.choice(STOPS)
    settings = _settings(random, start)
    # A final that starts a turn makes the strategies forget the verdict on the pause before it.
    finals_start = "vad" not in start and ("final" in start or "redact_pii" in settings)
    forgets = server_turns or finals_start or start.startswith("wake")
    longest = _SHORT if forgets or stop == "timeout" else _PAUSES[-1]
    may_be_soft = "transcription" in start and not server_turns
    steps: list[Step] = []
    for _ in range(random.randint(1, 3)):
        steps += _turn(random, longest, may_be_soft=may_be_soft)
    if start.startswith("wake"):
        at, first = next((at, each) for at, each in enumerate(steps) if isinstance(each, Say))
        steps.insert(at, replace(first, count=3))
    return Conversation(
        f"seed {seed}",
        tuple(steps),
        _habits(random),
        settings,
        start=start,
        stop=stop,
        server_turns=server_turns,
        bot=0.5 if "words" in start else random.choice((0.5, 1.0, 8.0)),
    )


def muted(seed: int) -> Conversation:
    """A conversation that begins while the bot's greeting mutes the caller."""
    random = Random(seed)
    words = random.randint(1, 12)
    goes_on = random.random() < 0.4
    after = random.choice((0.021, 0.04) if goes_on else (0.021, 0.05, 0.1, 0.2, 0.4, 0.7))
    steps: list[Step] = [Say(words, unheard=True)]
    if not goes_on:
        steps.append(Pause(random.choice((0.9, 1.3))))
    steps += [Say(random.choice((2, 5, 12))), *end(5.0), Say(3), *end(5.0)]
    return Conversation(
        f"muted, seed {seed}",
        tuple(steps),
        replace(_habits(random), drop_at=None, doubles=False),
        start=random.choice(STARTS[:3]),
        server_turns=random.random() < 0.4,
        mute=random.choice(("first speech", "until first", "always")),
        greeting=0.5 + words * 0.3 - 0.06 + after,
    )


def _settings(random: Random, start: str) -> dict[str, bool]:
    settings = {}
    if random.random() < 0.2 and not start.startswith("wake"):
        settings["diarize"] = True
    if random.random() < 0.2:
        settings["redact_pii"] = True
    return settings


def _turn(random: Random, longest: float, *, may_be_soft: bool) -> list[Step]:
    steps: list[Step] = []
    if random.random() < 0.15:
        steps += [Cough(random.choice((0.1, 0.25, 0.4))), Pause(random.choice((1.0, 1.6)))]
    soft = may_be_soft and random.random() < 0.15
    for part in range(random.randint(1, 3)):
        if part:
            most = min(longest, 0.2) if soft else longest
            steps.append(Pause(random.choice([each for each in _PAUSES if each <= most])))
        steps.append(Say(random.choice(_WORDS), soft=soft))
    steps += end(random.choice((4.5, 5.5)))
    return steps


def _habits(random: Random) -> Habits:
    timed = random.random() < 0.8
    is_dropped = random.random() < 0.3
    return Habits(
        latency=random.choice(ALL_LATENCIES),
        flag=not timed or random.random() < 0.7,
        # Without word times, nothing tells which of several requests a server answers.
        answers_empty=not timed or random.random() < 0.6,
        timed=timed,
        window=0.6,
        doubles=random.random() < 0.3,
        max_words=random.choice((3, 10, 10, 1000)),
        speakers={number: number * 7 // 5 % 3 for number in range(200)},
        secrets=frozenset(random.sample(range(1, 60), 10)),
        drop_at=random.uniform(0.7, 8.0) if is_dropped else None,
        outage=random.choice((0.0, 0.0, 0.5, 1.0)),
    )


def main(arguments: Sequence[str]) -> None:
    logger.remove()
    first, count = map(int, arguments)
    found = 0
    for seed in range(first, first + count):
        for each in (conversation(seed), muted(seed)):
            wrong = faults(each, "ours")
            if wrong and not faults(each, "perfect"):
                found += 1
                sys.stdout.write(f"{each}: {'; '.join(wrong)}\n    {each!r}\n")
                sys.stdout.flush()
    sys.stdout.write(f"{found} of {2 * count} conversations have a fault\n")


if __name__ == "__main__":
    main(sys.argv[1:])
