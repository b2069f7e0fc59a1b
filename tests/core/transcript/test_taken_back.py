"""An interim that was told is replaced by a final, or taken back."""

from __future__ import annotations

import pytest

from pulse_plugins.core.base.events import Interim
from tests.support.call import Call

pytestmark = pytest.mark.unit
EMPTY = {"transcript": "", "is_final": True}


def interims(call: Call) -> list[str]:
    return [each.text for each in call.all(Interim)]


def test_an_interim_that_says_delivered_words_otherwise_is_taken_back() -> None:
    call = Call(timed=False)
    call.connect()
    call.say(1, 2)
    call.hear(call.server.final())
    server = call.reconnect(0.5)
    call.hear({"transcript": "w9", "is_final": False})
    call.hear(server.final())
    assert interims(call) == ["w9", ""]
    assert call.words == ["w1", "w2"]


def test_an_interim_is_not_taken_back_when_its_final_has_new_words() -> None:
    call = Call()
    server = call.connect()
    call.say(1)
    call.hear(server.interim())
    call.hear(server.final())
    assert interims(call) == ["w1"]


def noise() -> Call:
    """A call in which an interim told a noise, and a request for the noise."""
    call = Call()
    server = call.connect()
    call.say(1)
    call.hear(server.interim())
    call.finalize()
    return call


@pytest.mark.parametrize("flag", [{}, {"from_finalize": True}])
def test_an_empty_answer_takes_the_interim_back(flag: dict[str, bool]) -> None:
    call = noise()
    call.hear({**EMPTY, **flag})
    call.pass_time(2.1)
    assert interims(call) == ["w1", ""]
    call.end()
    call.pass_time(10.0)
    assert call.words == []


@pytest.mark.parametrize("flag", [{}, {"from_finalize": True}])
def test_an_empty_answer_leaves_the_interim_of_what_was_said_after_its_request(
    flag: dict[str, bool],
) -> None:
    call = noise()
    call.say(2)
    call.hear(call.server.interim())
    call.hear({**EMPTY, **flag})
    assert interims(call) == ["w1", "w1 w2"]
    call.end()
    call.pass_time(10.0)
    assert call.words == ["w1", "w2"]


def test_an_unmarked_empty_answer_takes_back_an_interim_for_which_the_audio_has_no_word() -> None:
    call = Call(flags=False)
    server = call.connect()
    call.say(1, 0, 0)
    call.hear(server.final())
    call.hear({"transcript": "one", "is_final": False})  # older than the final, and revised in it
    request = call.finalize()
    call.hear({"transcript": "", "is_final": True})
    assert call.answered == [request]
    assert interims(call) == ["one", ""]
    call.end()
    call.pass_time(10.0)
    assert call.words == ["w1"]


def test_without_word_times_an_empty_answer_is_believed_whatever_an_interim_shows() -> None:
    call = Call(flags=False, timed=False)
    server = call.connect()
    call.say(1)
    call.hear(server.final())
    call.say(2)
    call.hear(server.interim())
    request = call.finalize()
    call.hear({"transcript": "", "is_final": True})
    assert call.answered == [request]


def test_an_empty_last_final_leaves_the_interim() -> None:
    call = noise()
    call.end()
    call.hear({**EMPTY, "is_last": True})
    assert interims(call) == ["w1"]
    assert call.words == ["w1"]


def test_an_empty_final_that_nobody_asked_for_takes_the_interim_back() -> None:
    """Endpointing closed the noise; a server that says nothing to an empty request follows."""
    call = Call()
    server = call.connect()
    call.say(1)
    call.hear(server.interim())
    call.hear(EMPTY)
    assert interims(call) == ["w1", ""]
    request = call.finalize()
    call.pass_time(2.1)
    assert [(final.text, final.finalize_id) for final in call.finals] == [("", request)]


@pytest.mark.parametrize(("pause", "words"), [(0, ["w2", "w3", "w4"]), (10, [])])
def test_a_late_empty_answer_takes_no_newer_words_back(pause: int, words: list[str]) -> None:
    call = Call(flags=False)
    server = call.connect()
    call.say(1, 0)
    call.hear(server.final())
    call.finalize()  # complete at once, so that its answer is late
    call.say(*[0] * pause)
    call.say(2, 3, 4)
    call.hear(server.interim())
    call.hear(EMPTY)
    call.finalize()
    call.pass_time(2.1)
    assert call.words == ["w1", *words]


def test_an_interim_that_comes_after_an_empty_final_is_promoted() -> None:
    call = Call(flags=False)
    server = call.connect()
    call.say(1, 2, 3)
    request = call.finalize()
    call.hear(EMPTY)
    call.hear(server.interim())
    call.pass_time(2.1)
    (final,) = call.finals
    assert (final.text, final.finalize_id, final.promoted) == ("w1 w2 w3", request, True)
