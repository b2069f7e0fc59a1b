"""The order of events, on numbers for a clock: engine events in, the framework's out."""

from __future__ import annotations

from dataclasses import replace
from math import pi
from typing import Any

import numpy as np
import pytest
from livekit.agents.stt import SpeechEvent, SpeechEventType

from pulse_plugins.core.base.errors import ConnectionLostError
from pulse_plugins.core.base.events import (
    Disconnected,
    Event,
    Final,
    Interim,
    Recovered,
    SpeechEnded,
    SpeechStarted,
    Word,
)
from pulse_plugins.core.base.redaction import REDACTED
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.livekit.audio_input import InputClock
from pulse_plugins.livekit.framework import TurnMode
from pulse_plugins.livekit.options import Settings
from pulse_plugins.livekit.speech_data import SpeechDataBuilder
from pulse_plugins.livekit.speech_events import SpeechEvents
from pulse_plugins.livekit.turn_ending import DETECTOR_HOLD, HOLD, QUIET

START, INTERIM, PREFLIGHT, FINAL, END = "START", "interim", "preflight", "FINAL", "END"
_NAMES = {
    SpeechEventType.START_OF_SPEECH: START,
    SpeechEventType.INTERIM_TRANSCRIPT: INTERIM,
    SpeechEventType.PREFLIGHT_TRANSCRIPT: PREFLIGHT,
    SpeechEventType.FINAL_TRANSCRIPT: FINAL,
    SpeechEventType.END_OF_SPEECH: END,
}
_STEP = 0.05  # seconds of audio at a time
_VOICE = (np.sin(np.arange(800) * 2 * pi * 0.02) * 8000).astype("<i2").tobytes()


class Session:
    """Stands for the agent session that reads the stream."""

    def __init__(self, mode: TurnMode | None, *, may_flush: bool = True) -> None:
        self.mode = mode
        self.may_flush = may_flush

    def read(self) -> TurnMode | None:
        return self.mode


class Call:
    """A stream whose audio began at wall clock 1000 and is spoken in real time.

    Args:
        mode: Who ends turns; None: nobody tells.
        loud: Stretches of stream_time in which the caller speaks.
        options: Of the stream.
    """

    def __init__(
        self,
        mode: TurnMode | None = "vad",
        *loud: tuple[float, float],
        may_flush: bool = True,
        settings: dict[str, object] | None = None,
        **options: object,
    ) -> None:
        self.time = 0.0
        self.asked = 0
        self.loud = loud
        self.out: list[SpeechEvent] = []
        self.clock = InputClock()
        engine = PulseOptions(base_url="ws://127.0.0.1:1").changed(**options)
        self.events = SpeechEvents(
            SpeechDataBuilder(engine, self.clock),
            self.clock,
            self.out.append,
            self._finalize,
            lambda: 1000.0 + self.time,
            Session(mode, may_flush=may_flush),
            Settings(engine, **(settings or {})),  # type: ignore[arg-type]
        )

    def _finalize(self) -> int:
        self.asked += 1
        return self.asked

    def at(self, time: float, *events: Event) -> Call:
        """Audio goes on until `time`; timers that are due by then fire; then this happens."""
        while (due := self.events.deadline) is not None and due <= time:
            self._listen(due)
            self.events.advance(due)
            after = self.events.deadline
            assert after is None or after > due, "what is due was not done"
        self._listen(time)
        for event in events:
            self.events.handle(event, time)
        return self

    def flush(self) -> int:
        request_id = self._finalize()
        self.events.flushed(request_id, self.time)
        return request_id

    def _listen(self, time: float) -> None:
        while self.time < time - 1e-9:
            step = min(_STEP, time - self.time)
            at = self.time + step / 2
            is_loud = any(start <= at < end for start, end in self.loud)
            data = (_VOICE if is_loud else bytes(1600))[: 2 * round(16_000 * step)]
            self.time += step
            self.clock.pushed(step, 1000.0 + self.time, waited=True)
            self.events.eager.audio(data, step)

    def take(self) -> list[str]:
        names = [_NAMES[event.type] for event in self.out]
        self.out.clear()
        return names

    def take_texts(self) -> list[str]:
        """The texts of the FINALs."""
        finals = [e for e in self.out if e.type is SpeechEventType.FINAL_TRANSCRIPT]
        self.out.clear()
        return [event.alternatives[0].text for event in finals]


