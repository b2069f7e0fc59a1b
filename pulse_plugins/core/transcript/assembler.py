"""From the messages of a server to events, acked audio and answered requests.

`TranscriptAssembler` asks its parts in one order for each final, and the order matters:

1. `placement` (or `untimed`) says which words are new and which audio they cover.
2. `energy` learns how loud those words were, while their audio is still held.
3. `finalize_requests` says which request the final answers, given the speech that is left.
4. The ack follows: the audio that the words cover, or all audio before the answered mark except a
   word that is under way there.

The assembler returns what follows from a message; the session applies it. Nothing here acks audio,
queues an event or reads a clock.
"""

from __future__ import annotations

import re
from math import inf

import msgspec

from pulse_plugins.core.audio.clock import ConnectionClock
from pulse_plugins.core.audio.energy import Energy
from pulse_plugins.core.audio.replay_buffer import ReplayBuffer
from pulse_plugins.core.base.events import Event, Final, Interim, Word
from pulse_plugins.core.config.in_force import OptionsInForce
from pulse_plugins.core.transcript.coverage import SHORTEST_SPEECH, SHORTEST_WORD, Coverage
from pulse_plugins.core.transcript.cut_word import CutWord
from pulse_plugins.core.transcript.delivered import DeliveredWords
from pulse_plugins.core.transcript.finalize_requests import (
    GRACE,
    Answer,
    FinalFacts,
    FinalizeRequests,
    Request,
)
from pulse_plugins.core.transcript.finals import FinalBuilder
from pulse_plugins.core.transcript.heard import HeardAudio
from pulse_plugins.core.transcript.open_interim import OpenInterim
from pulse_plugins.core.transcript.owed import Owed
from pulse_plugins.core.transcript.placement import Placed, TimedPlacement
from pulse_plugins.core.transcript.repetitions import Repetitions
from pulse_plugins.core.transcript.untimed import UntimedPlacement, keys_of
from pulse_plugins.core.wire.stream_messages import Transcript

_HAS_WORD = re.compile(r"\w")


class Assembled(msgspec.Struct, frozen=True):
    """What follows from one message.

    Attributes:
        events: For the owner of the stream, in order.
        ack: Offset before which no audio need be heard again, or None.
    """

    events: tuple[Event, ...] = ()
    ack: int | None = None


