"""What was said against what the language model is asked, in real agent sessions.

Each call must leave each word once, in its turn, whatever the mode, the latency and the habits of
the server are. What the framework cannot do with any recognizer is listed in `LIMITS`, and
`context_table.py` shows it with one that knows the truth.

The default run takes each mode, latency and habit in half of its pairs; `--hypothesis-profile=ci`
takes all pairs.
"""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from pulse_plugins.core.client import stream
from tests.livekit.conversation import Commit, Conversation, Handoff, Mode
from tests.livekit.outcome import Outcome
from tests.support import calls
from tests.support.habits import Habits
from tests.support.profiles import is_few, pairs
from tests.support.scenarios import (
    Call,
    Change,
    Cough,
    EndTurn,
    InWord,
    NoAudio,
    Outage,
    Pause,
    Say,
)

LATENCIES = (0.05, 0.3, 0.6, 0.9)  # seconds; the service's median is 0.4

# Words stay complete and in order here, but not each in its turn.
LIMITS = {
    "a long pause in a sentence": "the pause is longer than the session waits for more words",
}

HABITS: list[dict[str, Any]] = [
    {"vad": False},
    {"flag": False},
    {"flag": False, "answers_empty": False},
    {"word_times": False},
    {"word_times": "rounded"},
    {"interim_every": 0},
    {"repeats_finals": 2},
    {"doubles_word": 0.1},
    {"overtakes": True},
    {"punctuates": True},
    {"error_every": 2},
    {"last": "repeat"},
    {"latency": (0.1, 0.9)},
]

_END = (EndTurn(), Pause(2.5))
PLAIN = Call("two turns", (Say(7), *_END, Say(4), *_END))


def check(outcome: Outcome) -> None:
    faults = outcome.faults
    if outcome.call.name in LIMITS:
        faults = [fault for fault in faults if not fault.startswith("said ")]
    assert faults == []
    assert outcome.errors == []


def spread(calls: tuple[Call, ...], mode: Mode) -> list[Any]:
    """Each call with one of the latencies; the three modes together cover most pairs.

    The default run takes each call in one of the modes.
    """
    shift = {"vad": 0, "stt": 1, "manual": 2}[mode]
    return [
        pytest.param(call, mode, LATENCIES[(index + shift) % 4], id=f"{call.name}-{mode}")
        for index, call in enumerate(calls)
        if not is_few() or (index + shift) % 3 == 0
    ]


@pytest.mark.parametrize(
    ("call", "mode", "latency"),
    [
        *spread((*calls.CONVERSATIONS, *calls.CHANGES), "vad"),
        *spread((*calls.CONVERSATIONS, *calls.CHANGES), "stt"),
        *spread((*calls.CONVERSATIONS, *calls.CHANGES), "manual"),
        *(
            pytest.param(call, "vad", LATENCIES[index % 4], id=f"{call.name}-vad")
            for index, call in enumerate(calls.FAULTS)
        ),
    ],
)
async def test_every_word_is_asked_about_in_its_turn(
    call: Call, mode: Mode, latency: float
) -> None:
    check(await Conversation(call, mode=mode, habits=Habits(latency=latency)).hold())


@pytest.mark.parametrize(("mode", "latency"), pairs(["vad", "stt", "manual"], LATENCIES, 2))
async def test_segments_that_the_server_cuts_for_their_length_end_no_turn(
    mode: Mode, latency: float
) -> None:
    habits = Habits(latency=latency, max_words=5)
    outcome = await Conversation(PLAIN, mode=mode, habits=habits).hold()
    check(outcome)
    assert len(outcome.requests) == 2


@pytest.mark.parametrize(("habit", "mode"), pairs(HABITS, ["vad", "stt"], 2), ids=str)
async def test_whatever_the_servers_habits_are(habit: dict[str, Any], mode: Mode) -> None:
    habits = Habits(**{"latency": 0.4, "max_words": 5, **habit})
    check(await Conversation(PLAIN, mode=mode, habits=habits).hold())


async def test_a_flush_alone_brings_the_words_of_a_server_that_ends_nothing() -> None:
    check(await Conversation(PLAIN, habits=Habits(latency=0.4, window=None)).hold())