def said(text: str, start: float, end: float, finalize_id: int | None = None) -> Final:
    """A final whose words are spread evenly."""
    texts = text.split()
    step = (end - start) / len(texts)
    words = tuple(
        Word(each, start + index * step, start + (index + 1) * step, 0.9)
        for index, each in enumerate(texts)
    )
    return Final(text, start, end, words, finalize_id=finalize_id, session_id="s1")


# A voice detector or the application ends turns.


def test_a_cut_segment_waits_for_the_flush_and_leaves_with_its_answer() -> None:
    call = Call("vad", (0.9, 3.0))
    call.at(1.0, SpeechStarted(0.8)).at(2.0, said("a b c", 0.9, 1.9))
    call.at(2.5, Interim("d", 1.9))
    assert call.take() == [START, INTERIM, INTERIM]
    call.at(3.55).flush()
    call.at(3.9, said("d e.", 2.0, 3.0, finalize_id=1))
    assert call.take_texts() == ["a b c d e."]


def test_an_interim_shows_all_words_of_the_utterance() -> None:
    call = Call("vad").at(2.0, said("a b", 0.9, 1.9)).at(2.5, Interim("c", 1.9))
    assert call.out[-1].alternatives[0].text == "a b c"


def test_no_other_final_leaves_while_a_flush_is_unanswered() -> None:
    call = Call("manual", (0.9, 2.4))
    call.at(1.0, SpeechStarted(0.8)).at(2.4).flush()
    call.at(2.6, said("a b", 0.9, 1.9)).at(2.9, SpeechEnded(2.4))
    assert FINAL not in call.take()
    call.at(3.0, said("c", 2.0, 2.4, finalize_id=1))
    assert call.take() == [FINAL, END]


def test_of_two_flushes_the_answer_to_the_newer_one_releases() -> None:
    call = Call("vad").at(1.0, Interim("a", 0.0))
    first = call.flush()
    call.at(1.2, Interim("a b", 0.0))
    second = call.flush()
    call.at(1.4, said("a", 0.5, 0.9, finalize_id=first))
    assert FINAL not in call.take()
    call.at(1.5, said("b", 1.0, 1.1, finalize_id=second))
    assert call.take_texts() == ["a b"]


def after_an_outage(mode: TurnMode | None, begins: float) -> Call:
    """Two flushed stretches of speech, the second from `begins` on, whose words come at once."""
    call = Call(mode, (1.0, 2.0), (begins, 4.0)).at(2.5)
    first = call.flush()
    call.at(4.5)
    second = call.flush()
    call.at(6.0, said("a b", 1.0, 2.0, finalize_id=first))
    call.at(6.1, said("c d", begins, 4.0, finalize_id=second))
    return call


def test_turns_that_come_back_at_once_are_one_final_each() -> None:
    call = after_an_outage("vad", 3.1)
    assert call.take() == [START, INTERIM, FINAL]
    assert call.at(6.15).take() == []  # the session commits the first turn meanwhile
    call.at(6.3)
    assert [event.alternatives[0].text for event in call.out[:1]] == ["c d"]
    assert call.take() == [FINAL, END]


@pytest.mark.parametrize(
    ("mode", "begins"),
    [("vad", 3.0), ("manual", 3.1), (None, 3.1)],
    ids=["the caller went on", "a commit takes all words", "nobody tells who ends turns"],
)
def test_what_is_one_turn_comes_back_as_one_final(mode: TurnMode | None, begins: float) -> None:
    assert after_an_outage(mode, begins).at(8.0).take_texts() == ["a b c d"]


def test_a_turn_that_waits_leaves_before_the_next_words() -> None:
    call = after_an_outage("vad", 3.1).at(6.15, Interim("e", 4.0))
    assert call.take() == [START, INTERIM, FINAL, FINAL, INTERIM]
    call.at(6.5, said("e", 4.5, 4.9, finalize_id=call.flush()))
    assert call.take() == [FINAL, END]


