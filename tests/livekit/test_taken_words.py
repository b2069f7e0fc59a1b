"""A session that waits in vain for a FINAL takes the interim: its words do not come again."""

from __future__ import annotations

import pytest

from pulse_plugins.core.base.events import Final, Interim
from tests.livekit.conversation import Conversation
from tests.livekit.speech_call import Call, said
from tests.support.habits import Habits
from tests.support.scenarios import Call as Scenario
from tests.support.scenarios import EndTurn, Outage, Pause, Say


async def test_an_outage_after_a_commit_doubles_no_word() -> None:
    first = (Say(5), Pause(0.3), EndTurn(), Outage(2.5), Pause(7.0))
    call = Scenario("outage", (*first, Say(3), Pause(0.3), EndTurn(), Pause(4.0)))
    habits = Habits(latency=0.3)
    outcome = await Conversation(call, mode="manual", habits=habits, commit_seconds=2.0).hold()
    words = [word for message in outcome.messages for word in message.split()]
    assert words == [word for turn in call.turns for word in turn]


def waiting(shown: str, **options: object) -> Call:
    """A commit waits for its FINAL, and the session holds this interim."""
    call = Call("manual", (0.9, 2.0), **options)  # type: ignore[arg-type]
    call.at(2.0, Interim(shown, 0.9))
    call.session.interim = shown
    call.flush()
    return call


def test_what_the_session_has_taken_is_left_out_of_the_final() -> None:
    call = waiting("a b")
    call.at(4.0)
    call.session.interim = ""
    call.take()
    call.at(5.0, Interim("a", 0.9), Interim("a b", 0.9), Interim("a b c", 0.9))
    assert [event.alternatives[0].text for event in call.out] == ["c"]
    final = said("A b, c", 0.9, 2.0, finalize_id=1)
    assert call.at(5.1, final).take_texts()[-1:] == ["c"]
    call.at(7.0, said("a b", 6.5, 7.0))
    call.flush()
    assert call.at(7.2, Final("", 7.0, 7.0, finalize_id=2)).take_texts() == ["a b"]


def test_a_final_of_nothing_new_still_answers_the_flush() -> None:
    call = waiting("a b")
    call.session.interim = ""
    assert call.at(5.0, said("a b", 0.9, 2.0, finalize_id=1)).take_texts() == [""]


def test_words_that_the_interim_heard_otherwise_are_left_out_too() -> None:
    call = waiting("a x")
    call.session.interim = ""
    assert call.at(5.0, said("a b c", 0.9, 2.0, finalize_id=1)).take_texts() == ["c"]


@pytest.mark.parametrize("shown", ["x y", "x b"])
def test_other_words_than_the_interims_are_kept(shown: str) -> None:
    call = waiting(shown)
    call.session.interim = ""
    kept = "a b c" if shown == "x y" else "c"
    assert call.at(5.0, said("a b c", 0.9, 2.0, finalize_id=1)).take_texts() == [kept]


@pytest.mark.parametrize("held", ["a b", None])
def test_a_final_is_whole_while_the_session_waits_or_hides_what_it_holds(held: str | None) -> None:
    call = waiting("a b")
    call.session.interim = held
    assert call.at(3.0, said("a b c", 0.9, 2.0, finalize_id=1)).take_texts() == ["a b c"]


def test_a_final_is_whole_for_an_agent_that_never_held_the_interim() -> None:
    call = waiting("a b")
    call.session.agent, call.session.interim = 2, ""
    assert call.at(3.0, said("a b c", 0.9, 2.0, finalize_id=1)).take_texts() == ["a b c"]


def test_a_final_is_whole_where_the_interim_had_not_reached_the_session() -> None:
    call = Call("manual", (0.9, 2.0))
    call.session.interim = ""
    call.at(2.0, Interim("a b", 0.9))
    call.flush()
    assert call.at(3.0, said("a b c", 0.9, 2.0, finalize_id=1)).take_texts() == ["a b c"]


def test_a_final_is_whole_where_no_flush_waits() -> None:
    call = waiting("a b")
    call.at(2.5, said("a b", 0.9, 2.0, finalize_id=1))
    call.take()
    call.at(6.0, Interim("a b", 5.0))
    call.session.interim = ""
    call.at(6.5, said("a b", 5.0, 6.0))
    call.flush()
    assert call.at(6.7, Final("", 6.0, 6.0, finalize_id=2)).take_texts() == ["a b"]


def test_a_language_without_spaces_is_compared_by_characters() -> None:
    call = waiting("你好", language="zh")
    call.session.interim = ""
    final = said("你好吗", 0.9, 2.0, finalize_id=1)
    assert call.at(5.0, final).take_texts() == ["吗"]


@pytest.mark.parametrize(("read", "kept"), [(True, ["c"]), (False, ["a b c"])])
def test_the_only_interim_after_a_commit_may_be_taken(read: bool, kept: list[str]) -> None:
    """Perhaps no event follows until the session has taken it."""
    call = Call("manual", (0.9, 2.0)).at(2.0)
    call.flush()
    call.session.interim = ""
    call.at(3.0, Interim("a b", 0.9))
    call.session.interim = "a b" if read else ""
    call.at(3.5)
    call.session.interim = ""
    assert call.at(5.0, said("a b c", 0.9, 2.0, finalize_id=1)).take_texts() == kept
