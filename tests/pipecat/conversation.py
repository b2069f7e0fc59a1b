"""A conversation as data, and what stands in the LLM's context at each of its requests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pipecat.frames.frames import Frame

from tests.pipecat.tone_server import LOUD, SOFT, WORD, Habits, Samples, noise, quiet, tone
from tests.support.scenarios import GAP, Cough, EndTurn, NoAudio, Pause, Say, differences


@dataclass(frozen=True, slots=True)
class Do:
    """Put this frame into the pipeline."""

    frame: Callable[[], Frame]


Step = Say | Pause | EndTurn | NoAudio | Cough | Do


def end(seconds: float = 3.5) -> tuple[EndTurn, Pause]:
    """The caller's turn is over; a reply is due, for which the caller waits."""
    return EndTurn(), Pause(seconds)


@dataclass(frozen=True, slots=True)
class Conversation:
    """What is said to whom, and what goes wrong meanwhile.

    Attributes:
        steps: In order.
        habits: The server's.
        settings: Of the service.
        start: Names of start strategies, joined by "+".
        stop: Name of the stop strategy.
        server_turns: The service proposes the turns; without a VAD in the pipeline.
        mute: Names of mute strategies, joined by "+".
        greeting: Seconds that the bot speaks when the call begins.
        bot: Seconds that a reply is spoken.
        function_call: Seconds that the bot's first reply takes to call a function.
    """

    name: str
    steps: tuple[Step, ...]
    habits: Habits = field(default_factory=Habits)
    settings: dict[str, Any] = field(default_factory=dict)
    start: str = "vad+transcription"
    stop: str = "timeout"
    server_turns: bool = False
    mute: str = ""
    greeting: float = 0.0
    bot: float = 1.0
    function_call: float = 0.0

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class SaidWord:
    number: int
    start: float  # seconds from the first frame, pauses without audio included
    end: float
    turn: int
    unheard: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps on a clock."""

    chunks: list[Samples | NoAudio | Do]
    words: list[SaidWord]
    turn_ends: list[float]

    @property
    def turns(self) -> list[list[int]]:
        turns: list[list[int]] = [[] for _ in self.turn_ends]
        for word in self.words:
            if not word.unheard:
                turns[word.turn].append(word.number)
        return [turn for turn in turns if turn]


def plan(steps: tuple[Step, ...]) -> Plan:
    """The audio of a conversation; 0.06 s of silence follow each word.

    The tone server knows a word by its pitch, and its habits say who speaks which word.
    """
    made = Plan([], [], [])
    now, number = 0.5, 0
    made.chunks.append(quiet(now))
    for step in steps:
        match step:
            case Say():
                assert (step.gap, step.same, step.speaker) == (GAP, False, 0), "not played here"
                level = SOFT if step.soft else LOUD
                for _ in range(step.count):
                    number += 1
                    made.chunks.extend((tone(number, level), quiet(GAP)))
                    made.words.append(
                        SaidWord(number, now, now + WORD, len(made.turn_ends), step.unheard)
                    )
                    now += WORD + GAP
            case EndTurn():
                made.turn_ends.append(now - GAP)
            case Pause():
                made.chunks.append(quiet(step.seconds))
                now += step.seconds
            case Cough():
                made.chunks.append(noise(step.seconds))
                now += step.seconds
            case NoAudio():
                made.chunks.append(step)
                now += step.seconds
            case Do():
                made.chunks.append(step)
    return made


@dataclass(slots=True)
class Outcome:
    """What came of a conversation.

    Attributes:
        turns: The numbers that were said, turn by turn.
        requests: The words new in the context at each request; what came too late for a request
            but stands in the context when the call is over comes last.
    """

    turns: list[list[str]]
    requests: list[list[str]]

    @property
    def faults(self) -> list[str]:
        """What is wrong, in words; empty where every word is there once and in its turn."""
        if self.requests == self.turns:
            return []
        requests = [" ".join(words) for words in self.requests]
        return [*differences(self.turns, requests), f"requests: {' | '.join(requests)}"]