def test_a_turn_that_waits_leaves_at_the_end_of_the_stream() -> None:
    call = after_an_outage("vad", 3.1)
    call.events.close(6.12)
    assert call.take() == [START, INTERIM, FINAL, FINAL, END]


def test_an_answer_that_comes_in_the_next_turn_waits_for_its_end() -> None:
    call = Call("vad", (1.0, 2.0), (4.0, 6.0)).at(2.5)
    first = call.flush()
    call.at(5.0, said("a b", 1.0, 2.0, finalize_id=first))
    assert FINAL not in call.take()  # the session would commit it with the words of this turn
    call.at(6.55)
    second = call.flush()
    call.at(6.8, said("c d", 4.0, 6.0, finalize_id=second)).at(7.5)
    assert call.take_texts() == ["a b", "c d"]


def test_an_answer_that_comes_in_a_pause_leaves_at_once() -> None:
    call = Call("vad", (1.0, 2.0)).at(2.5)
    first = call.flush()
    assert call.at(5.0, said("a b", 1.0, 2.0, finalize_id=first)).take_texts() == ["a b"]


def test_a_flush_that_a_waiting_turn_answers_gets_no_empty_final() -> None:
    call = after_an_outage("vad", 3.1)
    call.take()
    call.at(6.15)
    request = call.flush()
    call.at(6.16, Final("", 4.0, 4.0, finalize_id=request)).at(6.5)
    assert call.take_texts() == ["c d"]


def test_an_empty_answer_to_a_cough_leaves_the_words_after_it_open() -> None:
    call = Call("vad", (1.0, 1.2), (2.5, 3.5)).at(1.8)
    flushed = call.flush()
    call.at(3.0, said("a b c", 2.5, 2.9)).at(3.2, Final("", 1.8, 1.8, finalize_id=flushed))
    assert call.take_texts() == [""]
    call.at(4.05).flush()
    call.at(4.3, said("d", 3.0, 3.4, finalize_id=2))
    assert call.take_texts() == ["a b c d"]


def test_words_that_the_server_ended_and_silence_leave_at_the_flush() -> None:
    call = Call("vad", (0.9, 1.6))
    call.at(1.0, SpeechStarted(0.8)).at(1.4, Interim("a b", 0.0))
    call.at(1.95, said("a b", 0.9, 1.6), SpeechEnded(1.6)).at(2.15)
    assert FINAL not in call.take()
    flushed = call.flush()
    assert call.take_texts() == ["a b"]
    call.at(2.3, Final("", 1.6, 1.6, finalize_id=flushed))
    assert call.take_texts() == [""]


def test_they_wait_for_the_answer_if_the_caller_has_gone_on() -> None:
    call = Call("vad", (0.9, 1.6), (2.0, 2.2))
    call.at(1.0, SpeechStarted(0.8)).at(1.4, Interim("a b", 0.0))
    call.at(1.95, said("a b", 0.9, 1.6), SpeechEnded(1.6)).at(2.2).flush()
    assert call.take_texts() == []


@pytest.mark.parametrize(("mode", "hold"), [("vad", HOLD), ("detector", DETECTOR_HOLD)])
def test_a_caller_whom_the_detector_misses_is_not_held_for_ever(
    mode: TurnMode, hold: float
) -> None:
    call = Call(mode)
    call.at(1.0, SpeechStarted(0.8)).at(2.0, said("a b", 0.9, 1.6), SpeechEnded(1.6))
    call.at(2.0 + hold - 0.01)
    assert FINAL not in call.take()
    call.at(2.0 + hold + 0.01)
    assert call.take() == [FINAL, END]


def test_the_answer_is_held_for_a_caller_who_goes_on_at_once() -> None:
    call = Call("vad", (0.9, 2.0), (2.7, 4.0))
    call.at(1.5, Interim("a", 0.0)).at(2.55).flush()
    call.at(3.0, said("a b", 0.9, 2.0, finalize_id=1))
    assert FINAL not in call.take()
    call.at(4.55).flush()
    call.at(4.9, said("c d", 2.7, 4.0, finalize_id=2))
    assert call.take_texts() == ["a b c d"]


