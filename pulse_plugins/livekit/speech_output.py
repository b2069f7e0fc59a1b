"""Sends the events of one stream to the framework: START and END in pairs, and no text twice."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from livekit.agents.stt import SpeechData, SpeechEvent, SpeechEventType

from pulse_plugins.core.base.events import Final, Interim
from pulse_plugins.livekit.audio_input import InputClock
from pulse_plugins.livekit.framework import HeldInterim
from pulse_plugins.livekit.options import Settings
from pulse_plugins.livekit.speech_data import SpeechDataBuilder
from pulse_plugins.livekit.taken_words import TakenWords

# Seconds between the FINAL of a turn and the next text, where both came at once. A session commits
# a FINAL in the next rounds of the event loop if nobody speaks. A second FINAL before that would
# join its turn, and a commit would take an interim into the turn, whose words then come once more.
_BETWEEN_TURNS = 0.1


class SpeechOutput:
    """Writes the events of one stream.

    Args:
        build: Translates texts and times.
        clock: For wall clock times, and the end of the audio so far.
        emit: Takes each event.
        wall: The wall clock, in seconds: no event is from the future.
        settings: The user's settings.
        held: Reads the interim that the session holds.

    Attributes:
        settings: The present settings.
        speaking: Whether START was sent and END was not.
        session_id: The service's id of the newest connection.
        confidence: The confidence of the newest final; interims have none.
    """

    def __init__(
        self,
        build: SpeechDataBuilder,
        clock: InputClock,
        emit: Callable[[SpeechEvent], None],
        wall: Callable[[], float],
        settings: Settings,
        held: Callable[[], HeldInterim | None],
    ) -> None:
        self.settings = settings
        self.speaking = False
        self.session_id = ""
        self.confidence = 0.0
        self._build = build
        self._clock = clock
        self._emit = emit
        self._wall = wall
        self._shown = ""
        self._taken = TakenWords(held, lambda: build.options.language)
        self._begins_at = 0.0  # stream_time of the open utterance
        self._turns: deque[Final] = deque()  # that wait until the one before is committed
        self._turn_at = 0.0  # when the next of them leaves, on the clock of `advance`
        self._interim: Interim | None = None  # waits until a FINAL that was asked for is committed
        self._free_at = 0.0  # when it leaves, on the same clock
        self._look_at: float | None = None  # when the session has read the newest interim
        self._ends_at: tuple[float | None, ...] | None = None  # speech ends after these turns

    def start(self, at: float | None) -> None:
        """Speech starts. `at` is the stream_time of the start, if it is known."""
        self.speaking = True
        event = SpeechEvent(SpeechEventType.START_OF_SPEECH, request_id=self.session_id)
        if at is not None:
            event.speech_start_time = self._clock.wall_time(at, self._wall(), starts=True)
        self._emit(event)

    def end(self, *known: float | None) -> None:
        """Speech ends, if it has started.

        Args:
            known: stream_times at which it may have ended; the earliest one counts.
        """
        if not self.speaking:
            return
        if self._turns:
            self._ends_at = known
            return
        self.speaking = False
        event = SpeechEvent(SpeechEventType.END_OF_SPEECH, request_id=self.session_id)
        ends = [at for at in known if at is not None]
        if ends:
            event.speech_end_time = self._clock.wall_time(min(ends), self._wall())
        self._emit(event)

    def flushed(self) -> None:
        """The framework flushed, and waits for a FINAL."""
        self._taken.flushed(self._shown)

    def hold_interims(self, until: float) -> None:
        """Keep interims until this moment or the next FINAL, on the clock of `advance`."""
        self._free_at = until

    def interim(self, interim: Interim, now: float) -> None:
        """Send the present text of the open utterance.

        Args:
            interim: The text.
            now: Seconds of any steady clock.
        """
        self._ends_at = None  # speech goes on
        if self._turns:
            self.pass_waiting()
        if now < self._free_at:
            self._interim = interim
            return
        self._begins_at = interim.start
        text = interim.text
        if self._taken.may_hold_words:
            self._taken.look(self._shown)
            text = self._taken.rest_of(text)
        if text == self._shown or self._hides_interims or (interim.text and not text):
            return
        self._shown = text
        data = self._build.unfinished(text, interim.start, self._clock.until, self.confidence)
        self._send(SpeechEventType.INTERIM_TRANSCRIPT, data)
        if self._taken.waits:
            self._look_at = now + _BETWEEN_TURNS

    @property
    def _hides_interims(self) -> bool:
        # The service redacts finals only, so interims may hold the clear text.
        return self._build.options.redacts or not self.settings.interim_results

    def preflight(self, text: str, end: float | None) -> None:
        """Send a text on which the framework may begin a reply.

        Args:
            text: All words of the open utterance.
            end: stream_time at which the last one ended; None: not known.
        """
        if self._build.options.redacts:
            return
        end = self._clock.until if end is None else end
        data = self._build.unfinished(text, self._begins_at, end, self.confidence)
        self._send(SpeechEventType.PREFLIGHT_TRANSCRIPT, data)

    def finals(
        self, turns: Sequence[Final], now: float, *, asked: bool, commits: bool = False
    ) -> str:
        """The utterance is over: send it. Returns the text of its first turn as it was sent.

        Args:
            turns: The utterance as one final for each turn; nearly always there is one turn.
            now: Seconds of any steady clock.
            asked: The framework waits for the final, so that an empty one is sent too.
            commits: The application commits the turns. A commit takes the newest interim.
        """
        if not turns[0].text and (self._turns or turns[0].promoted):
            # The turn that waits answers the flush; or the words are late. How long to wait for
            # them is up to the framework, because an empty FINAL would end a commit without them.
            return ""
        self._ends_at = self._interim = None  # speech goes on
        self.pass_waiting()
        self._taken.look(self._shown)
        first, *others = [self._taken.rest(each) for each in turns]
        self._turns.extend(others)
        self._turn_at = now + _BETWEEN_TURNS
        if asked:
            self._taken.answered()
            self._free_at = now + _BETWEEN_TURNS if commits else 0.0
        return self._final(first, asked=asked)

    @property
    def deadline(self) -> float | None:
        """When to `advance`, if another turn or an interim waits, or a look at the session."""
        due = [self._look_at, self._turn_at if self._turns else None]
        due.append(None if self._interim is None else self._free_at)
        return min((at for at in due if at is not None), default=None)

    def advance(self, now: float) -> None:
        """Time has passed."""
        if self._look_at is not None and now >= self._look_at:
            self._look_at = None
            self._taken.look(self._shown)
        if self._turns and now >= self._turn_at:
            self._final(self._turns.popleft(), asked=False)
            self._turn_at = now + _BETWEEN_TURNS
            self._end_after_turns()
        if self._interim is not None and now >= self._free_at:
            interim, self._interim = self._interim, None
            self.interim(interim, now)

    def pass_waiting(self) -> None:
        """Send the turns that wait, because another event comes next."""
        while self._turns:
            self._final(self._turns.popleft(), asked=False)
        self._end_after_turns()

    def _end_after_turns(self) -> None:
        if self._ends_at is not None and not self._turns:
            known, self._ends_at = self._ends_at, None
            self.end(*known)

    def _final(self, final: Final, *, asked: bool) -> str:
        self._shown = ""
        if final.confidence is not None and final.confidence < self.settings.min_confidence:
            final = replace(final, text="", words=())
        if final.text:
            for part in self._build.parts(final):
                self._send(SpeechEventType.FINAL_TRANSCRIPT, self._build.whole(part), part.end)
        elif asked:
            self.nothing()
        return final.text

    def nothing(self) -> None:
        """Answer a flush for which there are no words, unless the FINAL of a turn is to come."""
        if not self._turns:
            self._send(SpeechEventType.FINAL_TRANSCRIPT, self._build.empty())

    def _send(self, kind: SpeechEventType, data: SpeechData, ends_at: float | None = None) -> None:
        event = SpeechEvent(kind, request_id=self.session_id, alternatives=[data])
        if ends_at is not None:
            event.speech_end_time = self._clock.wall_time(ends_at, self._wall())
        self._emit(event)
