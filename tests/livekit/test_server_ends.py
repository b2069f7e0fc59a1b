"""The order of events where the server's END_OF_SPEECH ends turns, or nobody tells who does."""

from __future__ import annotations

import pytest

from pulse_plugins.core.base.errors import ConnectionLostError
from pulse_plugins.core.base.events import (
    Disconnected,
    Final,
    Interim,
    OptionsApplied,
    Recovered,
    SpeechEnded,
    SpeechStarted,
)
from pulse_plugins.livekit.turn_ending import QUIET
from tests.livekit.speech_call import END, FINAL, INTERIM, START, Call, said


def test_words_are_held_while_the_caller_goes_on_and_the_server_reports_it_late() -> None:
    call = Call("vad", (0.9, 2.0), (2.45, 4.0))
    call.at(1.5, SpeechStarted(0.9), Interim("a b", 0.0))
    call.at(2.4, said("a b", 0.9, 2.0), SpeechEnded(2.0)).at(3.0)
    assert FINAL not in call.take()
    call.at(3.1, SpeechStarted(2.45)).at(4.5, said("c d", 2.45, 4.0), SpeechEnded(4.0)).at(6.0)
    assert call.take_texts() == ["a b c d"]


def test_noise_after_the_servers_end_delays_the_words_for_a_moment_only() -> None:
    call = Call("vad", (0.9, 2.0), (2.45, 2.6))
    call.at(1.5, SpeechStarted(0.9), Interim("a b", 0.0))
    call.at(2.4, said("a b", 0.9, 2.0), SpeechEnded(2.0)).at(2.9)
    assert FINAL not in call.take()
    call.at(3.7)
    assert call.take() == [FINAL, END]


def test_after_a_change_of_options_nobody_waits_for_an_end_that_nobody_reports() -> None:
    """The connection with the changed options is sent silence, and reports no speech."""
    call = Call("stt", (0.9, 1.6))
    call.at(1.0, SpeechStarted(0.9), Interim("a b", 0.0))
    call.at(2.0, said("a b", 0.9, 1.6), OptionsApplied(1.6)).at(3.0)
    assert call.take() == [START, INTERIM, FINAL, END]


def test_a_change_of_options_does_not_end_an_outage() -> None:
    call = Call("stt", (0.9, 1.6))
    call.at(1.0, SpeechStarted(0.9), Interim("a b", 0.0))
    call.at(1.5, Disconnected(ConnectionLostError("gone")), OptionsApplied(1.5)).at(6.0)
    assert (call.take(), call.asked) == ([START, INTERIM], 0)
    call.at(6.2, Recovered(4.0, 1.0)).at(9.0)
    assert call.asked == 1


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


@pytest.mark.parametrize("came", [True, False])
def test_audio_that_waits_behind_a_busy_event_loop_has_not_stopped(came: bool) -> None:
    call = Call("stt", (0.5, 1.6)).at(1.1, SpeechStarted(0.5), Interim("a b", 0.0)).at(1.6)
    call.events.advance(1.7, silent_for=0.1)
    call.events.advance(3.2, silent_for=1.6)  # it was due at 2.2
    assert call.asked == 0
    again = call.events.deadline
    assert again == pytest.approx(3.4)
    call.events.advance(3.4, silent_for=0.0 if came else 1.8)
    assert call.asked == (0 if came else 1)


def test_audio_that_stops_ends_a_server_turn() -> None:
    call = Call("stt", (0.5, 1.6)).at(1.1, SpeechStarted(0.5), Interim("a b", 0.0)).at(1.6)
    call.events.advance(1.7, silent_for=0.1)
    call.events.advance(2.2, silent_for=0.6)
    assert call.asked == 1
    call.events.handle(said("a b c", 0.5, 1.6, finalize_id=1), 2.6)
    assert call.take()[-2:] == [FINAL, END]


def test_audio_that_stops_ends_no_turn_that_a_flush_ends() -> None:
    call = Call("vad", (0.5, 1.6)).at(1.1, SpeechStarted(0.5), Interim("a b", 0.0)).at(1.6)
    call.events.advance(1.7, silent_for=0.1)
    call.events.advance(2.2, silent_for=0.6)
    assert call.asked == 0


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
