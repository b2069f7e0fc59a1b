"""What the engine tells, in the order the framework relies on.

    START_OF_SPEECH  INTERIM*  (PREFLIGHT INTERIM*)*  FINAL+  END_OF_SPEECH

START and END come strictly in pairs, and END after the last FINAL of the speech: what the server's
VAD ended is asked for with a finalize, and END waits for its answer, which the engine bounds. A
final that the server cut for its length ends nothing. A server without VAD ends speech with its
finals. Every flush is answered with a FINAL, an empty one if nothing was pending.

Nothing here awaits or reads a clock: `now` is an argument, `deadline` says when to `advance`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

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
from pulse_plugins.livekit.input_clock import InputClock
from pulse_plugins.livekit.preflight import Preflight
from pulse_plugins.livekit.speech_data import SpeechDataBuilder

_SAME_END = 0.35  # seconds between the last word's end and the VAD's end of the same speech
_CUT = 0.3  # seconds; a final whose last word is this fresh was cut in mid-speech
_QUIET = 0.8  # seconds without a word after which such speech has ended
_STUCK = 2.0  # seconds; an interim that nobody makes final is asked for


class SpeechEvents:
    """The grammar of one stream.

    Args:
        build: Translates texts and times.
        clock: For wall clock times.
        emit: Takes each event.
        finalize: Asks the engine for the pending words; returns the request's id.
        wall: The wall clock, in seconds: no event is from the future.
    """

    def __init__(
        self,
        build: SpeechDataBuilder,
        clock: InputClock,
        emit: Callable[[SpeechEvent], None],
        finalize: Callable[[], int],
        wall: Callable[[], float],
    ) -> None:
        self.speaking = False
        self.session_id = ""
        self.preflight = Preflight()
        self._build = build
        self._clock = clock
        self._emit = emit
        self._finalize = finalize
        self._now = wall
        self._flushes: deque[int] = deque()  # not answered yet, oldest first
        self._ends_with: int | None = None  # END follows the answer to this request
        self._ends_at: float | None = None  # or comes then, if no more is heard
        self._vad_open = False  # the server's VAD hears speech
        self._vad_end: float | None = None  # stream_time at which it heard the end of this speech
        self._last_word: float | None = None  # stream_time of the end of this speech's last word
        self._open_text = ""
        self._changed_at = 0.0

    def handle(self, event: Event, now: float) -> None:
        """Take what the engine tells; events that are not about speech change nothing.

        Args:
            event: Any event.
            now: Seconds of any steady clock.
        """
        match event:
            case Interim():
                self._interim(event, now)
            case Final():
                self._final(event, now)
            case SpeechStarted(time=at):
                self._vad_open = True
                self._ends_with = self._ends_at = None  # whatever was ending goes on
                self._start(at)
            case SpeechEnded(time=at):
                self._speech_ended(at)
            case Disconnected():
                self._vad_open = False  # the next connection's VAD knows nothing of this one's
                if event.error is None:
                    self._end_when_quiet(now)
            case Recovered():
                self._end_when_quiet(now)

    def flushed(self, request_id: int) -> None:
        """The framework flushed: the answer to this request is a FINAL, whatever it holds."""
        self._flushes.append(request_id)
        if self._ends_with is None:
            self._ends_with = request_id
        self._send_preflight(self.preflight.ended())

    def advance(self, now: float) -> None:
        """Time has passed."""
        if self._ends_at is not None and now >= self._ends_at:
            self._end()
        if self._is_stuck_since() is not None and now >= self._changed_at + _STUCK:
            self._changed_at = now
            self._ends_with = self._finalize()
        self._send_preflight(self.preflight.stable(now))

    @property
    def deadline(self) -> float | None:
        """When to `advance`, on the clock of `now`, if nothing happens before."""
        due = self.preflight.deadline
        if self._ends_at is not None and (due is None or self._ends_at < due):
            due = self._ends_at
        stuck = self._is_stuck_since()
        if stuck is not None and (due is None or stuck + _STUCK < due):
            due = stuck + _STUCK
        return due

    def flushed_nothing(self) -> None:
        """The framework flushed before there was any audio."""
        self._send(SpeechEventType.FINAL_TRANSCRIPT, self._build.empty())

    def close(self, *, answer: bool) -> None:
        """The stream is over: what was begun is ended.

        Args:
            answer: What was flushed is answered too; nobody else will.
        """
        if self._flushes and answer:
            self._send(SpeechEventType.FINAL_TRANSCRIPT, self._build.empty())
        self._flushes.clear()
        self._end()

    def _interim(self, interim: Interim, now: float) -> None:
        self.session_id = interim.session_id or self.session_id
        if not self.speaking:
            self._start(None)
        self._ends_at = None
        if interim.text != self._open_text:
            self._open_text, self._changed_at = interim.text, now
        if self._build.options.redacts:
            return  # the service redacts finals only
        self.preflight.interim(interim.text, now)
        self._send(SpeechEventType.INTERIM_TRANSCRIPT, self._build.interim(interim))

    def _final(self, final: Final, now: float) -> None:
        self.session_id = final.session_id or self.session_id
        asked = self._answered(final.finalize_id)
        if final.text:
            self._start(final.start if final.words else None)
            self._open_text = ""
            self._last_word = final.end
            self.preflight.final(final.text)
            for data in self._build.final(final):
                self._send(SpeechEventType.FINAL_TRANSCRIPT, data, ends_at=final.end)
        elif final.finalized:
            self._open_text = ""
            if asked:
                self._send(SpeechEventType.FINAL_TRANSCRIPT, self._build.empty())
        self._end_after(final, now)

    def _answered(self, finalize_id: int | None) -> bool:
        """Whether this request, or an older one, was a flush of the framework."""
        asked = False
        while self._flushes and finalize_id is not None and self._flushes[0] <= finalize_id:
            self._flushes.popleft()
            asked = True
        return asked

    def _end_after(self, final: Final, now: float) -> None:
        answers = final.finalize_id
        if self._ends_with is not None:
            if answers is not None and answers >= self._ends_with:
                self._ends_with = None
                self._end()
            elif self._vad_end is not None and self._is_whole(self._vad_end):
                self._end_unless_flushed()  # the server's own final was faster than its answer
        elif final.speech_final:
            self._end()
        elif self.speaking and not self._vad_open:
            # No VAD of the server's watches over this speech: a final is its end, unless its
            # last word is so fresh that the speaker cannot have stopped.
            if self._clock.until - final.end < _CUT:
                self._ends_at = now + _QUIET
            else:
                self._end()

    def _speech_ended(self, at: float) -> None:
        self._vad_open = False
        if not self.speaking:
            return
        self._vad_end = at
        if self._is_whole(at):
            self._end_unless_flushed()
            return
        self._send_preflight(self.preflight.ended())
        self._ends_with = self._finalize()

    def _end_unless_flushed(self) -> None:
        """Every word is final; but a FINAL that was asked for comes before END."""
        if self._flushes:
            self._ends_with = self._flushes[-1]
        else:
            self._end()

    def _is_whole(self, end: float) -> bool:
        """Whether the words up to this end of speech are all final."""
        last = self._last_word
        return not self._open_text and last is not None and last >= end - _SAME_END

    def _is_stuck_since(self) -> float | None:
        if self._open_text and not self._vad_open and self._ends_with is None:
            return self._changed_at
        return None

    def _end_when_quiet(self, now: float) -> None:
        if self.speaking and not (self._vad_open or self._open_text or self._ends_with):
            self._ends_at = now + _QUIET

    def _start(self, at: float | None) -> None:
        if self.speaking:
            return
        self.speaking = True
        self._vad_end = self._last_word = None
        event = SpeechEvent(SpeechEventType.START_OF_SPEECH, request_id=self.session_id)
        if at is not None:
            event.speech_start_time = self._wall(at)
        self._emit(event)

    def _end(self) -> None:
        self._ends_with = self._ends_at = None
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
        data = SpeechData(language=self._build.language(None), text=text)
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