@pytest.mark.parametrize("mode", ["manual", None])
def test_the_answer_to_a_commit_is_never_held(mode: TurnMode | None) -> None:
    call = Call(mode, (0.9, 2.0), (2.7, 4.0))
    call.at(2.0, Interim("a", 0.0)).at(2.55).flush()
    call.at(3.0, said("a b", 0.9, 2.0, finalize_id=1))
    assert call.take_texts() == ["a b"]


def test_a_noise_after_the_flush_may_be_a_word_and_is_asked_about() -> None:
    call = Call("vad", (0.9, 2.0), (2.7, 2.9))
    call.at(1.5, Interim("a", 0.0)).at(2.55).flush()
    call.at(3.0, said("a b", 0.9, 2.0, finalize_id=1)).at(5.0)
    assert (call.asked, call.take_texts()) == (2, [])
    call.at(5.1, Final("", 2.0, 2.0, finalize_id=2))
    assert call.take_texts() == ["a b"]


def test_a_segment_of_an_answered_flush_leaves_at_once() -> None:
    """A server that marks no answer: a cut by word count was taken for the answer."""
    call = Call("vad", (0.9, 2.5)).at(1.5, Interim("a b", 0.0)).at(3.05)
    flushed = call.flush()
    call.at(3.2, said("a b", 0.9, 1.5, finalize_id=flushed))
    assert call.take_texts() == ["a b"]
    call.at(3.4, said("c d", 1.6, 2.5))
    assert call.take_texts() == ["c d"]


def test_every_flush_is_answered_and_nothing_else_is() -> None:
    call = Call("vad").at(0.5)
    request_id = call.flush()
    call.at(1.0, Final("", 0.0, 0.0, finalize_id=request_id))
    assert call.take() == [FINAL]
    call.at(1.1, Final("", 0.0, 0.0, finalize_id=request_id))
    assert call.take() == []


def test_an_answer_that_comes_before_the_request_returns_is_not_missed() -> None:
    call = Call("vad").at(0.5, Final("", 0.0, 0.0, finalize_id=1))
    call.flush()
    assert call.take() == [FINAL]


# END_OF_SPEECH ends turns.


def test_with_server_turns_nothing_is_held_after_the_servers_end() -> None:
    call = Call("stt", (0.9, 1.6))
    call.at(1.0, SpeechStarted(0.8)).at(1.4, Interim("a b", 0.0))
    call.at(2.0, said("a b", 0.9, 1.6)).at(2.0, SpeechEnded(1.6))
    assert call.take() == [START, INTERIM, FINAL, END]


def test_a_cut_for_length_ends_no_server_turn() -> None:
    call = Call("stt", (0.9, 9.3))
    call.at(1.0, SpeechStarted(0.8)).at(4.0, said("a b c", 0.9, 3.8)).at(9.0)
    assert call.take() == [START, INTERIM]
    call.at(9.5, said("d e f", 4.0, 9.2)).at(9.7, SpeechEnded(9.3))
    assert call.take_texts() == ["a b c d e f"]
    assert not call.events.speaking


def test_an_end_that_overtakes_the_words_waits_for_them() -> None:
    call = Call("stt", (0.9, 1.3))
    call.at(1.0, SpeechStarted(0.8)).at(1.7, SpeechEnded(1.3))
    assert (call.take(), call.asked) == ([START], 1)
    call.at(1.8, said("Yes.", 0.9, 1.2))
    assert call.take() == [INTERIM, FINAL, END]
    call.at(1.9, Final("", 1.3, 1.3, finalize_id=1))
    assert call.take() == []


def test_noise_without_words_is_a_pair_without_a_final() -> None:
    call = Call("stt", (0.9, 1.2))
    call.at(1.0, SpeechStarted(0.8)).at(1.6, SpeechEnded(1.3))
    call.at(1.9, Final("", 1.5, 1.5, finalize_id=1))
    assert call.take() == [START, END]


def test_an_end_is_not_believed_while_the_caller_is_heard_to_go_on() -> None:
    call = Call("stt", (0.9, 2.0), (2.45, 4.0))
    call.at(1.5, SpeechStarted(0.9), Interim("a b", 0.0))
    call.at(2.6, said("a b", 0.9, 2.0), SpeechEnded(2.0))
    assert END not in call.take()
    call.at(2.8, SpeechStarted(2.45)).at(4.5, said("c d", 2.45, 4.0), SpeechEnded(4.0))
    assert call.take_texts() == ["a b c d"]


