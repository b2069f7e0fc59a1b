"""Finalize requests: what each waits for, what answers it, and until when.

Requests are marks in the timeline and are answered in order. A request that is outstanding when
a connection is lost is asked again after the replay, at the same place in the audio.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import inf
from typing import Final

_MOMENT: Final = 0.4  # seconds; what was on its way when an answer left is here by then
_TOO_SOON: Final = 0.5  # of the time that the answer before took


@dataclass(slots=True)
class Request:
    """One finalize: everything before `mark` (a timeline position) is asked for.

    Attributes:
        id: What the owner was given, or None for one of the session's own; requests at one mark
            share a message on the wire.
        sent_at: When this connection was asked, on the session's clock; None: not yet.
        deadline: When to stop waiting, on the session's clock; None while that is not decided.
        doubted: A final came that may have been the answer.
    """

    id: int | None
    mark: int
    sent_at: float | None = None
    deadline: float | None = None
    doubted: bool = False


class Turns:
    """The requests that wait for their answer.

    Attributes:
        waiting: Oldest first.
    """

    def __init__(self) -> None:
        self.waiting: deque[Request] = deque()
        self._last_id = 0
        self.late = 0  # sent and given up: their answers may still come on this connection
        self.flag_seen = False  # this server marks its answers with from_finalize
        self.answers_empty: bool | None = None  # whether it answers when nothing is pending
        self._answered_at = -inf
        self._took = 0.0  # seconds, from the newest request that was answered to its answer

    def request(self, mark: int) -> int:
        """Ask for everything before `mark`; returns the request's id."""
        self._last_id += 1
        newest = self.waiting[-1] if self.waiting else None
        if newest is not None and newest.mark == mark:
            newest.id = self._last_id  # nothing was said in between: one answer serves both
        else:
            self.waiting.append(Request(self._last_id, mark))
        return self._last_id

    def request_own(self, mark: int) -> None:
        """Ask for everything before `mark`, the audio sent so far, on the session's behalf."""
        for index, waiting in enumerate(self.waiting):
            if waiting.mark == mark:
                return
            if waiting.mark > mark:
                self.waiting.insert(index, Request(None, mark))
                return
        self.waiting.append(Request(None, mark))

    @property
    def is_answered(self) -> bool:
        """Whether nothing is waited for."""
        return not self.waiting

    def is_answered_until(self, mark: int) -> bool:
        """Whether no request at or before `mark` waits."""
        return not self.waiting or self.waiting[0].mark > mark

    def oldest(self) -> Request | None:
        """The request whose answer is due first, if it was sent."""
        if self.waiting and self.waiting[0].sent_at is not None:
            return self.waiting[0]
        return None

    @property
    def is_certain(self) -> bool:
        """Whether an answer that comes now can only be that of the oldest request.

        A server that says nothing to an empty request leaves open which of several it answers.
        """
        if self.late:
            return False
        if self.answers_empty:
            return True
        return len(self.waiting) < 2 or self.waiting[1].sent_at is None

    def is_too_soon(self, request: Request, now: float) -> bool:
        """Whether a final comes much sooner after this request than the newest answer did."""
        return request.sent_at is not None and now - request.sent_at < _TOO_SOON * self._took

    def was_answered(self, now: float) -> bool:
        """Whether the server answered one at this moment."""
        return now - self._answered_at < _MOMENT

    def newest(self) -> Request | None:
        """The request that was sent last."""
        return next((r for r in reversed(self.waiting) if r.sent_at is not None), None)

    def due(self, cursor: int) -> Request | None:
        """The next request to send, if all audio before its mark went out."""
        for request in self.waiting:
            if request.sent_at is None:
                return request if request.mark <= cursor else None
        return None

    def addressed(self, position: int | None) -> Request | None:
        """The request that an answer with words from `position` on belongs to.

        Requests that the server passed over are left behind: the next one is answered, or the
        newest of them when no other was sent.
        """
        found = None
        for request in self.waiting:
            if request.sent_at is None:
                break
            found = request
            if position is None or request.mark > position:
                break
        return found

    def answer(self, request: Request, now: float) -> int | None:
        """The server answers this request, and with it all older ones; the newest id, if any."""
        self._took = 0.0 if request.sent_at is None else now - request.sent_at
        self._answered_at = now
        return self._close(request)

    def _close(self, request: Request) -> int | None:
        newest = None
        while self.waiting:
            popped = self.waiting.popleft()
            newest = popped.id if popped.id is not None else newest
            if popped is request:
                break
        return newest

    def give_up(self, request: Request) -> int | None:
        """No answer came in time; one may still come."""
        self.late += not request.doubted
        self._took = 0.0
        return self._close(request)

    def rewind(self) -> None:
        """A new connection was asked nothing yet, and the session's own wishes are void."""
        self.late = 0
        self.waiting = deque(r for r in self.waiting if r.id is not None)
        for request in self.waiting:
            request.sent_at = request.deadline = None
            request.doubted = False

    def answer_all(self) -> int | None:
        """The stream ends: the id of the newest request, which answers all of them."""
        return self._close(self.waiting[-1]) if self.waiting else None

    def deadline(self) -> float | None:
        """When the oldest request is given up."""
        return self.waiting[0].deadline if self.waiting else None
