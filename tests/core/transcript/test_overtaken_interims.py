"""Interims that a final has overtaken on their way."""

from __future__ import annotations

import pytest

from tests.core.transcript.test_repetitions import after_final, interims
from tests.support.call import Call

pytestmark = pytest.mark.unit


def overtaken(*words: int, shown: str, seconds: float = 0.0) -> Call:
    """A call in which the caller speaks on behind a final, and this interim comes so much later."""
    call = Call()
    server = call.connect()
    call.say(*words, 7, 8, 9, 0)
    call.hear(server.final(server.words()[: len(words)]))
    call.pass_time(seconds)
    call.hear({"transcript": shown, "is_final": False})
    return call


@pytest.mark.parametrize("shown", ["w1", "w1 w2"])
def test_an_interim_that_a_final_has_overtaken_is_not_promoted_while_the_caller_speaks_on(
    shown: str,
) -> None:
    call = overtaken(1, 2, shown=shown)
    call.finalize()
    call.pass_time(2.5)
    assert interims(call) == []
    assert call.words == ["w1", "w2"]


def test_all_interims_that_a_final_has_overtaken_are_held_back() -> None:
    call = Call()
    server = call.connect()
    call.say(1, 2, 3, 4, 5, 6, 7, 8, 9, 0)
    words = server.words()
    call.hear(server.final(words[:3]))
    call.hear(server.final(words[3:5]))
    for shown in ("w1", "w1 w2", "w1 w2 w3", "w4", "w4 w5", "w4 w5", "w1 w2 w3 w4", "w6 w7"):
        call.hear({"transcript": shown, "is_final": False})
    assert interims(call) == ["w6 w7"]


def test_an_old_interim_hides_no_other_one_for_which_the_audio_has_no_room() -> None:
    call = Call()
    server = call.connect()
    call.say(1, 2, 3, 0)
    words = server.words()
    call.hear(server.final(words[:2]))
    call.hear(server.final(words[2:]))
    for shown in ("w1 w2", "w3"):
        call.hear({"transcript": shown, "is_final": False})
    assert interims(call) == []


@pytest.mark.parametrize(("seconds", "told"), [(0.3, []), (0.4, ["w1 w2"])])
def test_two_words_that_begin_an_older_final_are_told_when_that_final_is_long_past(
    seconds: float, told: list[str]
) -> None:
    call = Call()
    server = call.connect()
    call.say(1, 2, 3, 4, 7, 8, 9, 0)
    words = server.words()
    call.hear(server.final(words[:2]))
    call.pass_time(seconds - 0.1)
    call.hear(server.final(words[2:4]))
    call.pass_time(0.1)
    call.hear({"transcript": "w1 w2", "is_final": False})
    assert interims(call) == told


def test_the_next_connection_may_begin_with_the_words_of_the_newest_final() -> None:
    call = Call()
    server = call.connect()
    call.say(1, 2, 1, 2, 0)
    call.hear(server.final(server.words()[:2]))
    server = call.reconnect(0.2)
    call.hear(server.interim())
    assert interims(call) == ["w1 w2"]


def test_the_same_beginning_is_told_with_the_next_interim() -> None:
    call = overtaken(1, 2, shown="w1")
    call.hear({"transcript": "w1", "is_final": False})
    assert interims(call) == ["w1"]


@pytest.mark.parametrize(("seconds", "told"), [(0.34, []), (0.36, ["w1"])])
def test_the_same_beginning_is_told_when_the_final_is_long_past(
    seconds: float, told: list[str]
) -> None:
    assert interims(overtaken(1, 2, shown="w1", seconds=seconds)) == told


@pytest.mark.parametrize(("words", "shown"), [((1,), "w1"), ((1, 2), "w2")])
def test_a_single_word_and_the_last_word_are_told_again_at_once(
    words: tuple[int, ...], shown: str
) -> None:
    assert interims(overtaken(*words, shown=shown)) == [shown]


def test_equal_finals_around_an_interim_that_may_be_overtaken_are_two() -> None:
    call = after_final(1, 2)
    call.say(1, 2)
    call.finalize()
    call.hear(call.server.interim())
    call.hear(call.server.answer())
    assert call.words == ["w1", "w2"] * 2