@pytest.mark.parametrize(("pause", "is_believed"), [(0.95, False), (1.2, True)])
def test_a_caller_who_speaks_long_after_an_end_begins_another_turn(
    pause: float, is_believed: bool
) -> None:
    call = Call("stt", (0.9, 2.0), (2.0 + pause, 4.0))
    call.at(1.5, SpeechStarted(0.9), Interim("a b", 0.0))
    call.at(3.45, said("a b", 0.9, 2.0), SpeechEnded(2.0))
    assert (END in call.take()) is is_believed


@pytest.mark.parametrize(("goes_on", "texts"), [(True, ["a b c"]), (False, ["a b"])])
def test_an_end_in_a_replay_waits_for_what_the_server_reports_next(
    goes_on: bool, texts: list[str]
) -> None:
    call = Call("stt", (0.9, 2.0), *([(2.4, 2.7)] if goes_on else []))
    call.at(1.0, SpeechStarted(0.9)).at(1.2, Disconnected(ConnectionLostError("gone")))
    call.at(4.4, Recovered(3.2, 3.0), SpeechStarted(0.9), Interim("a b", 0.0))
    call.at(4.5, said("a b", 0.9, 2.0), SpeechEnded(2.0))
    assert END not in call.take()
    if goes_on:
        call.at(4.55, SpeechStarted(2.4)).at(4.6, said("c", 2.4, 2.7), SpeechEnded(2.7))
    call.at(5.1)
    assert call.take_texts() == texts


def test_without_word_times_the_words_are_asked_for() -> None:
    call = Call("stt", (0.9, 1.6))
    call.at(1.0, SpeechStarted(0.8)).at(1.95, Final("a b", 0.8, 1.9), SpeechEnded(1.6))
    assert (call.take(), call.asked) == ([START, INTERIM], 1)
    call.at(2.2, Final("", 1.9, 1.9, finalize_id=1))
    assert call.take() == [FINAL, END]


def test_without_the_servers_detector_quiet_ends_speech() -> None:
    call = Call("stt", (0.5, 1.6))
    call.at(1.1, Interim("a", 0.0)).at(1.7, said("a b c", 0.5, 1.6)).at(1.7 + QUIET - 0.05)
    assert END not in call.take()
    call.at(1.7 + QUIET + 0.05)
    assert call.take() == [FINAL, END]


def test_without_the_servers_detector_a_slow_decoder_ends_nothing() -> None:
    call = Call("stt", (0.5, 5.0)).at(1.1, Interim("a", 0.0)).at(2.4)
    assert call.asked == 0
    call.at(2.5, Interim("a b c", 0.0)).at(4.0)
    assert END not in call.take()


def test_a_flush_is_waited_for_until_the_caller_has_been_quiet() -> None:
    """The server shows no text of what the caller has just said."""
    call = Call("vad", (0.5, 2.0), (2.45, 3.9))
    call.at(1.1, Interim("a", 0.0)).at(2.7, said("a b c", 0.5, 2.0)).at(4.5)
    assert (call.asked, FINAL in call.take()) == (0, False)
    call.at(3.9 + QUIET + 0.3)
    assert call.asked == 1
    call.at(5.3, said("d e f", 2.45, 3.9, finalize_id=1))
    assert call.take_texts() == ["a b c d e f"]


def test_a_slow_report_of_the_end_is_waited_for() -> None:
    call = Call("stt", (0.5, 2.0), (2.45, 4.0))
    call.at(1.1, SpeechStarted(0.5), Interim("a", 0.0)).at(2.3, said("a b", 0.5, 2.0))
    call.at(2.8, SpeechStarted(2.45)).at(5.2)
    assert END not in call.take()
    call.at(5.25, said("c d", 2.45, 4.0), SpeechEnded(4.0))
    assert call.take_texts() == ["a b c d"]


