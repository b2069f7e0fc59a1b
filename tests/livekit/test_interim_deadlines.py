"""Interims in a row bring no deadline nearer, so that the alarm of a stream can stay as it is."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pulse_plugins.core.base.events import (
    Disconnected,
    Event,
    Final,
    Interim,
    SpeechEnded,
    SpeechStarted,
)
from pulse_plugins.livekit.framework import TurnMode
from tests.livekit.speech_call import FINAL, INTERIM, Call, said

_LATER = st.sampled_from([0.0, 0.02, 0.1, 0.2, 0.45, 0.9, 2.1])  # seconds until the next step
_TEXTS = st.sampled_from(["", "a", "a b", "a b c", "a b c d"])
_STEPS = st.lists(
    st.tuples(
        _LATER,
        st.sampled_from([*["interim"] * 3, "final", "start", "end", "gone", "flush"]),
        _TEXTS,
    ),
    max_size=25,
)
_MODES: st.SearchStrategy[TurnMode | None] = st.sampled_from(["vad", "stt", "manual", None])


def _event(kind: str, text: str, now: float, asked: int) -> Event:
    match kind:
        case "start":
            return SpeechStarted(max(0.0, now - 0.2))
        case "end":
            return SpeechEnded(max(0.0, now - 0.2))
        case "gone":
            return Disconnected(None)
    if not text:
        return Final("", now, now, finalize_id=asked or None)
    return said(text, max(0.0, now - 0.5), now, finalize_id=asked or None)


def _nearer(deadline: float | None, before: float | None) -> bool:
    return deadline is not None and (before is None or deadline < before)


@settings(deadline=None)
@given(mode=_MODES, loud=st.sampled_from([(), ((0.0, 60.0),), ((0.5, 2.0),)]), steps=_STEPS)
def test_interims_in_a_row_bring_no_deadline_nearer(
    mode: TurnMode | None,
    loud: tuple[tuple[float, float], ...],
    steps: list[tuple[float, str, str]],
) -> None:
    call = Call(mode, *loud)
    goes_on, before = False, call.events.deadline
    for later, kind, text in steps:
        moment = call.time + later
        if (due := call.events.deadline) is not None and due <= moment:
            goes_on = False  # the alarm rings in between
        call.at(moment)
        if kind == "flush":
            call.flush()
            goes_on = False
        elif kind == "interim":
            now_goes_on = call.events.take_interim(Interim(text, 0.0), call.time)
            if goes_on and now_goes_on:
                assert not _nearer(call.events.deadline, before)
            goes_on = now_goes_on
        else:
            call.events.handle(_event(kind, text, call.time, call.asked), call.time)
            goes_on = False
        before = call.events.deadline


def test_an_interim_that_ends_a_monologue_sets_deadlines_anew() -> None:
    call = Call("vad", (0.9, 70.0))
    call.at(1.0, SpeechStarted(0.8)).at(2.0, said("a b", 0.9, 1.9))
    assert call.at(2.5).events.take_interim(Interim("c", 1.9), 2.5)
    call.take()
    assert not call.at(63.0).events.take_interim(Interim("c d", 1.9), 63.0)
    assert call.take() == [FINAL, INTERIM]


def test_an_interim_after_a_flush_brings_the_look_at_the_session_nearer() -> None:
    call = Call("vad").at(1.0, Interim("a", 0.0))
    call.flush()
    assert call.at(1.02).events.take_interim(Interim("a", 0.0), 1.02)
    before = call.events.deadline
    goes_on = call.at(1.03).events.take_interim(Interim("a b", 0.0), 1.03)
    assert _nearer(call.events.deadline, before)
    assert not goes_on
