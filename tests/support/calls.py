"""The calls that every listener is tried with."""

from __future__ import annotations

from tests.support.scenarios import (
    BlackHole,
    Call,
    Change,
    Close,
    Cough,
    Cut,
    EndTurn,
    Finalize,
    InWord,
    Mute,
    NoAudio,
    Outage,
    Pause,
    Say,
    Step,
)

_END = (EndTurn(), Pause(1.5))


def _interrupted(*steps: Step) -> tuple[Step, ...]:
    """Steps between two words of a turn, and a second turn that comes whole."""
    return (Say(4), Pause(0.1), *steps, Say(4), *_END, Say(3), *_END)


#: Nothing goes wrong; what differs is how the caller speaks and what the application asks.
CONVERSATIONS: tuple[Call, ...] = (
    Call("one turn", (Say(5), *_END)),
    Call("three turns", (Say(5), *_END, Say(1), *_END, Say(7), *_END)),
    Call("twelve words in one breath", (Say(12), *_END, Say(3), *_END)),
    Call("a monologue", (Say(45), *_END, Say(2), *_END)),
    Call("a short pause in a sentence", (Say(5), Pause(0.45), Say(2), *_END, Say(3), *_END)),
    Call("a long pause in a sentence", (Say(5), Pause(0.7), Say(2), *_END, Say(3), *_END)),
    Call("two pauses in a sentence", (Say(2), Pause(0.4), Say(3), Pause(0.4), Say(2), *_END)),
    Call("the same word three times", (Say(2), Say(3, same=True), Say(2), *_END)),
    Call("no, no as turns of their own", (Say(2, same=True), *_END, Say(2), *_END)),
    Call("a finalize between words", (Say(4), Finalize(), Pause(0.1), Say(4), *_END)),
    Call("a finalize and on at once", (Say(4), Finalize(), Say(4), *_END, Say(2), *_END)),
    Call("a finalize in a word", (Say(4), InWord(Finalize()), Say(3), *_END, Say(2), *_END)),
    Call("a cough before a turn", (Cough(), Pause(0.6), Say(5), *_END)),
    Call("a cough after a turn", (Say(5), *_END, Cough(), Pause(1.5), Say(3), *_END)),
    Call("a soft caller", (Say(6, soft=True), *_END, Say(3, soft=True), *_END)),
    Call("two speakers", (Say(3), Pause(0.15), Say(3, speaker=1), *_END, Say(2), *_END)),
    Call("hang up after the last word", (Say(4), *_END, Say(6)), tail=0.0),
    Call("hang up soon after a turn", (Say(4), EndTurn(), Pause(0.3)), tail=0.0),
)

#: The audio or the application changes in the course of the call.
CHANGES: tuple[Call, ...] = (
    Call(
        "muted between turns",
        (Say(4), *_END, Mute(True), Say(4), *_END, Mute(False), Say(4), *_END),
    ),
    Call("audio stops between turns", (Say(4), *_END, NoAudio(3.0), Say(4), *_END)),
    Call("audio stops in a sentence", _interrupted(NoAudio(0.4))),
    Call("audio stops for good", (Say(4), *_END, Say(5), NoAudio(4.0)), tail=0.0),
    Call("options change in a word", (Say(4), InWord(Change({"language": "de"})), Say(3), *_END)),
    Call("options change in a sentence", _interrupted(Change({"language": "de"}))),
    Call(
        "options change between turns", (Say(4), *_END, Change({"language": "de"}), Say(4), *_END)
    ),
)

#: The network or the server fails.
FAULTS: tuple[Call, ...] = (
    Call("a cut in a word", (Say(4), InWord(Cut()), Say(4), *_END, Say(3), *_END)),
    Call("a cut between words", _interrupted(Cut())),
    Call("a cut between turns", (Say(4), *_END, Cut(), Say(4), *_END)),
    Call("a cut at the end of a turn", (Say(4), Cut(), *_END, Say(4), *_END)),
    Call(
        "a cut while the answer is awaited",
        (Say(4), EndTurn(), Pause(0.25), Cut(), Pause(1.5), Say(3), *_END),
    ),
    Call("a cut and 503", _interrupted(Cut(then_refused=(503, 503)))),
    Call("a cut and 429", _interrupted(Cut(then_refused=(429,)))),
    Call("three cuts", _interrupted(Cut(), Say(2), Cut(), Say(2), Cut())),
    Call("an outage in a sentence", _interrupted(Outage(1.5))),
    Call("an outage over a turn", (Say(4), *_END, Outage(4.0), Say(4), *_END, Say(4), *_END)),
    Call("a black hole", (Say(4), *_END, BlackHole(), Say(6), *_END, Pause(8.0), Say(3), *_END)),
    Call("closed for too many sessions", _interrupted(Close(1008))),
    Call("closed by the server", _interrupted(Close(1011))),
    Call("closed without a reason", _interrupted(Close(1000))),
)

ALL: tuple[Call, ...] = (*CONVERSATIONS, *CHANGES, *FAULTS)

#: Names of a few calls of every kind, for tests that combine them with many servers.
OF_EVERY_KIND = frozenset(
    {
        "three turns",
        "a monologue",
        "a short pause in a sentence",
        "the same word three times",
        "a finalize in a word",
        "hang up after the last word",
        "audio stops in a sentence",
        "options change in a word",
        "a cut in a word",
        "a cut while the answer is awaited",
        "three cuts",
        "a black hole",
    }
)