@pytest.mark.parametrize("latency", LATENCIES)
async def test_push_to_talk_sends_the_words_under_way(latency: float) -> None:
    call = Call("push to talk", (Say(7), *_END, Say(6), EndTurn(), Pause(2.5)))
    habits = Habits(latency=latency, max_words=5)
    talk = Conversation(call, mode="manual", habits=habits, push_to_talk=True)
    check(await talk.hold())


@pytest.mark.parametrize(("mode", "latency"), pairs(["vad", "stt", "manual"], LATENCIES, 2))
async def test_hanging_up_in_mid_speech_keeps_what_was_said(mode: Mode, latency: float) -> None:
    call = Call("hang up", (Say(7),), tail=0.0)
    habits = Habits(latency=latency, max_words=5)
    check(await Conversation(call, mode=mode, habits=habits).hold())


@pytest.mark.parametrize("pause", [3.0, 3.4])
async def test_hanging_up_soon_after_an_outage_loses_no_word(
    pause: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer to the first turn comes while the caller says the second one.

    The delays between tries are drawn from a seed. With the longest delays no connection is back
    within the two seconds for which a session that closes waits.
    """
    monkeypatch.setattr(stream, "Random", lambda: Random(1))
    call = Call("hang up", (Say(4), EndTurn(), Outage(3.0), Pause(pause), Say(1)), tail=0.2)
    outcome = await Conversation(call, habits=Habits(latency=0.5)).hold()
    assert " ".join(outcome.messages) == " ".join(" ".join(turn) for turn in call.turns)


@pytest.mark.parametrize("latency", [0.3, 0.9])
async def test_the_next_agent_gets_all_words_of_the_turn(latency: float) -> None:
    steps: Any = (Say(6), Handoff(), Say(4), *_END, Say(3), *_END)
    habits = Habits(latency=latency, max_words=5)
    check(await Conversation(Call("handoff", steps), habits=habits).hold())


@pytest.mark.parametrize(("mode", "latency"), pairs(["vad", "stt"], LATENCIES, 2))
async def test_without_preemptive_replies_a_turn_is_one_request(mode: Mode, latency: float) -> None:
    habits = Habits(latency=latency, max_words=5)
    outcome = await Conversation(PLAIN, mode=mode, habits=habits, preemptive=False).hold()
    check(outcome)
    assert len(outcome.requests) == 2


@pytest.mark.parametrize(("formats", "latency"), pairs([{}, {"punctuates": True}], LATENCIES, 2))
async def test_with_preemptive_replies_a_turn_is_one_request(
    formats: dict[str, Any], latency: float
) -> None:
    call = Call("five turns", tuple(step for n in (2, 5, 1, 7, 4) for step in (Say(n), *_END)))
    outcome = await Conversation(call, habits=Habits(latency=latency, **formats)).hold()
    check(outcome)
    assert len(outcome.requests) == 5


async def test_a_server_turn_ends_although_the_audio_stops_in_mid_speech() -> None:
    call = Call("audio stops", (Say(5), EndTurn(), NoAudio(6.0)), tail=0.0)
    talk = Conversation(call, mode="stt", habits=Habits(latency=0.4))
    outcome = await talk.hold()
    check(outcome)
    assert len(outcome.requests) == 1  # the reply did not wait for the hang-up
    assert outcome.reply_delays[0] < 2.5


@pytest.mark.parametrize("latency", [0.6, 0.9])
async def test_a_caller_who_goes_on_before_the_answer_stays_in_the_turn(latency: float) -> None:
    call = next(each for each in calls.CONVERSATIONS if each.name == "a long pause in a sentence")
    outcome = await Conversation(call, habits=Habits(latency=latency)).hold()
    assert outcome.faults == []
    assert len(outcome.requests) == 2


@pytest.mark.parametrize("latency", [0.6, 0.9])
async def test_a_soft_word_before_a_commit_is_in_its_turn(latency: float) -> None:
    """The server's end of the words before it comes while the commit waits for its answer."""
    steps: Any = (Say(5), Pause(0.5), Say(1, soft=True), Commit(), EndTurn(), Pause(3.5))
    call = Call("commit", (*steps, Say(3), *_END))
    check(await Conversation(call, mode="stt", habits=Habits(latency=latency)).hold())


@pytest.mark.parametrize(
    ("mode", "habits", "steps"),
    [
        pytest.param(
            "vad",
            {"latency": 0.4, "vad": False, "interim_every": 0},
            (Say(5), Pause(0.45), Say(4), *_END),
            id="a server without interims, and a pause",
        ),
        pytest.param(
            "vad",
            {"latency": 0.4, "answers_empty": False},
            (Cough(), Pause(0.6), Say(4), Change({"keywords": "Acme"}), Pause(0.45), Say(4), *_END),
            id="a cough that the server does not answer, and other options",
        ),
        pytest.param(
            "stt",
            {"latency": 0.4, "window": 0.6, "interim_every": 0},
            (Say(2), Change({"keywords": "Acme"}), Pause(0.4), Say(7), *_END),
            id="other options without interims",
        ),
        pytest.param(
            "stt",
            {"latency": 1.2, "flag": False},
            (Say(4), InWord(Change({"keywords": "Acme"})), Pause(0.4), Say(1), *_END),
            id="an end of speech in a replay",
        ),
        pytest.param(
            "stt",
            {"latency": 0.9},
            (Say(4), EndTurn(), Pause(1.2), Say(3), *_END),
            id="a turn that begins while the last answer is out",
        ),
        pytest.param(
            "stt",
            {"latency": 1.2, "vad": False, "interim_every": 3},
            (Say(1), Pause(0.1), Say(12), Pause(0.3), Say(4), *_END, Say(12), *_END),
            id="words without interims after a pause",
        ),
        pytest.param(
            "stt",
            {"latency": 0.6, "max_words": 5, "overtakes": True},
            (
                *(Say(4, soft=True), Pause(0.45), Say(1, soft=True)),
                *(InWord(Change({"keywords": "x"})), *_END, Say(1), *_END),
            ),
            id="other options in the middle of the last word",
        ),
        pytest.param(
            "manual",
            {"latency": (0.1, 1.6), "seed": 10},
            (Say(3), EndTurn(), Pause(0.6), Say(9), *_END),
            id="the first of the next words together with the answer to a commit",
        ),
        pytest.param(
            "vad",
            {"latency": 1.2, "vad": False},
            (Say(2), *_END, Say(7), Handoff(), *_END, Say(3), *_END),
            id="a turn that no detector hears, because the agent changes at its end",
        ),
    ],
)
async def test_turns_that_were_split_or_joined_once(
    mode: Mode, habits: dict[str, Any], steps: tuple[Any, ...]
) -> None:
    call = Call("as it was seen", steps)
    assert (await Conversation(call, mode=mode, habits=Habits(**habits)).hold()).faults == []


@pytest.mark.parametrize("latency", [1.22, 1.24])
async def test_a_caller_who_begins_to_speak_as_a_commit_is_answered_is_heard_on(
    latency: float,
) -> None:
    """The framework's voice detector reports the start 0.04 s after the answer, or sooner."""
    turn = (EndTurn(), Pause(1.2), Say(4))
    call = Call("resumes at the answer", (Say(3), *turn, *turn, EndTurn(), Pause(3.0)))
    check(await Conversation(call, mode="manual", habits=Habits(latency=latency)).hold())


@pytest.mark.parametrize("name", ["a short pause in a sentence", "two pauses in a sentence"])
async def test_a_pause_that_the_detector_does_not_end_costs_no_request(name: str) -> None:
    """The server is fast, so that its end of speech comes within the pause."""
    call = next(each for each in calls.CONVERSATIONS if each.name == name)
    outcome = await Conversation(call, habits=Habits(latency=0.05)).hold()
    check(outcome)
    assert len(outcome.requests) == len(call.turns)


async def test_diarized_text_is_one_request_a_turn() -> None:
    call = next(each for each in calls.CONVERSATIONS if each.name == "two speakers")
    habits = Habits(latency=0.4, speakers=call.speakers)
    talk = Conversation(call, habits=habits, options={"diarize": True})
    outcome = await talk.hold()
    check(outcome)
    assert len(outcome.requests) == 2


@pytest.mark.parametrize("call", [PLAIN, calls.CONVERSATIONS[3]], ids=lambda call: call.name)
@pytest.mark.parametrize("mode", ["vad", "stt", "manual"])
async def test_a_perfect_recognizer_passes_too(call: Call, mode: Mode) -> None:
    """The harness asks for nothing that the framework cannot do."""
    check(await Conversation(call, "perfect", mode, Habits(latency=0.4)).hold())
