"""Calls at random on servers of random habits through a `PulseStream`: each word once, in order."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from tests.core.test_calls import play_to_stream
from tests.support.profiles import is_few
from tests.support.scenarios import (
    BlackHole,
    Call,
    Change,
    Close,
    Cut,
    EndTurn,
    Finalize,
    InWord,
    NoAudio,
    Outage,
    Pause,
    Say,
    Step,
)

# What may happen between two stretches of speech, each about as often as the others.
_HAPPENINGS: tuple[Callable[[Random], tuple[Step, ...]], ...] = (
    lambda random: (),
    lambda random: (InWord(Finalize()),),
    lambda random: (InWord(Finalize()), InWord(Finalize())),
    lambda random: (Finalize(),),
    lambda random: (Pause(random.choice((0.1, 0.3, 0.5, 0.8))),),
    lambda random: (InWord(Cut()),),
    lambda random: (Cut(then_refused=tuple(random.choices((429, 500, 503), k=2))),),
    lambda random: (Close(random.choice((1000, 1001, 1008, 1011))),),
    lambda random: (InWord(Change({"language": random.choice(("de", "en", "fr"))})),),
    lambda random: (NoAudio(random.choice((0.4, 1.5, 6.0))),),
    lambda random: (Outage(random.choice((0.5, 1.5))),),
    lambda random: (BlackHole(),),
)


def random_call(random: Random) -> Call:
    """A call of two to five stretches of speech."""
    steps: list[Step] = []
    for _ in range(random.randint(2, 5)):
        steps.append(Say(random.randint(1, 6), same=random.random() < 0.15))
        steps += random.choice(_HAPPENINGS)(random)
        if random.random() < 0.4:
            steps += [EndTurn(), Pause(random.choice((0.3, 1.5)))]
    return Call("at random", (*steps, EndTurn(), Pause(1.5)), tail=2.0)


def random_habits(random: Random) -> dict[str, Any]:
    """The habits of a server whose finals have word times."""
    return {
        "latency": random.choice((0.05, 0.2, 0.4, (0.05, 0.6))),
        "flag": random.choice((True, True, False)),
        "doubles_word": random.choice((None, None, 0.0, 0.05, 0.1, 0.2, 0.3)),
        "last": random.choice(("words", "empty", "repeat")),
        "error_every": random.choice((0, 0, 1, 2)),
        "repeats_finals": random.choice((0, 0, 2, 3)),
        "overtakes": random.random() < 0.3,
        "word_times": random.choice((True, True, "rounded")),
        "max_words": random.choice((None, 3, 4, 10)),
        "answers_empty": random.random() < 0.8,
        "window": random.choice((0.3, 0.3, 0.6, None)),
        "interim_every": random.choice((1, 1, 3, 0)),
    }


@pytest.mark.parametrize("seed", range(12 if is_few() else 300))
async def test_each_word_comes_once_and_in_order(seed: int) -> None:
    random = Random(seed)
    call, habits = random_call(random), random_habits(random)
    # An interim that a final overtook may be promoted if the server then goes silent: while the
    # caller speaks on, nothing tells that its word is an old one.
    habits["overtakes"] = habits["overtakes"] and BlackHole() not in call.steps
    line = await play_to_stream(call, **habits)
    line.check(call)
