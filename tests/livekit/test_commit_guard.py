"""Which answer waits until the framework has heard that the caller speaks."""

from __future__ import annotations

import pytest

from pulse_plugins.core.base.events import Event, Final, Interim, SpeechEnded
from pulse_plugins.core.transcript.eager import EagerText
from pulse_plugins.livekit.commit_guard import CommitGuard
from pulse_plugins.livekit.framework import HeldInterim, TurnMode
from pulse_plugins.livekit.turn_ending import TurnEnding

ANSWER = Final("a", 0.0, 0.5, finalize_id=1)


class Reader:
    """Tells the mode of a session."""

    may_flush = True

    def __init__(self, mode: TurnMode) -> None:
        self._mode = mode

    def read(self) -> TurnMode:
        return self._mode

    def held_interim(self) -> HeldInterim | None:
        return None


def guard(*levels: int, mode: TurnMode = "manual") -> CommitGuard:
    """A guard that has heard so many stretches of 0.05 s, each as loud as this."""
    eager, turns = EagerText(), TurnEnding(Reader(mode))
    turns.look()
    for level in levels:
        eager.audio(level.to_bytes(2, "little") * 800, 0.05)
    return CommitGuard(eager, turns)


QUIET, BEGINS, SPEAKS = (0,) * 6, (0, 0, 0, 0, 0, 9000), (9000,) * 6


@pytest.mark.parametrize(
    ("levels", "event", "waits"),
    [
        (BEGINS, ANSWER, True),
        (QUIET, ANSWER, False),
        (SPEAKS, ANSWER, False),
        (BEGINS, Final("a", 0.0, 0.5), False),
        (BEGINS, SpeechEnded(0.5), False),
    ],
)
def test_an_answer_waits_while_the_caller_begins_to_speak(
    levels: tuple[int, ...], event: Event, waits: bool
) -> None:
    assert guard(*levels).begins_to_hold(event) is waits


@pytest.mark.parametrize("mode", ["vad", "detector", "stt"])
def test_only_the_answer_to_a_commit_waits(mode: TurnMode) -> None:
    assert not guard(*BEGINS, mode=mode).begins_to_hold(ANSWER)


def test_what_comes_after_an_answer_that_waits_stays_behind_it() -> None:
    held = guard(*BEGINS)
    assert not held.holds(Interim("a", 0.0), begins=False)
    assert held.holds(ANSWER, begins=True)
    assert not held.begins_to_hold(ANSWER)
    assert held.holds(SpeechEnded(0.5), begins=False)
    assert held.take() == [ANSWER, SpeechEnded(0.5)]
    assert held.take() == []
