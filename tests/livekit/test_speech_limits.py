"""Events at reconnects and at the end of a stream, early replies, and what settings hide."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from livekit.agents.stt import SpeechEventType

from pulse_plugins.core.base.errors import ConnectionLostError
from pulse_plugins.core.base.events import (
    Disconnected,
    Event,
    Final,
    Interim,
    Reconnecting,
    Recovered,
    SpeechEnded,
    SpeechStarted,
    Word,
)
from pulse_plugins.core.base.redaction import REDACTED
from pulse_plugins.livekit.framework import TurnMode
from tests.livekit.speech_call import END, FINAL, INTERIM, PREFLIGHT, START, Call, said


def test_a_reconnect_in_mid_speech_keeps_the_pair_and_ends_nothing() -> None:
    call = Call("stt", (0.9, 2.2))
    call.at(1.0, SpeechStarted(0.8)).at(1.2, said("a", 0.9, 1.1))
    call.at(1.5, Disconnected(ConnectionLostError("gone"))).at(6.0, Recovered(4.5, 0.7))
    call.at(6.1, SpeechStarted(0.8)).at(6.2, said("b", 1.2, 2.2)).at(6.3, SpeechEnded(2.3)).at(6.8)
    assert call.take() == [START, INTERIM, INTERIM, FINAL, END]


def test_speech_that_no_connection_remembers_ends_after_silence() -> None:
    call = Call("stt", (0.8, 1.7))
    call.at(1.0, SpeechStarted(0.8)).at(1.8, said("Hello.", 0.9, 1.7))
    call.at(1.9, Disconnected(ConnectionLostError("gone"))).at(2.0, Recovered(0.1, 0.1)).at(4.0)
    assert call.take() == [START, INTERIM, FINAL, END]


def test_the_end_of_the_stream_closes_what_is_open() -> None:
    call = Call("vad").at(1.0, SpeechStarted(0.8))
    call.flush()
    call.events.close(1.1)
    assert call.take() == [START, FINAL, END]


def test_the_end_of_the_stream_passes_on_what_was_held() -> None:
    call = Call("vad").at(2.0, SpeechStarted(0.8), said("a b", 0.9, 1.9))
    call.events.close(2.1)
    assert call.take() == [START, INTERIM, FINAL, END]


def told(call: Call, text: str, start: float) -> Call:
    """A first utterance, whose interim becomes its final."""
    end = start + 0.9
    call.at(start + 0.8, Interim(text, 0.0)).at(end + 0.55)
    flushed = call.flush()
    return call.at(end + 0.8, said(text, start, end, finalize_id=flushed))


def test_a_text_that_cannot_change_begins_a_reply_at_the_flush() -> None:
    call = told(Call("vad", (0.0, 0.9), (3.0, 3.9)), "a b", 0.0)
    call.take()
    told(call, "c d", 3.0)
    assert call.take() == [START, INTERIM, PREFLIGHT, FINAL, END]


GONE = ConnectionLostError("gone")


@pytest.mark.parametrize("recovers", [False, True])
@pytest.mark.parametrize(
    "lost",
    [(Disconnected(GONE),), (Disconnected(), Reconnecting(1, "close_1000", 0.0, GONE))],
    ids=["lost", "closed with 1000"],
)
def test_none_while_words_may_be_in_a_replay(lost: tuple[Event, ...], recovers: bool) -> None:
    call = told(Call("vad", (0.0, 0.9), (3.0, 3.9)), "a b", 0.0)
    call.at(3.8, Interim("c d", 0.0)).at(4.4, *lost)
    call.at(4.45).flush()
    if recovers:
        call.at(4.7, Recovered(0.3, 1.5))
    call.at(4.8)
    assert PREFLIGHT not in call.take()
    call.at(5.8)
    assert (PREFLIGHT in call.take()) is recovers


def test_none_before_it_is_known_that_interims_become_finals() -> None:
    call = told(Call("vad", (0.0, 0.9)), "a b", 0.0)
    assert PREFLIGHT not in call.take()


def test_none_where_finals_are_written_otherwise() -> None:
    call = Call("vad", (0.0, 0.9), (3.0, 3.9))
    call.at(0.8, Interim("a b", 0.0)).at(1.45).flush()
    call.at(1.7, said("A b.", 0.0, 0.9, finalize_id=1)).take()
    call.at(3.8, Interim("c d", 0.9)).at(4.45).flush()
    assert PREFLIGHT not in call.take()


@pytest.mark.parametrize("mode", ["vad", "detector", "text_detector"])
def test_a_voice_detector_flushes_before_a_reply_begins(mode: TurnMode) -> None:
    """The service reports the end of speech sooner than the detector does, in a pause of 0.4 s."""
    call = Call(mode, (0.9, 1.6), (2.0, 2.9))
    call.at(1.4, SpeechStarted(0.8), Interim("a b", 0.0))
    call.at(1.95, said("A b.", 0.9, 1.6), SpeechEnded(1.6))
    assert PREFLIGHT not in call.take()


def test_words_that_the_server_ended_begin_a_reply_after_an_older_flush() -> None:
    call = Call("vad", (0.9, 1.6))
    call.at(1.4, SpeechStarted(0.8), Interim("a b", 0.0)).at(2.15).flush()
    call.at(2.2, said("A b.", 0.9, 1.6), SpeechEnded(1.6))
    assert call.take()[-1] == PREFLIGHT


def test_a_preflight_has_times_and_confidence() -> None:
    call = Call("vad", (0.9, 1.6))
    call.at(1.4, SpeechStarted(0.8), Interim("a b", 0.0)).at(2.15).flush()
    call.at(2.2, said("a b", 0.9, 1.6), SpeechEnded(1.6))
    data = call.out[-1].alternatives[0]
    assert (data.start_time, data.end_time) == pytest.approx((0.9, 1.6))
    assert data.confidence == pytest.approx(0.9)


def test_times_are_wall_clock() -> None:
    call = Call("stt", (0.9, 1.6))
    call.at(1.4, SpeechStarted(0.8), Interim("a", 0.0))
    call.at(2.0, said("Hello.", 0.9, 1.6), SpeechEnded(1.7))
    start, *_, final, end = call.out
    assert start.speech_start_time == pytest.approx(1000.8)
    assert final.speech_end_time == pytest.approx(1001.6)
    assert end.speech_end_time == pytest.approx(1001.6)
    assert final.request_id == end.request_id == "s1"


@pytest.mark.parametrize("hidden", [{"redact_pii": True}, {"interim_results": False}])
def test_interims_are_held_back_where_they_must_not_be_seen(hidden: dict[str, object]) -> None:
    settings = hidden if "interim_results" in hidden else {}
    options: dict[str, Any] = {} if settings else hidden
    call = Call("stt", (0.5, 1.4), settings=settings, **options)
    call.at(1.0, SpeechStarted(0.5), Interim("my name is bob", 0.0)).at(1.6)
    call.at(1.7, said("My name is [FIRSTNAME_1].", 0.5, 1.4), SpeechEnded(1.4)).at(4.0)
    assert call.take() == [START, FINAL, END]


def test_uncertain_finals_are_dropped_and_their_flush_is_answered() -> None:
    call = Call("vad", settings={"min_confidence": 0.95}).at(1.0, Interim("hm", 0.0))
    call.flush()
    call.at(1.2, said("hm", 0.5, 0.9, finalize_id=1))
    assert call.take_texts() == [""]


def test_speech_may_start_with_its_first_words() -> None:
    call = Call("vad", settings={"start_on_words": True})
    call.at(1.0, SpeechStarted(0.8)).at(1.5, SpeechEnded(1.2))
    assert call.take() == []
    call.at(3.0, SpeechStarted(2.8)).at(3.3, Interim("yes", 0.0))
    assert call.out[0].speech_start_time == pytest.approx(1002.8)
    assert call.take() == [START, INTERIM]


def test_each_speakers_run_has_its_own_end() -> None:
    call = Call("vad", diarize=True).at(1.0, Interim("a b", 0.0)).at(2.5)
    flushed = call.flush()
    words = (Word("a", 0.5, 0.9, 0.9, "0"), Word("b", 1.0, 2.0, 0.9, "1"))
    call.at(2.7, Final("a b", 0.5, 2.0, words, finalize_id=flushed))
    ends = [e.speech_end_time for e in call.out if e.type is SpeechEventType.FINAL_TRANSCRIPT]
    assert ends == pytest.approx([1000.9, 1002.0])


def test_redaction_hides_the_words_of_a_promoted_interim() -> None:
    call = Call("vad", (0.9, 2.0), redact_pii=True)
    call.at(1.5, Interim("my card is four two", 0.0)).at(2.55).flush()
    call.at(4.6, replace(said("my card is four two", 0.9, 2.0, finalize_id=1), promoted=True))
    assert call.take_texts() == [REDACTED]