def test_an_end_that_is_not_reported_is_not_waited_for_longer() -> None:
    call = Call("stt", (0.5, 2.0))
    call.at(1.1, SpeechStarted(0.5), Interim("a", 0.0)).at(2.3, said("a b", 0.5, 2.0)).at(4.2)
    assert (call.asked, END in call.take()) == (0, False)
    call.at(4.6)
    assert call.asked == 1
    call.at(4.7, Final("", 2.0, 2.0, finalize_id=1))
    assert call.take() == [FINAL, END]


def test_a_start_after_the_last_word_announces_another_word() -> None:
    """Options changed in mid-word, and the next connection heard the rest of it and one word."""
    call = Call("stt", (0.5, 2.1)).at(1.1, SpeechStarted(0.5), Interim("a b", 0.0))
    call.at(2.4, said("a b", 0.5, 1.9)).at(2.6, SpeechStarted(1.9), SpeechEnded(2.15))
    assert (call.asked, FINAL in call.take()) == (1, False)
    call.at(2.7, said("c", 1.9, 2.1)).at(2.8, Final("", 2.1, 2.1, finalize_id=1))
    assert call.take_texts() == ["a b c"]


def test_audio_that_stops_ends_a_server_turn() -> None:
    call = Call("stt", (0.5, 1.6)).at(1.1, SpeechStarted(0.5), Interim("a b", 0.0)).at(1.6)
    call.events.advance(2.3, silent_for=0.7)
    assert call.asked == 1
    call.events.handle(said("a b c", 0.5, 1.6, finalize_id=1), 2.6)
    assert call.take()[-2:] == [FINAL, END]


def test_audio_that_stops_ends_no_turn_that_a_flush_ends() -> None:
    call = Call("vad", (0.5, 1.6)).at(1.1, SpeechStarted(0.5), Interim("a b", 0.0)).at(1.6)
    call.events.advance(2.3, silent_for=0.7)
    assert call.asked == 0


# It is not told who ends turns.


def test_outside_a_session_the_first_end_of_speech_counts() -> None:
    call = Call(None, (0.9, 1.6), may_flush=False)
    call.at(1.4, SpeechStarted(0.8), Interim("a b", 0.0))
    call.at(2.0, said("a b", 0.9, 1.6), SpeechEnded(1.6))
    assert call.take()[-2:] == [FINAL, END]


def test_a_stream_that_nobody_flushes_learns_that_its_ends_count() -> None:
    call = Call(None, (0.9, 1.6), (5.9, 6.6))
    call.at(1.4, SpeechStarted(0.8), Interim("a b", 0.0))
    call.at(2.0, said("a b", 0.9, 1.6), SpeechEnded(1.6))
    assert FINAL not in call.take()
    call.at(5.0)
    assert call.take() == [FINAL, END]
    call.at(6.4, SpeechStarted(5.8), Interim("c", 1.6))
    call.at(7.0, said("c", 5.9, 6.6), SpeechEnded(6.6))
    assert call.take()[-2:] == [FINAL, END]


def test_a_flush_shows_that_flushes_end_turns() -> None:
    call = Call(None, (0.9, 1.6), (5.9, 6.6), may_flush=False).at(0.5)
    call.events.handle(Final("", 0.5, 0.5, finalize_id=call.flush()), 0.6)
    call.at(6.4, SpeechStarted(5.8), Interim("c", 1.6))
    call.take()
    call.at(7.0, said("c", 5.9, 6.6), SpeechEnded(6.6))
    assert FINAL not in call.take()


# Connections and ends.


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


# Replies that begin early.


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


def test_none_before_it_is_known_that_interims_become_finals() -> None:
    call = told(Call("vad", (0.0, 0.9)), "a b", 0.0)
    assert PREFLIGHT not in call.take()


def test_none_where_finals_are_written_otherwise() -> None:
    call = Call("vad", (0.0, 0.9), (3.0, 3.9))
    call.at(0.8, Interim("a b", 0.0)).at(1.45).flush()
    call.at(1.7, said("A b.", 0.0, 0.9, finalize_id=1)).take()
    call.at(3.8, Interim("c d", 0.9)).at(4.45).flush()
    assert PREFLIGHT not in call.take()


@pytest.mark.parametrize("mode", ["vad", "detector"])
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


# Settings and times.


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
