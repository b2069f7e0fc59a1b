"""The order of events, on numbers for a clock: engine events in, the framework's out."""

from __future__ import annotations

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
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.livekit.audio_input import InputClock
from pulse_plugins.livekit.speech_data import SpeechDataBuilder
from pulse_plugins.livekit.speech_events import SpeechEvents

START, INTERIM, PREFLIGHT, FINAL, END = "START", "interim", "preflight", "FINAL", "END"
_NAMES = {
    SpeechEventType.START_OF_SPEECH: START,
    SpeechEventType.INTERIM_TRANSCRIPT: INTERIM,
    SpeechEventType.PREFLIGHT_TRANSCRIPT: PREFLIGHT,
    SpeechEventType.FINAL_TRANSCRIPT: FINAL,
    SpeechEventType.END_OF_SPEECH: END,
}


class Call:
    """A stream whose audio began at wall clock 1000 and is spoken in real time."""

    def __init__(self, **options: object) -> None:
        self.time = 0.0
        self.asked = 0
        self.out: list[SpeechEvent] = []
        self.clock = InputClock()
        settings = PulseOptions(base_url="ws://127.0.0.1:1").changed(**options)
        self.events = SpeechEvents(
            SpeechDataBuilder(settings, self.clock),
            self.clock,
            self.out.append,
            self._finalize,
            lambda: 1000.0 + self.time,
        )

    def _finalize(self) -> int:
        self.asked += 1
        return self.asked

    def at(self, time: float, *events: Event) -> Call:
        """Audio goes on until `time`; timers that are due by then fire; then this happens."""
        while (due := self.events.deadline) is not None and due <= time:
            self._listen(due)
            self.events.advance(due)
        self._listen(time)
        for event in events:
            self.events.handle(event, time)
        return self

    def flush(self) -> int:
        request_id = self._finalize()
        self.events.flushed(request_id)
        return request_id

    def _listen(self, time: float) -> None:
        if time > self.time:
            self.clock.pushed(time - self.time, 1000.0 + time, waited=True)
        self.time = max(self.time, time)

    def take(self) -> list[str]:
        names = [_NAMES[event.type] for event in self.out]
        self.out.clear()
        return names


def said(text: str, start: float, end: float, finalize_id: int | None = None) -> Final:
    word = Word(text, start, end, 0.9)
    return Final(text, start, end, (word,), finalize_id=finalize_id, session_id="s1")


def test_vad_opens_and_closes_around_the_final() -> None:
    call = Call()
    call.at(1.0, SpeechStarted(0.8)).at(1.4, Interim("hello", 0.0))
    call.at(2.0, SpeechEnded(1.9))
    assert call.take() == [START, INTERIM, PREFLIGHT]
    call.at(2.1, said("Hello.", 0.9, 1.8, finalize_id=call.asked))
    assert call.take() == [FINAL, END]


def test_end_is_at_once_when_the_words_were_final_before_the_vad_closed() -> None:
    call = Call()
    call.at(1.0, SpeechStarted(0.8)).at(1.8, said("Hello.", 0.9, 1.6)).at(2.0, SpeechEnded(1.7))
    assert call.take() == [START, FINAL, END]
    assert call.asked == 0


def test_end_waits_for_words_nobody_has_seen_yet() -> None:
    call = Call()
    call.at(1.0, SpeechStarted(0.8)).at(1.5, SpeechEnded(1.3))
    assert call.take() == [START]
    call.at(1.6, said("Yes.", 0.9, 1.2, finalize_id=1))
    assert call.take() == [FINAL, END]


def test_the_servers_own_final_ends_speech_before_the_answer_to_ours() -> None:
    call = Call()
    call.at(1.0, SpeechStarted(0.8)).at(1.5, SpeechEnded(1.3), said("Yes.", 0.9, 1.2))
    assert call.take() == [START, FINAL, END]
    call.at(1.6, Final("", 1.3, 1.3, finalize_id=1))
    assert call.take() == []


def test_noise_without_words_is_a_pair_without_a_final() -> None:
    call = Call()
    call.at(1.0, SpeechStarted(0.8)).at(1.5, SpeechEnded(1.3))
    call.at(1.9, Final("", 1.5, 1.5, finalize_id=1))
    assert call.take() == [START, END]


def test_a_final_cut_by_word_count_ends_nothing() -> None:
    call = Call()
    call.at(1.0, SpeechStarted(0.8)).at(4.0, said("a b c", 0.9, 3.8)).at(9.0)
    assert call.take() == [START, FINAL]
    call.at(9.5, said("d e f", 4.0, 9.2)).at(10.0, SpeechEnded(9.3))
    assert call.take() == [FINAL, END]


