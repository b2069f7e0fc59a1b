"""The engine's segments as the framework's events, one FINAL an utterance.

    START_OF_SPEECH  INTERIM*  (PREFLIGHT INTERIM*)*  FINAL+  END_OF_SPEECH

START and END come in pairs, and END comes after the last FINAL of the speech. Every flush of the
framework is answered with a FINAL, an empty one if nothing was pending; while a flush is
unanswered no other FINAL leaves, because any FINAL ends the framework's wait for the last words.

Who ends turns decides how long closed segments are held, and the framework does not tell it:

- Where a voice detector of the session or the application ends turns, each turn brings a flush.
  The segments wait for it. A FINAL that left before would be committed at the end of the turn
  without the words that are still on their way.
- Where this stream's END_OF_SPEECH ends turns (`turn_detection="stt"`), no flush comes, and
  nothing is held once the server has reported the end of speech.

`TurnEnding` knows which of the two it is. In both, an utterance that nobody asks for leaves once
the server has reported the end of speech and nothing followed for a while, or, on a server that
does not report it, once no text has come for a while and the caller is quiet.

Nothing here awaits or reads a clock: `now` is an argument, `deadline` says when to `advance`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from math import inf

from livekit.agents.stt import SpeechData, SpeechEvent, SpeechEventType

from pulse_plugins.core.base.events import (
    Disconnected,
    Event,
    Final,
    Interim,
    Recovered,
    SpeechEnded,
    SpeechStarted,
)
from pulse_plugins.core.transcript.eager import EagerText
from pulse_plugins.core.transcript.utterance import Policy, Released, UtteranceAssembler
from pulse_plugins.livekit.audio_input import InputClock
from pulse_plugins.livekit.options import Settings
from pulse_plugins.livekit.speech_data import SpeechDataBuilder
from pulse_plugins.livekit.turn_ending import QUIET, QUIET_HOLD, ModeReader, TurnEnding

_SAME_END = 0.35  # seconds between the last word's end and the VAD's end of the same speech
_POLL = 0.2  # seconds between two looks at whether the caller is quiet
_STOPPED = 0.6  # seconds without audio in the middle of speech: the input has stopped
_LOST_END = 2.0  # seconds without text and in silence: the server does not report this end
_RESUMED = 2.0  # seconds; by then the server has reported speech that goes on, or never will
_LOOKS_BACK = 1.5  # seconds of audio that can be judged
_SAME_TURN = 0.6  # seconds after a flush; a caller who speaks only later begins another turn
# A monologue leaves at these bounds although the caller goes on. The framework would commit the
# part that left without waiting for the rest, so the bounds are wide.
_POLICY = Policy(monologue_seconds=60.0, monologue_words=600)


class SpeechEvents:
    """The grammar of one stream.

    Args:
        build: Translates texts and times.
        clock: For wall clock times, and the end of the audio so far.
        emit: Takes each event.
        finalize: Asks the engine for the pending words; returns the request's id.
        wall: The wall clock, in seconds: no event is from the future.
        reader: Reads who ends turns in the session.
        settings: The user's.

    Attributes:
        speaking: Whether START was sent and END was not.
        session_id: Of the newest connection.
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
        self.speaking = False
        self.session_id = ""
        self.eager = EagerText(exact=True)
        self.turns = TurnEnding(reader)
        self._utterance = UtteranceAssembler(_POLICY, build.options.language)
        self._build = build
        self._clock = clock
        self._emit = emit
        self._finalize = finalize
        self._now = wall
        self._flushes: deque[int] = deque()  # not answered yet, oldest first
        self._flushed_at: float | None = None  # stream_time of the newest flush in a pause
        self._hears_vad = False  # the server reports the speech that is open
        self._vad_open = False  # and it goes on
        self._vad_end: float | None = None  # stream_time at which it ended
        self._last_word: float | None = None  # stream_time of the end of this speech's last word
        self._changed_at = 0.0  # when something of this speech was last heard
        self._resumed = False  # the end of speech was reported, but the caller goes on
        self._resumed_until = 0.0  # when that is taken for noise
        self._asked_quiet_at = 0.0  # when the audio is to be looked at next
        self._down = False  # no connection: silence of the server means nothing
        self._settings = settings
        self._started_at: float | None = None  # stream_time of a start that waits for words
        self._begins_at = 0.0  # stream_time of the open utterance
        self._confidence = 0.0  # of the newest final
        self._newest_answer: Final | None = None
        self._shown = ""
        self._interim = ""  # the newest of the open segment
        self._input_checked_at = 0.0  # when audio was last known to come

    def follow(self, settings: Settings) -> None:
        """Follow the user's settings from now on."""
        self._settings = settings

    def handle(self, event: Event, now: float) -> None:
        """Take what the engine tells; events that are not about speech change nothing.

        Args:
            event: Any event.
            now: Seconds of any steady clock.
        """
        match event:
            case Interim():
                self._take_interim(event, now)
            case Final():
                self._take_final(event, now)
            case SpeechStarted(time=at):
                self._speech_started(at, now)
            case SpeechEnded(time=at):
                self._speech_ended(at, now)
            case Disconnected(error=error):
                self._vad_open = False  # the next connection's VAD knows nothing of this one's
                self._down = error is not None
                self._changed_at = now
            case Recovered():
                self._down = False
                self._changed_at = now

    def flushed(self, request_id: int, now: float) -> None:
        """The framework flushed: the answer to this request is a FINAL, whatever it holds.

        Args:
            request_id: The engine's.
            now: Seconds of the clock of `handle`.
        """
        self.turns.flushed()
        self.eager.exact = True
        self._flushed_at = self._clock.until if self.eager.is_quiet(0.25) else None
        if self._is_over_and_quiet():
            self._pass(self._utterance.release(now), now)
        self._flushes.append(request_id)
        self._request(request_id, now)
        if self._utterance.awaits_answer:
            self._send_preflight(self.eager.ended(now))

    def flushed_nothing(self) -> None:
        """The framework flushed before there was any audio."""
        self._send(SpeechEventType.FINAL_TRANSCRIPT, self._build.empty())

    def advance(self, now: float, *, silent_for: float = 0.0) -> None:
        """Time has passed.

        Args:
            now: Seconds of the clock of `handle`.
            silent_for: Seconds since the newest audio was given.
        """
        self.turns.advance(now)
        if self._resumed and now >= self._asked_quiet_at:
            self._look_for_quiet(now)
        if self._watches_input and silent_for >= _STOPPED:
            self._vad_open = False
            self._request(self._finalize(), now)
        close_at = self._close_at
        if close_at is not None and now >= close_at:
            self._close_if_quiet(now)
        if self._utterance.awaits_answer:
            self._send_preflight(self.eager.ended(now))
        elif self._sends_stable:
            self._send_preflight(self.eager.stable(now))
        self._input_checked_at = now - silent_for

    @property
    def deadline(self) -> float | None:
        """When to `advance`, on the clock of `now`, if nothing happens before."""
        due = [self._close_at, self.turns.deadline]
        if self._resumed:
            due.append(self._asked_quiet_at)
        if self._watches_input:
            due.append(max(self._changed_at, self._input_checked_at) + _STOPPED)
        if self._utterance.awaits_answer or self._sends_stable:
            due.append(self.eager.deadline)
        return min((at for at in due if at is not None), default=None)

    def close(self, now: float) -> None:
        """The stream is over: what was begun is ended."""
        released = self._utterance.flush()
        if released.final is not None:
            self._pass(released, now)
        elif self._flushes:
            self._send(SpeechEventType.FINAL_TRANSCRIPT, self._build.empty())
        self._flushes.clear()
        self._end()

    # What the engine tells.

    def _take_interim(self, interim: Interim, now: float) -> None:
        self.session_id = interim.session_id or self.session_id
        self._start(None, now)
        self._changed_at = now
        self._interim = interim.text
        self._pass(self._utterance.interim(interim, now), now)

    def _take_final(self, final: Final, now: float) -> None:
        self.session_id = final.session_id or self.session_id
        if final.text:
            self._start(final.start if final.words else None, now)
            self._last_word = final.end if final.words else None
            self._changed_at = now
            if final.confidence is not None:
                self._confidence = final.confidence
            if self._interim:
                self.eager.compare(self._interim, final.text, self._last_word)
        if final.text or final.finalized:
            self._interim = ""
        if final.finalized:
            self._newest_answer = final
        if final.finalized and self._has_resumed(final):
            self._utterance.speech_started()
            self._resumed = True
            self._asked_quiet_at = now + _POLL
            self._resumed_until = inf
        self._pass(self._utterance.final(final, now), now)
        self._all_may_be_heard(now)

    def _speech_started(self, at: float, now: float) -> None:
        if self._settings.start_on_words and not self.speaking:
            self._started_at = at
        else:
            self._start(at, now)
        self._hears_vad = self._vad_open = True
        self._vad_end = None
        if self._resumed_until < inf:
            self._resumed = False
        self._changed_at = now

    def _speech_ended(self, at: float, now: float) -> None:
        self._vad_open = False
        self._started_at = None
        if not self.speaking:
            return
        self._vad_end = at
        self._changed_at = now
        if self._goes_on_after(at):
            self._resumed = True
            self._asked_quiet_at = now + _POLL
            self._resumed_until = now + _RESUMED
        elif self._holds_for == 0.0:
            self._close(now)
        else:
            self._all_may_be_heard(now)

    # When an utterance is over.

    @property
    def _holds_for(self) -> float:
        """Seconds for which closed words wait after something was heard of them."""
        return self.turns.hold(server_ends=self._vad_end is not None)

    @property
    def _close_at(self) -> float | None:
        """When the open utterance is taken for ended; None while somebody else will say so."""
        waits = self._utterance.awaits_answer or self._resumed
        if not self.speaking or waits or self._down:
            return None
        holds_for = _LOST_END if self._vad_open else self._holds_for
        return max(self._changed_at + holds_for, self._asked_quiet_at)

    def _all_may_be_heard(self, now: float) -> None:
        """If all words of a speech that the server has ended are final, act on it at once."""
        if not self.speaking or self._resumed or self._vad_end is None:
            return
        if self._holds_for == 0.0:
            self._end_if_whole(now)
        elif self._is_over_and_quiet():
            self._send_preflight(self.eager.complete())

    def _close_if_quiet(self, now: float) -> None:
        """Nothing was heard for a while: that ends the speech unless the caller still speaks.

        Where the server reports the end of speech it has listened itself. Elsewhere its decoder
        may only be slow: it works in chunks of about 1.1 s.
        """
        may_go_on = self._vad_open or now < self._changed_at + 3 * QUIET_HOLD
        if self._vad_end is None and may_go_on and not self.eager.is_quiet(QUIET / 2):
            self._asked_quiet_at = now + _POLL
        else:
            self._vad_open = False
            self._close(now)

    def _close(self, now: float) -> None:
        """The speech is over: its words leave, or are asked for where some may be missing."""
        if not self._end_if_whole(now) and not self._utterance.awaits_answer:
            self._send_preflight(self.eager.ended(now))
            self._request(self._finalize(), now)

    def _end_if_whole(self, now: float) -> bool:
        """End the speech if all of its words are final and no flush waits for its answer."""
        answered = self._newest_answer.finalize_id if self._newest_answer is not None else None
        self._answered(answered)  # what was held because the caller seemed to go on
        if self._flushes or not self._is_whole():
            return False
        self._pass(self._utterance.release(now), now)
        self._end()
        return True

    def _is_whole(self) -> bool:
        """Whether all words of the speech are in closed segments.

        Without word times nothing proves it.
        """
        if self._interim or self._vad_open or self._last_word is None:
            return False
        return self._vad_end is None or self._last_word >= self._vad_end - _SAME_END

    def _is_over_and_quiet(self) -> bool:
        """Whether the server ended the speech and the audio since then holds no other."""
        if self._vad_end is None or not self._is_whole():
            return False
        since = self._clock.until - self._vad_end
        return 0.0 < since <= _LOOKS_BACK and self.eager.is_quiet(since)

    def _request(self, request_id: int, now: float) -> None:
        self._resumed = False
        self._utterance.requested(request_id, now, self._clock.until)
        answer = self._newest_answer
        if answer is not None and (answer.finalize_id or 0) >= request_id:
            # Nothing was pending: the engine answered before the request had returned.
            self._take_final(replace(answer, text="", words=()), now)

    def _has_resumed(self, answer: Final) -> bool:
        """Whether the caller went on after the flush that is answered now.

        The session's detector flushes in a pause. If the caller speaks again before the answer is
        here, the turn has not ended, and a FINAL that leaves now is committed at its end without
        the words that follow. A flush in mid-speech, or in the mode `manual`, is a commit of the
        application, and its FINAL is never held.
        """
        flushed_at = self._flushed_at
        if not self._flushes or flushed_at is None or self.turns.mode not in ("vad", "detector"):
            return False
        if (answer.finalize_id or 0) < self._flushes[-1]:
            return False
        has_words = bool(answer.text) or self._utterance.is_open
        return has_words and self._goes_on_after(flushed_at, within=_SAME_TURN)

    def _goes_on_after(self, stream_time: float, *, within: float = _LOOKS_BACK) -> bool:
        """Whether the audio after this moment holds speech, which no text may show yet.

        Args:
            stream_time: The moment.
            within: Seconds in which the speech must begin.
        """
        since = self._clock.until - stream_time
        if not 0.05 < since <= _LOOKS_BACK:
            return False
        stretch = min(since, within)
        return not self.eager.is_quiet(stretch, before=since - stretch)

    def _look_for_quiet(self, now: float) -> None:
        """Whether a caller who resumed is quiet again: a noise is no speech that brings a flush."""
        if self.eager.is_quiet(QUIET / 2) or now >= self._resumed_until:
            self._resumed = False
            self._utterance.speech_stopped()
            self._changed_at = now
        self._asked_quiet_at = now + _POLL

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
        return not (self.turns.has_flushes or self._hears_vad)

    # What the framework is told.

    def _pass(self, released: Released, now: float) -> None:
        """Emit what the utterance lets go."""
        final, interim = released.final, released.interim
        if final is not None:
            self._pass_final(final, now)
        if interim is not None:
            self.eager.reads(interim.text, now, closed=not self._interim)
            self._begins_at = interim.start
            if interim.text != self._shown and self._shows_interims:
                self._shown = interim.text
                data = self._build.unfinished(
                    interim.text, interim.start, self._clock.until, self._confidence
                )
                self._send(SpeechEventType.INTERIM_TRANSCRIPT, data)

    @property
    def _shows_interims(self) -> bool:
        # The service redacts finals only.
        return self._settings.interim_results and not self._build.options.redacts

    def _pass_final(self, final: Final, now: float) -> None:
        asked = self._answered(final.finalize_id)
        if final.confidence is not None and final.confidence < self._settings.min_confidence:
            final = replace(final, text="", words=())
        self._shown = ""
        self.eager.left(final.text)
        if final.text and not asked:
            self.turns.released(now)
        if final.text:
            for part in self._build.parts(final):
                data = self._build.whole(part)
                self._send(SpeechEventType.FINAL_TRANSCRIPT, data, ends_at=part.end)
        elif asked:
            self._send(SpeechEventType.FINAL_TRANSCRIPT, self._build.empty())
        if final.finalized and not self._vad_open and not self._utterance.is_open:
            self._end()

    def _answered(self, finalize_id: int | None) -> bool:
        """Whether this request, or an older one, was a flush of the framework."""
        asked = False
        while self._flushes and finalize_id is not None and self._flushes[0] <= finalize_id:
            self._flushes.popleft()
            asked = True
        return asked

    def _start(self, at: float | None, now: float) -> None:
        if self.speaking:
            return
        self.speaking = True
        self._changed_at = now
        at = at if self._started_at is None else self._started_at
        self._started_at = None
        self._hears_vad = self._vad_open
        self._vad_end = self._last_word = None
        self.turns.look()
        self.eager.exact = self.turns.has_flushes
        event = SpeechEvent(SpeechEventType.START_OF_SPEECH, request_id=self.session_id)
        if at is not None:
            event.speech_start_time = self._clock.wall_time(at, self._now(), starts=True)
        self._emit(event)

    def _end(self) -> None:
        if not self.speaking:
            return
        self.speaking = False
        known = [at for at in (self._last_word, self._vad_end) if at is not None]
        event = SpeechEvent(SpeechEventType.END_OF_SPEECH, request_id=self.session_id)
        if known:
            event.speech_end_time = self._wall(min(known))
        self._emit(event)

    def _send_preflight(self, text: str | None) -> None:
        if text is None or self._build.options.redacts:
            return
        end = self._last_word or self._vad_end or self._clock.until
        data = self._build.unfinished(text, self._begins_at, end, self._confidence)
        self._send(SpeechEventType.PREFLIGHT_TRANSCRIPT, data)

    def _send(
        self, kind: SpeechEventType, data: SpeechData, *, ends_at: float | None = None
    ) -> None:
        event = SpeechEvent(kind, request_id=self.session_id, alternatives=[data])
        if ends_at is not None:
            event.speech_end_time = self._wall(ends_at)
        self._emit(event)

    def _wall(self, stream_time: float) -> float:
        return self._clock.wall_time(stream_time, self._now())