class TranscriptAssembler:
    """Assembles the transcript of one stream from the messages of its connections.

    Args:
        in_force: The options.
        buffer: The audio.
        encoding: Of the audio in the buffer.

    Attributes:
        requests: The finalize requests.
        energy: The loudness of the audio.
        owed: What the server still has to send.
    """

    def __init__(self, in_force: OptionsInForce, buffer: ReplayBuffer, encoding: str) -> None:
        self.requests = FinalizeRequests()
        self.energy = Energy(buffer, encoding)
        self._in_force = in_force
        self._buffer = buffer
        self._finals = FinalBuilder(in_force)
        self._coverage = Coverage(buffer, self.energy)
        self._delivered = DeliveredWords()
        self._timed = TimedPlacement(self._delivered)
        self._untimed = UntimedPlacement(self._delivered)
        self._words_since_answer = False
        self._heard = HeardAudio(buffer)
        self._interim = interim = OpenInterim(buffer, self.energy, self._heard)
        self.owed = Owed(buffer, self.energy, self._coverage, self.requests, interim)
        self._cut = CutWord(buffer, self.energy, self.requests, self._delivered)
        self._repetitions = Repetitions(
            buffer,
            self.energy,
            self._coverage,
            self.requests,
            self._delivered,
            self._cut,
            self._heard,
            self._finals,
        )

    # Messages.

    def interim(self, said: str, session_id: str | None, now: float) -> Interim | None:
        """An interim with this text came; returns its new words, or None when there are none."""
        if not _HAS_WORD.search(said):
            return None
        if not (text := self._repetitions.new_in_interim(said, now)):
            return None
        grows = len(text) > len(self._interim.text)
        if not (is_again := self._interim.is_again(text)):
            self._interim.came(text, self._repetitions.after_last, now)
        self.energy.learn_shown(self._coverage.start, self._sent)
        self._untimed.message_came(self._sent, now)
        if self.requests.waiting:
            self._reconsider(now, grows=grows)
        return None if is_again else Interim(text, self._delivered.until, session_id or "")

    def final(self, message: Transcript, clock: ConnectionClock, now: float) -> Assembled:
        """A final came.

        Args:
            message: The final.
            clock: Of the connection.
            now: The session's clock.
        """
        sent, shown = self._sent, self._interim.text
        self._untimed.message_came(sent, now)
        text = message.text if _HAS_WORD.search(message.text) else ""
        self._cut.stretch()
        # The answer to a request may repeat a final. A server that owes an answer for longer than
        # this is replaced.
        within = self._in_force.options.timeouts.stall
        again = message.is_last or self._repetitions.may_repeat(now, within)
        words = self._timed.words(message.words, clock, sent, may_repeat=again) if text else None
        placed = self._place(message, text, words, now)
        if text:
            self._interim.text = ""
            self._repetitions.final_came(text, timed=placed.timed, now=now)
            self._coverage.final_came(timed=placed.timed, sent=sent)
        if placed.timed:
            self._heard.reaches(placed.end, now)
        if placed.text:
            self._words_since_answer = True
            self.energy.learn(placed.start, placed.end if placed.timed else sent)
        self._coverage.reaches(placed.end if placed.timed else placed.ack)
        waiting = self.requests.waiting
        facts = FinalFacts(
            marked=self._is_marked(message, placed),
            last=message.is_last,
            empty=not text,
            doubtful=bool(waiting)
            and self._coverage.lacks_words(waiting[0].mark, has_interim=bool(self._interim.text)),
            repeated=placed.repeated,
            timed=placed.timed,
            first_word=self._buffer.offset(words[0].start) if words else None,
        )
        if facts.empty and not facts.last and self._takes_interim_back():
            self._interim.text = ""
            self.energy.forget_shown()
        left = self._left_before(waiting[0].mark) if waiting else 0.0
        sure = message.is_last or (facts.marked and self.requests.is_only_one)
        answer = self.requests.on_final(facts, left) or self._covered()
        ack = self._ack(placed, answer, words, sure)
        if answer is not None and sure:
            self._heard.reaches(self._buffer.seconds(answer.mark), now)
        if answer is not None or facts.marked:  # a marked one may answer a request that is given up
            self._repetitions.answered(now)
        if self.requests.waiting:
            self._reconsider(now, facts, grows=bool(placed.text))
        request_id = None if answer is None else answer.request_id
        events: list[Event] = []
        if shown and not (placed.text or self._interim.text):
            events.append(Interim("", self._delivered.until, message.session_id or ""))
        if placed.text or request_id is not None:
            events.append(self._finals.of_message(message, placed, clock, request_id))
        return Assembled(tuple(events), ack)

    # Requests.

    def request(self) -> tuple[int, Assembled]:
        """The owner asks for the words of all audio so far; returns the id and what follows."""
        request_id = self.requests.add(self._buffer.end)
        answer = self._covered()
        return request_id, Assembled(() if answer is None else (self._empty(answer),))

    def sent(self, request: Request, now: float) -> None:
        """A request was sent: decide how long to wait for its answer."""
        heard_at = self._heard.hears(self._buffer.seconds(request.mark), now)
        self.requests.sent(request, now, self._patience(request.mark), heard_at)

    def expire(self, now: float) -> Assembled:
        """Answer the requests whose answer is overdue with the text so far."""
        events: list[Event] = []
        while (request := self.requests.overdue(now)) is not None:
            if self._may_be_stalled(request, now):
                break
            is_open = self._interim.text and self._left_before(request.mark) >= SHORTEST_SPEECH
            if request.has_text and not is_open:  # quiet after the final: it was the answer
                self._coverage.reaches(self.energy.word_start(self._buffer.seconds(request.mark)))
            promotes = is_open and not self._is_spoken_after(request.mark)
            told = request.has_text or self._words_since_answer
            is_missing = not (told or self._coverage.ends_early(request.mark))
            answer = self.requests.completed(request)
            if answer.request_id is not None:
                empty = self._empty(answer, promoted=is_missing)
                events.append(self._promoted(answer) if promotes else empty)
            self._words_since_answer = False
        return Assembled(tuple(events))

    # The life of connections.

    def connection_changed(self, language: str, now: float) -> None:
        """Another connection is asked for this language code and sent the buffer from its start."""
        start = self._buffer.seconds(self._buffer.start)
        self._finals.language = language
        self.requests.connection_changed()
        self._delivered.connection_changed(start, language)
        self._timed.connection_changed(start)
        self._untimed.connection_changed()
        self._repetitions.connection_changed()
        self._interim.connection_changed()
        self._heard.connection_changed(now)

    def end(self) -> tuple[Event, ...]:
        """No more text will come: answer every request with the text so far."""
        answer = self.requests.answer_all()
        events: tuple[Event, ...] = ()
        if self._interim.text:
            events = (self._promoted(answer or Answer(None, self._buffer.end)),)
        elif answer is not None and answer.request_id is not None:
            events = (self._empty(answer),)
        # No final will replace promoted interims.
        self._coverage.reaches(self._interim.promoted_until)
        return events

    # Parts.

    @property
    def _sent(self) -> float:
        return self._buffer.seconds(self._buffer.next_offset)

    def _takes_interim_back(self) -> bool:
        """Whether an empty final shows that the interim told a noise."""
        recent = self._sent - self._in_force.options.timeouts.finalize
        mark = self.requests.mark_of_empty(self._buffer.offset(recent))
        return mark is None or not self._is_spoken_after(mark)

    def _is_spoken_after(self, mark: int) -> bool:
        """Whether the caller went on after a mark, so that the interim may be of newer words."""
        return self.energy.certain(self._buffer.seconds(mark), self._sent) >= SHORTEST_WORD

    def _may_be_stalled(self, request: Request, now: float) -> bool:
        """Whether the server fell silent in the middle of speech; postpones the deadline then.

        Half a turn would be delivered. If the connection is stalled, another one is asked again.
        """
        owes = self._words_since_answer and self._coverage.owes_words(request.mark, answers=False)
        lacks = owes or self._interim.lacks_words(self._buffer.seconds(request.mark))
        is_silent = lacks and not request.has_text and request.told_at < (request.sent_at or now)
        timeouts = self._in_force.options.timeouts
        deadline = request.heard_at + timeouts.stall + timeouts.finalize
        if not is_silent or now >= deadline:
            return False
        request.deadline = deadline
        return True

    def _left_before(self, mark: int) -> float:
        return self._coverage.left_before(mark, has_interim=bool(self._interim.text))

    def _is_marked(self, message: Transcript, placed: Placed) -> bool:
        tells = message.from_finalize and not self.requests.marks_others
        return tells and not self._repetitions.is_answer_again(message, placed)

    def _patience(self, mark: int) -> float:
        """Seconds to wait for the answer to a request."""
        if self._left_before(mark) < SHORTEST_SPEECH:
            return GRACE
        seconds = self._in_force.options.timeouts.finalize
        is_said = self._words_since_answer and not (
            self._interim.text or self.requests.server_marks
        )
        if is_said and self._coverage.ends_early(mark):
            return min(self.requests.answer_seconds, seconds)
        return seconds

    def _covered(self) -> Answer | None:
        """Complete the requests before whose marks every word was delivered.

        Words must have come since the last answer, or no audio: a caller may speak too softly.
        """
        answer = None
        while self.requests.waiting:
            request = self.requests.waiting[0]
            if not (self._buffer.start >= request.mark or self._words_since_answer):
                break
            if self._left_before(request.mark) >= SHORTEST_SPEECH:
                break
            newest = self.requests.completed(request, flushes=self._buffer.start < request.mark)
            if newest.request_id is not None or answer is None:
                answer = newest
        return answer

    def _reconsider(self, now: float, final: FinalFacts | None = None, *, grows: bool) -> None:
        mark, seconds = self.requests.waiting[0].mark, self._in_force.options.timeouts.finalize
        left, early = self._left_before(mark), self._coverage.ends_early(mark)
        patience = seconds if left >= SHORTEST_SPEECH else GRACE
        self.requests.reconsider(
            left,
            now,
            patience=patience,
            heard_at=self._heard.hears(self._buffer.seconds(mark), now),
            grows=grows and not self._is_spoken_after(mark),
            final=final,
            ends_early=early,
        )

    def _place(
        self, message: Transcript, text: str, words: list[Word] | None, now: float
    ) -> Placed:
        if words is not None:
            return self._timed.place(words, text, self._finals.gap)
        until, sent = self._delivered.until, self._sent
        if not text:
            return Placed("", (), until, until, 0.0)
        if self._repetitions.is_repeated(text, now, last=message.is_last):
            return Placed("", (), until, until, 0.0, repeated=True)
        held, mark = self._buffer.seconds(self._buffer.start), inf
        request = self.requests.oldest()
        if request is not None and message.from_finalize and self.requests.is_only_one:
            mark = self._buffer.seconds(request.mark)
        return self._untimed.place(text, self._finals.language, held, sent, mark, now)

    def _ack(
        self, placed: Placed, answer: Answer | None, words: list[Word] | None, sure: bool
    ) -> int:
        """Offset before which no audio need be heard again.

        `sure` says that the final can only be the answer to this request. Otherwise only its words
        are acked, as it may be the answer to an older request and soft words look like silence.
        """
        acked = placed.ack
        # The final may leave out a word that goes on up to the mark, or to where the input paused.
        mark = self._sent if answer is None else self._buffer.seconds(answer.mark)
        if words is None and mark - self.energy.word_end(acked) < SHORTEST_WORD:
            acked = min(acked, self.energy.word_start(acked))
        if words:
            acked = min(acked, self._cut.keep_from(words[-1].end, new=bool(placed.text)))
        if answer is not None and answer.request_id is not None:  # the session's own may cut a word
            self._words_since_answer = False
            if not sure:
                return self._buffer.offset(acked)
            word_start = self.energy.word_start(mark)
            self._coverage.reaches(word_start)
            # The audio of words that the final leaves out is kept: a server may mark a final that
            # it cut before the request came.
            if not (words and self._coverage.leaves_words_out(acked, word_start)):
                acked = max(acked, word_start)
        return self._buffer.offset(acked)

    def _promoted(self, answer: Answer) -> Final:
        """Make a final of the newest interim, because the server has sent none."""
        start, held = self._delivered.until, self._buffer.seconds(self._buffer.start)
        end = max(start, self._buffer.seconds(answer.mark))
        text, until = self._interim.promote(end)
        self._delivered.add_promoted(keys_of(text, self._finals.language), held, until)
        return self._finals.of_request(text, start, end, answer.request_id, promoted=True)

    def _empty(self, answer: Answer, *, promoted: bool = False) -> Final:
        self._words_since_answer = False
        at = self._delivered.until
        return self._finals.of_request("", at, at, answer.request_id, promoted=promoted)