def test_speech_that_goes_on_takes_back_the_end() -> None:
    call = Call()
    call.at(1.0, SpeechStarted(0.8)).at(1.4, Interim("one", 0.0)).at(1.6, SpeechEnded(1.5))
    call.at(1.65, SpeechStarted(1.6)).at(1.7, said("One", 0.9, 1.4, finalize_id=1))
    assert call.take() == [START, INTERIM, PREFLIGHT, FINAL]
    call.at(3.0, said("two.", 1.7, 2.5)).at(3.1, SpeechEnded(2.6))
    assert call.take() == [FINAL, END]


def test_without_vad_text_starts_and_a_settled_final_ends() -> None:
    call = Call()
    call.at(1.0, Interim("hello", 0.0)).at(2.0, said("Hello.", 0.5, 1.4))
    assert call.take() == [START, INTERIM, PREFLIGHT, FINAL, END]


def test_without_vad_a_final_in_mid_speech_ends_only_if_silence_follows() -> None:
    call = Call()
    call.at(1.0, Interim("a", 0.0)).at(1.1, said("A b c", 0.5, 1.0))
    assert call.take() == [START, INTERIM, FINAL]
    call.at(1.5, Interim("d", 1.0)).at(1.6)
    assert call.take() == [INTERIM]
    call.at(1.7, said("D e f.", 1.1, 1.6)).at(3.0)
    assert call.take() == [FINAL, END]


def test_without_vad_the_answer_to_a_flush_ends_speech() -> None:
    call = Call()
    call.at(1.0, Interim("hello", 0.0))
    request_id = call.flush()
    call.at(1.1, said("Hello.", 0.5, 1.0, finalize_id=request_id))
    assert call.take() == [START, INTERIM, PREFLIGHT, FINAL, END]


def test_an_interim_that_nobody_makes_final_is_asked_for() -> None:
    call = Call()
    call.at(1.0, Interim("hello", 0.0)).at(3.5)
    assert call.asked == 1
    call.at(3.6, said("Hello.", 0.5, 1.0, finalize_id=1))
    assert call.take()[-2:] == [FINAL, END]


def test_every_flush_is_answered_and_nothing_else_is() -> None:
    call = Call()
    request_id = call.flush()
    call.at(1.0, Final("", 0.0, 0.0, finalize_id=request_id))
    assert call.take() == [FINAL]
    call.at(1.1, Final("", 0.0, 0.0, finalize_id=request_id))
    assert call.take() == []


def test_a_flush_between_the_vads_end_and_its_words_is_answered_before_end() -> None:
    call = Call()
    call.at(1.0, SpeechStarted(0.8)).at(1.4, Interim("yes", 0.0)).at(1.6, SpeechEnded(1.5))
    flushed = call.flush()
    call.at(1.7, said("Yes.", 0.9, 1.4))
    assert END not in call.take()
    call.at(1.8, Final("", 1.5, 1.5, finalize_id=flushed))
    assert call.take() == [FINAL, END]


def test_a_reconnect_in_mid_speech_keeps_the_pair() -> None:
    call = Call()
    call.at(1.0, SpeechStarted(0.8)).at(1.2, Interim("he", 0.0))
    call.at(1.5, Disconnected(ConnectionLostError("gone"))).at(2.0, Recovered(0.5, 0.7))
    call.at(2.1, SpeechStarted(0.8)).at(2.2, Interim("hello", 0.0)).at(2.5, SpeechEnded(2.3))
    call.at(2.6, said("Hello.", 0.9, 2.2, finalize_id=call.asked))
    names = call.take()
    assert [name for name in names if name in (START, FINAL, END)] == [START, FINAL, END]


def test_speech_that_no_connection_remembers_ends_after_silence() -> None:
    call = Call()
    call.at(1.0, SpeechStarted(0.8)).at(1.8, said("Hello.", 0.9, 1.7))
    call.at(1.9, Disconnected(ConnectionLostError("gone"))).at(2.0, Recovered(0.1, 0.1)).at(4.0)
    assert call.take() == [START, FINAL, END]


def test_the_end_of_the_stream_closes_what_is_open() -> None:
    call = Call()
    call.at(1.0, SpeechStarted(0.8))
    call.flush()
    call.events.close(answer=True)
    assert call.take() == [START, FINAL, END]


def test_times_are_wall_clock() -> None:
    call = Call()
    call.at(1.0, SpeechStarted(0.8)).at(1.8, said("Hello.", 0.9, 1.6)).at(2.0, SpeechEnded(1.7))
    start, final, end = call.out
    assert start.speech_start_time == pytest.approx(1000.8)
    assert final.speech_end_time == pytest.approx(1001.6)
    assert end.speech_end_time == pytest.approx(1001.6)
    assert final.request_id == end.request_id == "s1"


def test_redaction_holds_interims_back_and_keeps_the_pair() -> None:
    call = Call(redact_pii=True)
    call.at(1.0, Interim("my name is bob", 0.0)).at(1.6)
    call.at(2.0, said("My name is [FIRSTNAME_1].", 0.5, 1.4))
    assert call.take() == [START, FINAL, END]
