"""The engine's segments as the framework's events, one FINAL an utterance.

    START_OF_SPEECH  INTERIM*  (PREFLIGHT INTERIM*)*  FINAL+  END_OF_SPEECH

START and END come in pairs, and END comes after the last FINAL of the speech. A flush of the
framework is answered with a FINAL, which is empty if no words were pending. While a flush is
unanswered no other FINAL is sent, because any FINAL ends the framework's wait for the last words.

How long closed segments are held depends on who ends turns, which the framework does not say:

- If a voice detector of the session or the application ends turns, each turn brings a flush. The
  segments are held until the flush. A FINAL that is sent before would be committed at the end of
  the turn without the words that are still on their way.
- If this stream's END_OF_SPEECH ends turns (`turn_detection="stt"`), no flush comes, and no
  segment is held once the server has reported the end of speech.

`TurnEnding` knows which case it is. In both, an utterance that no flush asks for is sent when the
server has reported the end of speech and no text followed for a while; without such reports, when
no text has come for a while and the caller is quiet. Nothing here awaits or reads a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf

from livekit.agents.stt import SpeechEvent

from pulse_plugins.core.base.events import (
    Disconnected,
    Event,
    Final,
    Interim,
    OptionsApplied,
    Reconnecting,
    Recovered,
    SpeechEnded,
    SpeechStarted,
)
from pulse_plugins.core.base.redaction import without_clear_text
from pulse_plugins.core.transcript.eager import EagerText
from pulse_plugins.core.transcript.utterance import Policy, Released, UtteranceAssembler
from pulse_plugins.livekit.audio_input import InputClock
from pulse_plugins.livekit.open_flushes import SAME_TURN, OpenFlushes
from pulse_plugins.livekit.open_speech import CallerAudio, InputWatch, ServerSpeech
from pulse_plugins.livekit.options import Settings
from pulse_plugins.livekit.speech_data import SpeechDataBuilder
from pulse_plugins.livekit.speech_output import SpeechOutput
from pulse_plugins.livekit.turn_ending import DETECTED, QUIET_HOLD, ModeReader, TurnEnding

_LOST_END = 2.0  # seconds without text after which the server may never report the end of speech
_RESUMED = 2.0  # seconds; a sound that a server of 0.9 s latency has not reported is noise
_IN_PAUSE = 0.25  # seconds of quiet before a flush of a voice detector
# A monologue is divided at these bounds although the caller goes on. The framework would commit the
# first part without waiting for the rest, so the bounds are wide.
_POLICY = Policy(monologue_seconds=60.0, monologue_words=600)


class SpeechEvents:
    """Makes the events of one stream in their order.

    Args:
        build, clock, emit, wall, settings: As for `SpeechOutput`.
        finalize: Asks the engine for the pending words; returns the request's id.
        reader: Reads who ends turns in the session.

    Attributes:
        eager: Watches the open utterance for PREFLIGHT.
        turns: Who ends turns.
    """

    def __init__(
        self,
        build: SpeechDataBuilder,
        clock: InputClock,
        emit: Callable[[SpeechEvent], None],
        finalize: Callable[[], int],
        wall: Callable[[], float],
        reader: ModeReader,
        settings: Settings,
    ) -> None:
        self.eager = EagerText(exact=True)
        self.turns = TurnEnding(reader)
        self._out = SpeechOutput(build, clock, emit, wall, settings, reader.held_interim)
        self._utterance = UtteranceAssembler(_POLICY, build.options.language)
        self._clock = clock
        self._finalize = finalize
        self._flushes = OpenFlushes()
        self._flushed_at: float | None = None  # stream_time of the newest flush in a pause
        self._server = ServerSpeech()
        self._caller = CallerAudio(clock, self.eager)
        self._changed_at = 0.0  # when something of this speech was last heard
        self._started_at: float | None = None  # stream_time of a start that waits for words
        self._newest_answer: Final | None = None
        self._interim = ""  # the newest of the open segment
        self._input = InputWatch()

    @property
    def speaking(self) -> bool:
        """Whether START was sent and END was not."""
        return self._out.speaking

    @property
    def session_id(self) -> str:
        """The service's id of the newest connection; empty before the first text."""
        return self._out.session_id

    def follow(self, settings: Settings) -> None:
        """Follow the user's settings from now on."""
        self._out.settings = settings

    def handle(self, event: Event, now: float) -> None:
        """Take an event of the engine at `now`, which is seconds of any steady clock."""
        match event:
            case Interim():
                self.take_interim(event, now)
            case Final():
                self._take_final(event, now)
            case SpeechStarted(time=at):
                self._speech_started(at, now)
            case SpeechEnded(time=at):
                self._speech_ended(at, now)
            case Disconnected() | Reconnecting() | OptionsApplied() | Recovered():
                self._server.connection_changed(event)
                self.eager.sent_again(inf if self._server.is_away else now)
                self._changed_at = now

    def take_interim(self, interim: Interim, now: float) -> bool:
        """Take an interim. If two calls in a row return True, no deadline has come nearer."""
        self._out.session_id = interim.session_id or self.session_id
        if interim.text:
            self._start(None, now)
        self._changed_at = now
        self._interim = interim.text
        released = self._utterance.interim(interim, now)
        self._pass(released, now)
        return self.eager.is_new and released.final is None and self._out.deadline is None

    def flushed(self, request_id: int, now: float) -> None:
        """The framework flushed. The answer to this request becomes a FINAL, even without words.

        `request_id` is what the engine returned, and `now` is on the clock of `handle`.
        """
        self.turns.flushed()
        self.eager.exact = True
        self._flushed_at = self._clock.until if self.eager.is_quiet(_IN_PAUSE) else None
        if self._is_over_and_quiet():
            self._pass(self._utterance.release(now), now)
        self._flushes.add(request_id, self._clock.until)
        self._out.flushed()
        self._request(request_id, now)
        if self._utterance.awaits_answer:
            self._send_preflight(self.eager.ended(now))

    def hold_interims(self, until: float) -> None:
        """Send no interim before this moment, on the clock of `handle`: a FINAL comes first."""
        self._out.hold_interims(until)

    def flushed_nothing(self) -> None:
        """The framework flushed before there was any audio."""
        self._out.nothing()

    def advance(self, now: float, *, silent_for: float = 0.0) -> None:
        """Time has passed.

        Args:
            now: Seconds of the clock of `handle`.
            silent_for: Seconds since the newest audio was given.
        """
        self.turns.advance(now)
        self._out.advance(now)
        if self._caller.goes_on and now >= self._caller.look_at and self._caller.stops(now):
            self._utterance.speech_stopped()
            self._changed_at = now
        if self._input.has_stopped(now, silent_for, self._changed_at) and self._watches_input:
            self._server.is_open = False
            self._request(self._finalize(), now)
        if (close_at := self._close_at) is not None and now >= close_at:
            self._close_if_quiet(now)
        if self._utterance.awaits_answer:
            self._send_preflight(self.eager.ended(now))
        elif self._sends_stable:
            self._send_preflight(self.eager.stable(now))

    @property
    def deadline(self) -> float | None:
        """When to `advance`, on the clock of `now`, if nothing happens before."""
        due = [self._close_at, self.turns.deadline, self._out.deadline]
        due += [self._caller.look_at] if self._caller.goes_on else []
        if self._watches_input:
            due.append(self._input.look_at(self._changed_at))
        if self._utterance.awaits_answer or self._sends_stable:
            due.append(self.eager.deadline)
        return min([at for at in due if at is not None], default=None)

    def close(self, now: float) -> None:
        """The stream is over: send the words that are held, and END."""
        released = self._utterance.flush()
        if released.final is not None:
            self._pass(released, now)
        elif self._flushes.newest is not None:
            self._out.nothing()
        self._out.pass_waiting()
        self._end()

    # Events of the engine.

    def _take_final(self, final: Final, now: float) -> None:
        if self._out.settings.options.redacts:
            final = without_clear_text(final)
        self._out.session_id = final.session_id or self.session_id
        if final.text:
            self._start(final.start if final.words else None, now)
            self._server.last_word = final.end if final.words else None
            self._changed_at = now
            if final.confidence is not None:
                self._out.confidence = final.confidence
            if self._interim:
                self.eager.compare(self._interim, final.text, self._server.last_word)
        self._interim = ""
        if final.finalized:
            self._newest_answer = final
            if self._has_resumed(final):
                self._utterance.speech_started()
                self._caller.is_heard(now)
        self._pass(self._utterance.final(final, now), now)
        self._all_may_be_heard(now)

    def _speech_started(self, at: float, now: float) -> None:
        if self._out.settings.start_on_words and not self.speaking:
            self._started_at = at
        else:
            self._start(at, now)
        self._server.started(at)
        self._caller.is_reported()
        self._changed_at = now

    def _speech_ended(self, at: float, now: float) -> None:
        self._server.is_open = False
        self._started_at = None
        if not self.speaking:
            return
        self._server.ended_at, self._changed_at = at, now
        if self._caller.has_speech_since(at) or self._caller.is_long_past(at):
            self._caller.is_heard(now, at_most=_RESUMED)
        elif self._holds_for == 0.0:
            self._close(now)
        else:
            self._all_may_be_heard(now)

    # When an utterance is over.

    @property
    def _holds_for(self) -> float:
        """Seconds for which closed words wait after something was heard of them."""
        return self.turns.hold(server_ends=self._server.ended_at is not None)

    @property
    def _close_at(self) -> float | None:
        """When the open utterance counts as ended; None while an answer or the caller decides."""
        if not self.speaking or self._server.is_away:
            return None
        if self._utterance.awaits_answer or self._caller.goes_on:
            return None
        holds_for = _LOST_END if self._server.is_open else self._holds_for
        return max(self._changed_at + holds_for, self._caller.look_at)

    def _all_may_be_heard(self, now: float) -> None:
        """Act at once if the server has ended the speech and all words of it are final."""
        if not self.speaking or self._caller.goes_on or self._server.ended_at is None:
            return
        is_answered = self._server.is_answered(self._utterance.answered_until)
        if is_answered or self._holds_for == 0.0:
            self._end_if_whole(now)
        elif self.turns.begins_replies(self._flushes.newest) and self._is_over_and_quiet():
            self._send_preflight(self.eager.complete())

    def _close_if_quiet(self, now: float) -> None:
        """No text came for a while, which ends the speech unless the caller still speaks.

        The server's report of speech after an end comes late. Without a reported end, its decoder
        may only be slow, because it works in chunks of about 1.1 s.
        """
        ended_at, is_open = self._server.ended_at, self._server.is_open
        may_go_on = is_open or now < self._changed_at + 3 * QUIET_HOLD
        quiet = self.turns.quiet(server_hears=is_open)
        if ended_at is not None and self._caller.speaks_later_than(ended_at):
            self._caller.is_heard(now, at_most=_RESUMED)
        elif ended_at is None and may_go_on and not self.eager.is_quiet(quiet):
            self._caller.look_later(now)
        else:
            self._server.is_open = False
            self._close(now)

    def _close(self, now: float) -> None:
        """The speech is over: send its words, or ask for them if some may be missing."""
        if not self._end_if_whole(now) and not self._utterance.awaits_answer:
            self._send_preflight(self.eager.ended(now))
            self._request(self._finalize(), now)

    def _end_if_whole(self, now: float) -> bool:
        """End the speech if all of its words are final and no flush waits for its answer."""
        if self._newest_answer is not None:  # it was held because the caller seemed to go on
            self._flushes.answered(self._newest_answer.finalize_id)
        if self._flushes.newest is not None or not self._is_whole:
            return False
        self._pass(self._utterance.release(now), now)
        self._end()
        return True

    @property
    def _is_whole(self) -> bool:
        """Whether all words of the speech are in closed segments."""
        answered_until = self._utterance.answered_until
        return not self._interim and self._server.is_whole(self._caller, answered_until)

    def _is_over_and_quiet(self) -> bool:
        """Whether the server ended the speech and the audio since then holds no other."""
        ended_at = self._server.ended_at
        return ended_at is not None and self._is_whole and self._caller.is_quiet_since(ended_at)

    def _request(self, request_id: int, now: float) -> None:
        self._caller.goes_on = False
        self._utterance.requested(request_id, now, self._clock.until)
        answer = self._newest_answer
        if answer is not None and (answer.finalize_id or 0) >= request_id:
            # Nothing was pending: the engine answered before the request had returned.
            self._take_final(replace(answer, text="", words=()), now)

    def _has_resumed(self, answer: Final) -> bool:
        """Whether the caller went on after the flush that is answered now.

        The session's detector flushes in a pause. If the caller speaks before the answer is here,
        the session would commit a FINAL that leaves now without what follows, or join two turns.
        No FINAL is held after a muted input, or a commit: a flush in speech, or in mode `manual`.
        """
        newest, flushed_at = self._flushes.newest, self._flushed_at
        if newest is None or flushed_at is None or self.turns.mode not in DETECTED:
            return False
        word = self._server.last_word
        if (answer.finalize_id or 0) < newest or self._caller.has_paused(word, flushed_at):
            return False
        if self._caller.has_speech_since(flushed_at, within=SAME_TURN):
            return bool(answer.text) or self._utterance.is_open
        has_words = bool(answer.text) or self._utterance.has_words_before(flushed_at)
        return has_words and self._caller.speaks_later_than(flushed_at + SAME_TURN)

    @property
    def _watches_input(self) -> bool:
        """Whether the end of speech depends on audio that may have stopped.

        The server's voice detector waits for a silence that never comes if the input is muted in
        the middle of speech. Where END_OF_SPEECH ends turns, the pending words are then asked for.
        """
        may_end_turns = not self.turns.has_flushes or not self.turns.is_known
        return self.speaking and may_end_turns and not self._utterance.awaits_answer

    @property
    def _sends_stable(self) -> bool:
        """Whether a text may start a reply before anybody reports the end of speech."""
        return not (self.turns.has_flushes or self._server.is_reported)

    # Events for the framework.

    def _pass(self, released: Released, now: float) -> None:
        """Send what the utterance has released."""
        if released.final is not None:
            self._pass_final(released.final, released.segments, now)
        if (interim := released.interim) is not None:
            self.eager.reads(interim.text, now, closed=not self._interim)
            self._out.interim(interim, now)

    def _pass_final(self, final: Final, segments: Sequence[Final], now: float) -> None:
        turns = self._flushes.turns(final, segments, self._utterance.joiner, self.turns.mode)
        asked = self._flushes.answered(final.finalize_id)
        text = self._out.finals(turns, now, asked=asked, commits=self.turns.mode == "manual")
        self.eager.left(text)
        if text and not asked:
            self.turns.released(now)
        if final.finalized and not self._server.is_open and not self._utterance.is_open:
            self._end()

    def _start(self, at: float | None, now: float) -> None:
        if self.speaking:
            return
        self._changed_at = now
        self._server.begins()
        self.turns.look()
        self.eager.exact = self.turns.has_flushes
        self._out.start(at if self._started_at is None else self._started_at)
        self._started_at = None

    def _end(self) -> None:
        self._out.end(self._server.last_word, self._server.ended_at)

    def _send_preflight(self, text: str | None) -> None:
        if text is not None:
            word, end = self._server.last_word, self._server.ended_at
            self._out.preflight(text, end if word is None else word)
