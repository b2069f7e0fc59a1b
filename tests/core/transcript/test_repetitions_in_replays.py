"""Which text of a replay, without word times, only says again what was delivered."""

from __future__ import annotations

import json

import pytest

from tests.support.call import Call

pytestmark = pytest.mark.unit


def final(text: str) -> str:
    return json.dumps({"transcript": text, "is_final": True})


def replayed(*later: int, flags: bool, first: tuple[int, ...] = (1,)) -> Call:
    """A call that is sent its first words, a finalize and later words again in a replay."""
    call = Call(timed=False, flags=flags)
    call.connect()
    call.say(*first, 0, 0)
    call.finalize()
    call.say(*later)
    call.reconnect(0.15)
    return call


def test_a_sentence_that_was_said_twice_comes_twice_in_a_replay() -> None:
    call = Call(timed=False)
    call.connect()
    call.say(1, 2, 3, 0, 0, 1, 2, 3)
    call.reconnect(0.15)
    call.hear(final("w1 w2 w3"))
    call.pass_time(0.1)
    call.hear(final("w1 w2 w3"))
    assert call.words == ["w1", "w2", "w3"] * 2


def test_a_marked_answer_that_is_sent_twice_in_a_replay_comes_once() -> None:
    call = replayed(*[0] * 6, flags=True)
    answer = call.server.answer()
    call.hear(answer)
    call.pass_time(0.1)
    call.hear(answer)
    assert call.words == ["w1"]


@pytest.mark.parametrize("flags", [True, False])
def test_equal_words_after_the_answer_in_a_replay_come_twice(flags: bool) -> None:
    call = replayed(1, *[0] * 6, flags=flags)
    call.hear(call.server.answer())
    call.pass_time(0.1)
    call.hear(call.server.final())
    assert call.words == ["w1", "w1"]


@pytest.mark.parametrize("flags", [True, False])
def test_several_equal_words_at_once_in_a_replay_are_one_utterance(flags: bool) -> None:
    call = replayed(*[0] * 6, flags=flags, first=(1, 2))
    call.hear(call.server.answer())
    call.pass_time(0.1)
    call.hear(final("w1 w2"))
    assert call.words == ["w1", "w2"]
