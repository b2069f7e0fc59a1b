"""Finalize requests: marks in the audio, what answers each, and until when to wait.

Every request is answered exactly once. The evidence, strongest first:

1. `is_last`: the server has nothing more to say. It answers the newest request.
2. `from_finalize`: the server marks the final as an answer. Some servers always mark, some only
   with `itn_normalize`, some never (docs/protocol.md, section 4.3).
3. The words: no possible speech is left before the mark that no final covers. This completes a
   request at once, also on a server that marks; its marked answer then comes late and is dropped.
4. An ordinary final on a server that was never seen to mark. The service cuts finals by word
   count, so such a final may end before the mark. Word times tell (case 3); without them, and where
   only the sound of the last word's end may be left, quiet after the final does (`_QUIET`).
5. Nothing comes until the deadline: the newest interim is promoted.

A request that is outstanding when a connection is lost is sent again on the next connection, after
the audio before its mark.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

import msgspec

from pulse_plugins.core.transcript.coverage import SHORTEST_SPEECH, SHORTEST_WORD

# Seconds to wait for a final that may never come: no speech is left before the mark, but no word
# of this turn was delivered either. The answer of a server that gives one takes about 0.2 s after
# the request; a longer wait delays the end of each turn without words.
GRACE: Final = 0.3
# Seconds without text after which a server that does not mark answers has sent the whole answer, if
# its words do not tell. No document says how far apart the parts of an answer are. Shorter: a
# second part comes after the answer. Longer: each turn on such a server ends later.
_QUIET: Final = 0.3
# Seconds that the first unmarked answer may take: the service's finals take 0.53 s in 95 of 100
# cases and 1.6 s in 99 (docs/protocol.md, section 9, point 6). Less: a final that was cut by word
# count before the request is taken for the answer. More: the end of the first turn is later.
_FIRST_ANSWER: Final = 1.0
# Marks. After an outage the requests of all its turns go out at once: two minutes, 2 s a turn.
_REMEMBERED: Final = 64


@dataclass(slots=True)
class Request:
    """One finalize: everything before `mark` is asked for.

    Attributes:
        id: What the owner was given, or None for a request of the session's own.
        mark: Offset in the replay buffer.
        sent_at: When this connection was asked, on the session's clock; None: not yet.
        heard_at: When the server has heard all audio before the mark, at the latest. A replay is
            sent faster than a server may read it.
        told_at: When the server told more of the words before the mark.
        deadline: When to stop waiting, on the session's clock; None until it was sent.
        has_text: An unmarked final came since, which may be the answer.
        has_empty: So did an empty one, which may be the answer.
    """

    id: int | None
    mark: int
    sent_at: float | None = None
    heard_at: float = 0.0
    told_at: float = 0.0
    deadline: float | None = None
    has_text: bool = False
    has_empty: bool = False


class Answer(msgspec.Struct, frozen=True):
    """The requests that were completed together.

    Attributes:
        request_id: The newest request of the owner that is answered, with all older ones; None
            when there were only the session's own.
        mark: Everything before this offset was asked for.
    """

    request_id: int | None
    mark: int


class FinalFacts(msgspec.Struct, frozen=True):
    """The facts about a final from which its answer follows.

    Attributes:
        marked: `from_finalize` is set.
        last: `is_last` is set.
        empty: It has no text.
        doubtful: Words are to be expected before the oldest mark.
        repeated: Its words had been delivered before.
        timed: Its words have times.
        first_word: Offset at which its first word starts, or None.
    """

    marked: bool = False
    last: bool = False
    empty: bool = False
    doubtful: bool = False
    repeated: bool = False
    timed: bool = False
    first_word: int | None = None


class FinalizeRequests:
    """The requests of one stream, oldest first.

    Attributes:
        waiting: Those without an answer.
        answer_seconds: Seconds that an unmarked answer may take, learned from the last one.
        server_marks: The server was seen to set `from_finalize`.
        answers_all: It was seen to answer a request without words, as the service does.
        marks_others: It was seen to set it on a final that no request asked for, so that its marks
            tell nothing.
        sent_marks: Marks of the newest requests that were sent on any connection.
    """

    def __init__(self) -> None:
        self.waiting: deque[Request] = deque()
        self.sent_marks: deque[int] = deque(maxlen=_REMEMBERED)
        self._last_id = 0
        # Marks that were sent and completed without an answer, which may still come.
        self._late: deque[int] = deque(maxlen=_REMEMBERED)
        # Completed before they were sent. The server is asked all the same: it may hold back what
        # it would add to the next segment.
        self._flushes: deque[Request] = deque()
        self.server_marks = False
        self.answers_all = self.marks_others = False
        # How long an unmarked answer may take: learned from the last one.
        self.answer_seconds = _FIRST_ANSWER
        self._was_empty = False  # the newest request was answered by an unmarked empty final
        self._text_after = 0.0  # seconds from the oldest request to the newest text

    # The owner and the wire.

    def add(self, mark: int) -> int:
        """Ask for everything before `mark`; returns the id. Equal marks share one message."""
        self._last_id += 1
        if self.waiting and self.waiting[-1].mark == mark:
            self.waiting[-1].id = self._last_id
        else:
            self.waiting.append(Request(self._last_id, mark))
        return self._last_id

    def add_own(self, mark: int) -> None:
        """Ask for everything before `mark` on behalf of the session; nobody is told the answer."""
        for index, request in enumerate(self.waiting):
            if request.mark >= mark:
                if request.mark > mark:
                    self.waiting.insert(index, Request(None, mark))
                return
        self.waiting.append(Request(None, mark))

    def due(self, next_offset: int) -> Request | None:
        """The next request to send, if all audio before its mark was sent."""
        request = self._next_to_send()
        return None if request is None or request.mark > next_offset else request

    @property
    def next_mark(self) -> int | None:
        """The mark of the next request to send; audio behind it goes out after the request."""
        request = self._next_to_send()
        return None if request is None else request.mark

    def _next_to_send(self) -> Request | None:
        unsent = (each for each in (*self._flushes, *self.waiting) if each.sent_at is None)
        return next(unsent, None)

    def connection_changed(self) -> None:
        """A new connection was asked nothing yet; wishes of the session itself are void."""
        self._late.clear()
        self._flushes.clear()
        self.waiting = deque(request for request in self.waiting if request.id is not None)
        for request in self.waiting:
            request.sent_at = request.deadline = None
            request.has_text = request.has_empty = False

    # Questions.

    @property
    def is_idle(self) -> bool:
        """Whether no request waits."""
        return not self.waiting

    @property
    def has_open(self) -> bool:
        """Whether a request is to be sent or waits for its answer."""
        return bool(self.waiting or self._flushes)

    @property
    def expects_answer(self) -> bool:
        """Whether an answer may be on its way, so that two finals may say the same."""
        return bool(self._late) or self.oldest() is not None

    def mark_of_empty(self, recent: int) -> int | None:
        """The mark of the request that an empty final may answer; None: it can answer none.

        Args:
            recent: Offset of the oldest mark whose late answer may still come.
        """
        if self.waiting:
            return self.waiting[0].mark
        return next((mark for mark in self._late if mark >= recent), None)

    @property
    def is_only_one(self) -> bool:
        """Whether an answer that comes now can only be that of the oldest request.

        A server that says nothing to an empty request leaves open which of several it answers.
        """
        return not self._late and (len(self.waiting) < 2 or self.waiting[1].sent_at is None)

    def is_answered_until(self, mark: int) -> bool:
        """Whether no request at or before `mark` waits."""
        return not self.waiting or self.waiting[0].mark > mark

    def oldest(self) -> Request | None:
        """The request whose answer is due first, if it was sent."""
        first = self.waiting[0] if self.waiting else None
        return first if first is not None and first.sent_at is not None else None

    def deadline(self) -> float | None:
        """When the oldest request is given up."""
        return self.waiting[0].deadline if self.waiting else None

    # Evidence.

    def on_final(self, facts: FinalFacts, left: float) -> Answer | None:
        """A final came. Returns the request that it answers, or None.

        Args:
            facts: About the final.
            left: Seconds of possible speech before the oldest mark that no final covers, the
                present one included.
        """
        if facts.last:
            return self._close(self._newest_sent())
        if facts.marked and self._is_unasked(facts):
            self.marks_others, self.server_marks = True, False
        elif facts.marked:
            self.server_marks, self.answers_all = True, self.answers_all or facts.empty
            return self._close(self._marked(facts, left))
        if self.server_marks or not facts.empty or facts.repeated:
            return None  # the words may complete a request (case 3); this final does not
        if self._late:
            self._late.popleft()
            return None
        request = self.oldest()
        if request is not None and facts.doubtful:  # the server may have ended a noise
            request.has_empty = True
            return None
        self._was_empty = request is not None
        return self._close(request)

    def completed(self, request: Request, *, flushes: bool = False) -> Answer:
        """The words cover everything before this mark: the request needs no other answer.

        Args:
            request: One that waits.
            flushes: It is sent all the same, if it was not yet.
        """
        if request.sent_at is not None:
            if not request.has_empty:
                self._late.append(request.mark)
        elif flushes:
            self._flushes.append(request)
        answer = self._close(request)
        assert answer is not None
        return answer

    def sent(
        self, request: Request, now: float, patience: float, heard_at: float | None = None
    ) -> None:
        """The request went out.

        Args:
            request: One that waits, or that is to be sent all the same.
            now: The session's clock.
            patience: Seconds that are waited for the answer, once the server has heard the audio.
            heard_at: When it has; None: now.
        """
        self.sent_marks.append(request.mark)
        if self._flushes and request is self._flushes[0]:
            self._late.append(self._flushes.popleft().mark)
            return
        request.sent_at = now
        self._was_empty = False
        request.heard_at = now if heard_at is None else heard_at
        request.deadline = request.heard_at + patience

    def reconsider(
        self,
        left: float,
        now: float,
        *,
        patience: float,
        heard_at: float | None = None,
        grows: bool = False,
        final: FinalFacts | None = None,
        ends_early: bool = False,
    ) -> None:
        """Text came: until when is the oldest request still worth waiting for?

        Args:
            left: Seconds of possible speech before its mark that no final covers.
            now: The session's clock.
            patience: Seconds that are waited while speech is left, once the server has heard the
                audio before the mark.
            heard_at: When it has, as far as is known now; None: as was known before.
            grows: The text has more of the words before the mark. The server is still at work.
            final: The final that came; None: it was an interim.
            ends_early: The speech that is left may be the end of the last word.
        """
        request = self.oldest()
        if request is None or request.sent_at is None:
            return
        if heard_at is not None:
            request.heard_at = min(request.heard_at, heard_at)
        request.told_at = now if grows else request.told_at
        request.deadline = longest = max(request.heard_at, request.told_at) + patience
        if final is None or self.server_marks or (final.empty and not request.has_empty):
            return
        if final.repeated and not final.timed:
            return  # the words of a replay were said before the request
        request.has_text = True
        self._text_after = now - request.sent_at
        if final.timed and left < SHORTEST_WORD:
            request.deadline = min(longest, now + GRACE)
        elif not final.timed or ends_early:
            quiet = max(now + _QUIET, request.heard_at + self.answer_seconds)
            request.deadline = min(longest, quiet)

    def overdue(self, now: float) -> Request | None:
        """The oldest request, if its deadline has passed; `completed` gives it up."""
        request = self.oldest()
        if request is None or request.deadline is None or request.deadline > now:
            return None
        if request.has_text:
            # Half as long again: latencies of one connection vary by less than this around the
            # median (docs/protocol.md, section 9, point 6: median 0.40 s, 95th percentile 0.53 s).
            self.answer_seconds = 1.5 * self._text_after
        return request

    def answer_all(self) -> Answer | None:
        """The stream ends: the newest request stands for all of them."""
        return self._close(self.waiting[-1]) if self.waiting else None

    # Parts.

    def _is_unasked(self, facts: FinalFacts) -> bool:
        """Whether a marked final has new words although no answer is due.

        If an unmarked empty final was taken for the answer, the marked one may be the answer.
        """
        is_due = self.waiting or self.expects_answer or self._was_empty
        return not (is_due or facts.empty or facts.repeated)

    def _marked(self, facts: FinalFacts, left: float) -> Request | None:
        """The request that a marked final belongs to, or None: to one that is completed."""
        if facts.first_word is None:
            if self._late and (left >= SHORTEST_SPEECH or self.oldest() is None):
                self._late.popleft()
                return None
            return self.oldest()
        while self._late and self._late[0] <= facts.first_word:
            self._late.popleft()  # the server never answered that one
        if self._late:
            self._late.popleft()
            return None
        return self._addressed(facts.first_word)

    def _addressed(self, position: int) -> Request | None:
        """The first sent request whose mark is behind this position, else the newest sent one.

        A server that says nothing to an empty request passes over it.
        """
        found = None
        for request in self.waiting:
            if request.sent_at is None:
                break
            found = request
            if request.mark > position:
                break
        return found

    def _newest_sent(self) -> Request | None:
        return next((r for r in reversed(self.waiting) if r.sent_at is not None), None)

    def _close(self, request: Request | None) -> Answer | None:
        """Answer this request, which waits, and with it all older ones."""
        if request is None:
            return None
        newest: int | None = None
        closed: Request | None = None
        while closed is not request:
            closed = self.waiting.popleft()
            newest = closed.id if closed.id is not None else newest
        return Answer(newest, request.mark)
