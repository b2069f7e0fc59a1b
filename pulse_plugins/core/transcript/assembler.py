"""What the server says, put where it belongs: events, settled audio, answered finalize requests.

The question answered here is "does this final complete that request?". `from_finalize` says so
where a server sends it (one that did so once is held to it). Elsewhere an ordinary final is not
enough, as the service cuts finals every ten words: it completes a request only when no speech is
left between its last word and the request's mark; without word times, when it does not come much
sooner than answers do. Nothing here awaits, reads a clock or knows how
a connection is made.
"""

from __future__ import annotations

from collections import deque

from pulse_plugins.core.audio.energy import SpeechLevel
from pulse_plugins.core.audio.replay_buffer import ConnectionClock, Timeline
from pulse_plugins.core.base.events import Event, Final, SpeechEnded, SpeechStarted
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.transcript.finalize_requests import Request, Turns
from pulse_plugins.core.transcript.placement import Segment, Transcripts
from pulse_plugins.core.wire.stream_messages import SpeechMark, Transcript

_UNMISTAKABLE = 0.15  # seconds of loud audio; less is a click
_DOUBT = 1.0  # seconds; an interim or final comes at most so long after its last word


class Recognition:
    """Turns messages into events; the session owns one for the life of the stream."""

    def __init__(self, options: PulseOptions, timeline: Timeline, events: deque[Event]) -> None:
        self.options = options
        self.timeline = timeline
        self.transcripts = Transcripts(options.language)
        self.turns = Turns()
        encoding = options.encoding if options.encoding in _MEASURABLE else "linear16"
        self._speech = SpeechLevel(timeline, encoding)
        self._events = events

    def request(self) -> int:
        """Ask for the words of all audio so far; returns the request's id."""
        self.timeline.seal()
        request_id = self.turns.request(self.timeline.end)
        if self.timeline.start == self.timeline.end and self._is_next(request_id):
            # Every byte is covered already: there is nothing to ask the server for.
            self.turns.answer_all()
            self._emit_final(self._empty(), request_id, None)
        return request_id

    def wait_for_answers(self) -> None:
        """Decide until when, for those asked since; they are on their way already."""
        for request in self.turns.waiting:
            if request.sent_at is None:
                break
            if request.deadline is None:
                self._speech.listen_until(self.timeline.seconds(request.mark))
                request.deadline = request.sent_at + self._patience(request.mark)

    def transcript(self, message: Transcript, clock: ConnectionClock, now: float) -> None:
        """An interim or final came."""
        timeline = self.timeline
        sent = timeline.cursor / timeline.bytes_per_second
        if not (message.is_final or message.is_last):
            interim = self.transcripts.interim(message, sent=sent, now=now)
            if interim is not None:
                self._events.append(interim)
                if self.turns.waiting:
                    self._reconsider(now)
            return
        waiting = self.turns.oldest()
        before = self.transcripts.delivered_until
        answered = waiting if message.from_finalize else None
        certain = self.turns.is_certain
        segment = self.transcripts.final(
            message,
            clock,
            sent=sent,
            until=None if answered is None else timeline.seconds(answered.mark),
            certain=certain,
            asked=waiting is not None or self.turns.late > 0 or self.turns.was_answered(now),
            now=now,
        )
        if segment.words:
            self._speech.learn(segment.words[0].start, segment.end)
        elif segment.text:
            self._speech.learn(before, segment.end)
        request = self._completed_by(message, segment, now)
        settled = self._settled_by(segment, request)
        request_id = None if request is None else self.turns.answer(request, now)
        timeline.settle(settled)
        if certain and request is not None and request.id is not None and settled >= request.mark:
            self.transcripts.settled(timeline.seconds(settled))
        if segment.text or request_id is not None:
            self._emit_final(segment, request_id, message)
        self._reconsider(now, after_final=bool(segment.text))

    def speech_mark(self, message: SpeechMark, clock: ConnectionClock) -> None:
        """The server's VAD heard speech begin or end."""
        time = self.timeline.seconds(self.timeline.cursor)
        if message.timestamp is not None:
            time = min(time, clock.to_stream(message.timestamp))
        self._events.append(SpeechStarted(time) if message.started else SpeechEnded(time))

    def expire(self, now: float) -> None:
        """Requests whose answer is overdue are answered with what there is."""
        while (request := self.turns.oldest()) is not None:
            if request.deadline is None or request.deadline > now:
                return
            is_open = self._is_open_before(request.mark)
            if not (is_open or request.doubted or self.turns.answers_empty):
                self.turns.answers_empty = False  # this server says nothing to an empty request
            request_id = self.turns.give_up(request)
            if request_id is not None and is_open:
                self._promote(request.mark, request_id)
            elif request_id is not None:
                self._emit_final(self._empty(), request_id, None)

    def end(self) -> None:
        """Nothing more will be heard: answer every request with what there is."""
        request_id = self.turns.answer_all()
        if request_id is not None or self.transcripts.open_text:
            self._promote(self.timeline.end, request_id)

    def is_speech_open(self, mark: int) -> bool:
        """Whether words spoken before this position may still be on their way."""
        if self.transcripts.open_text:
            return True
        start = max(self.transcripts.delivered_until, self.timeline.seconds(self.timeline.start))
        return self._speech.has_speech(start, self.timeline.seconds(mark))

    def may_hold_words(self, mark: int) -> bool:
        """The same, for a decision that would give them up: even a quiet word counts."""
        start = max(self.transcripts.delivered_until, self.timeline.seconds(self.timeline.start))
        return bool(self.transcripts.open_text) or self._speech.may_have_speech(
            start, self.timeline.seconds(mark)
        )

    def is_loud(self, start: int, end: int, *, at_least: float) -> bool:
        """Whether there are that many seconds of loud audio between two positions."""
        seconds = self.timeline.seconds
        return self._speech.is_loud(seconds(start), seconds(end), at_least=at_least)

    def unsaid_from(self) -> int | None:
        """Where speech begins that was sent and whose words did not come, if there is any."""
        if self.transcripts.open_text:
            return None  # an interim says what was heard
        timeline = self.timeline
        start = max(self.transcripts.delivered_until, timeline.seconds(timeline.start))
        end = timeline.seconds(timeline.cursor)
        onset = self._speech.onset(start, end, at_least=_UNMISTAKABLE)
        return None if onset is None else timeline.position(onset)

    def release_old(self) -> None:
        """Let go of old audio that was heard and brought no words."""
        timeline = self.timeline
        if self.transcripts.open_text or not self.turns.is_answered:
            return
        keep = timeline.position(self.options.limits.release_seconds)
        until, older = timeline.cursor - keep, timeline.cursor - 2 * keep
        if until > timeline.start and not self.is_loud(timeline.start, until, at_least=0.1):
            timeline.release(until)
        elif older > timeline.start:
            timeline.release(older)

    def _completed_by(self, message: Transcript, segment: Segment, now: float) -> Request | None:
        """The newest request that this final completes, or None."""
        turns = self.turns
        waiting = turns.oldest()
        is_empty = not (segment.text or segment.repeated)
        if message.is_last:
            return turns.newest()
        if message.from_finalize:
            turns.flag_seen = True
            turns.answers_empty = is_empty or turns.answers_empty
        if waiting is None:
            if message.from_finalize and turns.late:
                turns.late -= 1
            return None
        if message.from_finalize:
            words = segment.words
            first_word = self.timeline.position(words[0].start) if words else None
            waiting = turns.addressed(first_word) if words else waiting
            assert waiting is not None  # `oldest` was sent, so `addressed` finds at least it
            if turns.late and self.is_speech_open(waiting.mark):
                turns.late -= 1  # the late answer to a request that was given up
                return None
            return waiting
        if turns.flag_seen or self.is_speech_open(waiting.mark):
            return None
        if segment.repeated and segment.vague:
            return None  # the replay says again what was said: its words are before the question
        if segment.vague and turns.is_too_soon(waiting, now):
            waiting.doubted = True  # it may say what was cut before, and not how far that reached
            return None
        if is_empty:
            turns.answers_empty = True
        return waiting

    def _settled_by(self, segment: Segment, request: Request | None) -> int:
        """Up to where nothing need be heard again, now that this final completes the request."""
        covered = segment.covered
        if segment.vague:
            if request is not None:  # it came later than what it covers
                covered = min(covered, self.timeline.seconds(request.mark))
            covered = self._surely(covered)
        settled = self.timeline.position(covered)
        if request is None or request.id is None:
            return settled  # one of our own can cut a word: the rest of it is replayed
        return max(settled, self._before_open_word(request.mark))

    def _surely(self, covered: float) -> float:
        """Where a final without word times settles: no word that may follow it lies before."""
        early = max(0.0, covered - _DOUBT)
        return early if self._speech.may_have_speech(early, covered) else covered

    def _before_open_word(self, mark: int) -> int:
        """Up to where an answer settles: a word that is being said at the mark is not over."""
        return self.timeline.position(self._speech.word_at(self.timeline.seconds(mark)))

    def _reconsider(self, now: float, *, after_final: bool = False) -> None:
        """New evidence: how long is the oldest request still worth waiting for?

        Args:
            now: The session's clock.
            after_final: A final has just come. Where answers are not marked this may have been it.
        """
        request = self.turns.oldest()
        if request is None or request.deadline is None or request.sent_at is None:
            return
        if self._is_open_before(request.mark) and not (after_final and self._may_end(request)):
            request.deadline = request.sent_at + self.options.timeouts.finalize
        else:
            patience = self.options.timeouts.finalize_grace
            request.deadline = min(request.deadline, now + patience)

    def _patience(self, mark: int) -> float:
        timeouts = self.options.timeouts
        if self.is_speech_open(mark):
            return timeouts.finalize
        if self.turns.answers_empty is False and not self.may_hold_words(mark):
            return 0.0
        return timeouts.finalize_grace

    def _is_open_before(self, mark: int) -> bool:
        """The same as `is_speech_open`, where the caller may have gone on after the mark."""
        if not self.is_speech_open(mark):
            return False
        start = max(self.transcripts.delivered_until, self.timeline.seconds(self.timeline.start))
        at, until = self.timeline.seconds(mark), self.timeline.seconds(self.timeline.cursor)
        return self._speech.has_speech(start, at) or not self._speech.has_speech(at, until)

    def _may_end(self, request: Request) -> bool:
        """Whether the words until now can be all: they may sound longer than their times say."""
        if self.turns.flag_seen or self.transcripts.open_text:
            return False
        seconds = self.timeline.seconds
        start = max(self.transcripts.delivered_until, seconds(self.timeline.start))
        return not self._speech.has_word(start, seconds(request.mark))

    def _promote(self, mark: int, request_id: int | None) -> None:
        text = self.transcripts.promote(self.timeline.seconds(mark))
        if not text and request_id is None:
            return
        start = self.transcripts.delivered_until
        end = max(start, self.timeline.seconds(mark)) if text else start
        self._events.append(Final(text, start, end, finalize_id=request_id, promoted=bool(text)))

    def _is_next(self, request_id: int) -> bool:
        oldest = self.turns.due(self.timeline.end)
        return oldest is not None and oldest.id == request_id and self.turns.oldest() is None

    def _empty(self) -> Segment:
        at = self.transcripts.delivered_until
        return Segment("", (), at, at, covered=at)

    def _emit_final(
        self, segment: Segment, request_id: int | None, message: Transcript | None
    ) -> None:
        if message is None:
            self._events.append(Final("", segment.start, segment.end, finalize_id=request_id))
            return
        self._events.append(
            Final(
                segment.text,
                segment.start,
                segment.end,
                words=segment.words,
                finalize_id=request_id,
                speech_final=message.speech_final,
                language=message.language,
                languages=tuple(message.languages or ()),
                speaker=_speaker(segment),
                utterances=segment.utterances,
                redacted_entities=tuple(message.redacted_entities or ()),
                emotion=message.emotion,
                gender=message.gender,
                session_id=message.session_id or "",
            )
        )


_MEASURABLE = frozenset({"linear16", "linear32", "mulaw", "alaw"})


def _speaker(segment: Segment) -> str | None:
    """The speaker of most of the segment's words."""
    speakers = [w.speaker for w in segment.words if w.speaker is not None]
    return max(set(speakers), key=speakers.count) if speakers else None
