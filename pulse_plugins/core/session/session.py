"""The sans-I/O stream: which connections are wanted, what goes out next, and what has happened.

In: `start`, `queue`, `audio`, `finalize`, `update`, `end`, `abort`, `connected`, `received`,
`disconnected`, `advance`; each takes `now`, seconds of any steady clock. Out, pulled by the
driver: `take_commands`, `next_outgoing`, `events`, `next_deadline`. No socket, no await, no
clock. A loss only moves the timeline's cursor back: replay is not a special path, and a finalize
is a mark that goes out again, after its audio, by itself.

    IDLE ─queue→ QUEUED ─start→ CONNECTING
    IDLE ─start→ CONNECTING ─connected→ OPEN ─disconnected→ WAITING ─advance→ CONNECTING
                     └──────disconnected──────────→ WAITING     │
                 OPEN ─closed with 1000, nothing open→ DORMANT ─audio→ CONNECTING
                 any ─no way on, or ended→ CLOSED
"""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import replace
from random import Random

from pulse_plugins.core.audio.formats import silence
from pulse_plugins.core.audio.replay_buffer import AudioCount, Timeline
from pulse_plugins.core.base.errors import (
    ConfigurationError,
    ConnectTimeoutError,
    PulseError,
    QueueTimeoutError,
    RateLimitError,
    RegionError,
    RequestRejectedError,
    ServerError,
    StalledError,
    from_close,
)
from pulse_plugins.core.base.events import (
    Admitted,
    AudioLost,
    Connected,
    Disconnected,
    Event,
    MessageIgnored,
    OptionsApplied,
    OptionsRefused,
    Queued,
    Reconnecting,
    Recovered,
)
from pulse_plugins.core.config.encodings import buffer_rate
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.session.backoff import Backoff
from pulse_plugins.core.session.connection import CloseLink, Link, OpenLink, Switch
from pulse_plugins.core.session.endpoint_health import Endpoints
from pulse_plugins.core.session.reconnect import Outage
from pulse_plugins.core.session.stall import Watchdog
from pulse_plugins.core.transcript.assembler import Recognition
from pulse_plugins.core.wire.stream_messages import (
    ErrorReport,
    Pong,
    SpeechMark,
    Transcript,
    Unreadable,
    parse,
)

_KEEPALIVE_SILENCE = 0.1  # seconds
_PROVEN = 5.0  # a connection that lived this long has worked, even if nothing was said
_LONG = 30.0  # one that understood speech for so long was not refused for its options
_IDLE = 2.5  # nobody closes an idle connection sooner
_STEADY = 1.0  # one that has worked and lived shorter may be one of many that do


class State(enum.Enum):
    """Where the stream is; see the picture above."""

    IDLE = "idle"
    QUEUED = "queued"
    CONNECTING = "connecting"
    OPEN = "open"
    WAITING = "waiting"
    DORMANT = "dormant"
    CLOSED = "closed"


_OPEN = State.OPEN  # an enum is slow to ask for its members


class Session:
    """One stream over as many connections as it takes.

    Args:
        options: What is asked of the service.
        random: For the jitter of delays.
        endpoints: What is known of the base URLs; by default nothing.
    """

    def __init__(
        self, options: PulseOptions, random: Random, endpoints: Endpoints | None = None
    ) -> None:
        self.options = options
        self.state = State.IDLE
        self.error: PulseError | None = None
        rate, align = buffer_rate(options.encoding, options.sample_rate)
        self.timeline = Timeline(
            bytes_per_second=rate,
            align=align,
            packet_bytes=rate * options.packet_ms // 1000,
            limit=int(rate * options.limits.replay_seconds),
        )
        self.events: deque[Event] = deque()  # what has happened, for the driver to take
        self.commands: list[OpenLink | CloseLink] = []  # connections to open and close, likewise
        self._recognition = Recognition(options, self.timeline, self.events)
        self._random = random
        self._outage = Outage(options.retry, random)
        self._watchdog = Watchdog(options.timeouts.stall)
        self._link: Link | None = None
        self._switch: Switch | None = None
        self._former: PulseOptions | None = None  # before those that no connection was made with
        self._last_link = 0
        self._endpoints = endpoints or Endpoints()
        self._other_regions: set[str] = set()  # base URLs that do not serve the language
        self._failed_url: str | None = None  # of the last try, until a connection is open
        self._failure: PulseError | None = None  # why, until then
        self._doubted = False  # a rejection was taken for a failure of the server
        self._had_its_say = False  # the last server closed in good order after our goodbye
        self._ending = False
        self.close_seconds = options.timeouts.close  # what `end` may take
        self._close_by = self._close_at_last = 0.0
        self._queued_at = 0.0
        self.sent_bytes = 0
        self.replayed_bytes = 0
        self.silence_bytes = 0

    # What the owner asks.

    def start(self, now: float) -> None:
        """Begin to connect; audio may come before or after."""
        if self.state is State.QUEUED:
            self.events.append(Admitted(now - self._queued_at))
            self._connect(now)
        elif self.state is State.IDLE:
            self._connect(now)

    def queue(self, ahead: int, now: float) -> None:
        """Stand in line until `start`, behind `ahead` others; audio may come meanwhile."""
        self.state = State.QUEUED
        self._queued_at = now
        self.events.append(Queued(ahead))

    def audio(self, data: bytes, now: float) -> bool:
        """Add audio on the wire's encoding, whole samples; returns whether a packet is ready."""
        ready = self.timeline.append(data)
        if ready and self.state is State.DORMANT:
            self._connect(now)
        return ready

    def finalize(self, now: float) -> int:
        """Ask for the words of all audio so far; returns the request's id."""
        request_id = self._recognition.request()
        if self.state is State.DORMANT and not self._recognition.turns.is_answered:
            self._connect(now)
        return request_id

    def update(self, options: PulseOptions, now: float) -> None:
        """Go on with other options: make the new connection before the old one is let go.

        Raises:
            ConfigurationError: The bytes on the wire would change; the text says so.
        """
        if (options.encoding, options.sample_rate) != (
            self.options.encoding,
            self.options.sample_rate,
        ):
            raise ConfigurationError(
                "encoding and sample_rate cannot change in a live stream: open another stream"
            )
        if self._switch is not None:
            if options.same_connection(self._switch.options):
                self._switch.options = options
                return
            self._drop_switch()
        if options.same_connection(self.options) or self._ending:
            self._adopt(options)
        elif self.state is State.OPEN:
            retry = replace(options.retry, first_seconds=0.0)  # the old connection listens on
            self._switch = Switch(options, Backoff(retry, self._random))
            self._open_standby(now)
        else:
            if self.state not in (State.IDLE, State.QUEUED):
                self._former = self._former or self.options
            self._adopt(options)
            if self._link is not None:  # it is still connecting: nothing was sent on it
                self._close(self._link)
                self._connect(now)

    def end(self, now: float) -> None:
        """No more audio will come: get the last words, then close."""
        if self._ending or self.state is State.CLOSED:
            return
        self._ending = True
        self.timeline.seal()
        held = self.timeline.seconds(self.timeline.end - self.timeline.start)
        # All that is held may have to be sent yet, and again if the connection is lost.
        self._close_by = now + self.options.timeouts.close + held / self.options.replay_speed
        self.close_seconds = 2 * self.options.timeouts.close + held  # as slowly as it was spoken
        self._close_at_last = now + self.close_seconds
        self._drop_switch()
        if self._is_all_heard() and (self.state is not State.OPEN or self.timeline.end == 0):
            self._finish()
        elif self.state in (State.IDLE, State.DORMANT):
            self._connect(now)
        elif self.state is State.WAITING:
            self._outage.hurry(now)

    def abort(self) -> None:
        """End at once; what is not delivered is given up."""
        if self.state is not State.CLOSED:
            self._shut(self.timeline.cursor)  # who ends it like this does not want the rest

    # What happens to connections.

    def connected(self, link_id: int, now: float, seconds: float = 0.0) -> None:
        """A connection that was asked for is open; the handshake took `seconds`."""
        link = self._find(link_id)
        if link is None:
            return
        link.open(now)
        if link is not self._link:
            self._begin_switch(now)
            return
        failed_over = self._failed_url not in (None, link.url)
        self._failed_url = self._failure = None
        self.events.append(Connected(self._outage.attempt, seconds, link.url, failed_over))
        self.state = State.OPEN
        self._begin(link, now)

    def received(self, link_id: int, data: str | bytes, now: float) -> None:
        """A message came."""
        link = self._find(link_id)
        if link is None or not link.is_open:
            return
        if not link.worked and link is self._link and now - link.opened_at >= _PROVEN:
            self._worked(link)
        match message := parse(data):
            case Transcript():
                if self._hears(link, now, proof=bool(message.text)):
                    self._said(message, link, now)
            case SpeechMark():
                if self._hears(link, now, proof=True):
                    self._recognition.speech_mark(message, link.clock)
            case Pong():
                self._hears(link, now, proof=False)
            case ErrorReport():
                self._reported(link, message.error, now)
            case Unreadable():
                self.events.append(MessageIgnored(message.reason))

    def disconnected(self, link_id: int, error: PulseError | None, now: float) -> None:
        """A connection is gone, or never came: send again what no final covers, or give up.

        Args:
            link_id: Which one.
            error: Why; None after an orderly close with 1000.
            now: The session's clock.
        """
        link = self._find(link_id)
        if link is None:
            return
        was_open, link.is_open = link.is_open, False
        if link is not self._link:
            self._blame(link, error or from_close(1000), now)
            self._standby_lost(error or from_close(1000), now)
            return
        if was_open:
            self.events.append(Disconnected(error))
            lived = now - link.opened_at
            if lived >= _PROVEN:
                self._worked(link)
            if link.worked and lived >= _STEADY:
                self._outage.was_steady()
        self._link = None
        self._watchdog.rest()
        self._rewind()
        if self._ending and self._is_over(link, error):
            self._finish()  # only the goodbye was lost: every word is here
            return
        had_its_say = was_open and error is None and link.closing_at is not None
        if had_its_say and self._had_its_say:
            self._finish()  # two have heard all, and have nothing more to say
            return
        self._had_its_say = had_its_say or (self._had_its_say and not was_open)
        self._outage.began(now)
        if self._switch is not None:
            if error is not None:
                self._blame(link, error, now)
            self._take_over(now)
            return
        lasted = link.worked or (was_open and now - link.opened_at >= _IDLE)
        if error is None and lasted and not self._has_open_words():
            self.state = State.DORMANT  # an idle close is no failure; audio wakes it up
            self._outage.slept()
            return
        # Refused although reachable: closed before a word came back, or too many of us.
        refused = isinstance(error, RateLimitError) or (was_open and not link.worked)
        self._blame(link, error or from_close(1000), now)
        self._failed_url = link.url
        if isinstance(error, RegionError) and self._has_another_region(link.url):
            self.state = State.WAITING
            self._outage.retry_at = now
            self.events.append(Reconnecting(self._outage.failures, error.code, 0.0, error))
            return
        if self._former is not None and isinstance(error, RequestRejectedError):
            self._go_back(self._former, error, now)
            return
        self._fail_or_wait(error or from_close(1000), now, refused=refused)

    def advance(self, now: float) -> None:
        """Time has passed: whatever was due by `now` happens."""
        if self.state is State.CLOSED:
            return
        if self.state is State.WAITING and now >= self._outage.retry_at:
            self._connect(now)
        if self.state is State.QUEUED and now >= self._queue_ends_at():
            self._fail(
                QueueTimeoutError(
                    f"no place among the {self.options.limits.max_streams} streams that "
                    f"limits.max_streams allows, in {self.options.limits.queue_seconds:g} s"
                )
            )
            return
        self._recognition.expire(now)
        if self._switch is not None:
            self._advance_switch(self._switch, now)
        if self._ending and now >= self._ends_at():
            self._run_out()
        elif self._watchdog.check_at is not None and now >= self._watchdog.check_at:
            self._check(now)

    # What the driver pulls.

    def take_commands(self) -> list[OpenLink | CloseLink]:
        """Connections to open and to close, in order."""
        taken, self.commands = self.commands, []
        return taken

    @property
    def is_calm(self) -> bool:
        """Whether a message can only have brought events.

        Connections are as they were, nothing new is to be sent and no deadline is earlier.
        """
        return (
            self.state is _OPEN
            and not (self._ending or self.commands or self._recognition.turns.waiting)
            and self._switch is None
        )

    def next_outgoing(self, link_id: int, now: float) -> bytes | memoryview | str | None:
        """What goes out on this connection next, or None: nothing, or not yet."""
        link = self._link
        if link is None or link.id != link_id or not link.is_open:
            return None
        turns, timeline = self._recognition.turns, self.timeline
        if turns.waiting:
            request = turns.due(timeline.cursor)
            if request is not None:
                request.sent_at = now
                message = link.options.row.finalize
                if message is not None:
                    link.last_sent_at = now
                    return message
            self._recognition.wait_for_answers()
        if self._switch is not None and self._is_switching:
            return None  # what follows belongs to the next connection
        if timeline.unsent:
            return self._next_packet(link, now) if now >= link.free_at else None
        if self._ending:
            if link.closing_at is None:
                link.closing_at = link.last_sent_at = now
                self._go_on_ending(now)
                return link.options.row.close
            return None
        if now >= link.last_sent_at + self.options.timeouts.keepalive:
            return self._keepalive(link, now)
        return None

    def next_deadline(self) -> float | None:
        """When `advance` (and `next_outgoing`) want to be called next, if nothing else happens."""
        if self.state is State.CLOSED:
            return None
        due = [self._recognition.turns.deadline(), self._watchdog.check_at]
        if self._switch is not None:
            due += (self._switch.retry_at, self._switch.take_over_at)
        if self.state is State.WAITING:
            due.append(self._outage.retry_at)
        elif self.state is State.QUEUED:
            due.append(self._queue_ends_at())
        if self._ending:
            due.append(self._ends_at())
        link = self._link
        if link is not None and link.is_open and not self._is_switching:
            if not self._ending:
                due.append(link.last_sent_at + self.options.timeouts.keepalive)
            if self.timeline.unsent:
                due.append(link.free_at)
        return min([at for at in due if at is not None], default=None)

    @property
    def audio_count(self) -> AudioCount:
        """Where every byte of the stream is."""
        return self.timeline.count

    # Connections, made and lost.

    def _queue_ends_at(self) -> float:
        return self._queued_at + self.options.limits.queue_seconds

    def _find(self, link_id: int) -> Link | None:
        if self._link is not None and self._link.id == link_id:
            return self._link
        standby = self._standby
        return standby if standby is not None and standby.id == link_id else None

    def _open_link(self, options: PulseOptions, now: float) -> Link:
        self._last_link += 1
        urls = [url for url in options.urls if url not in self._other_regions] or options.urls
        url = self._endpoints.choose(urls, options.api_key, now)
        link = Link(self._last_link, options, url)
        self.commands.append(OpenLink(link.id, options, url))
        return link

    def _connect(self, now: float) -> None:
        self.state = State.CONNECTING
        self._link = self._open_link(self.options, now)

    def _close(self, link: Link) -> None:
        link.is_open = False
        self.commands.append(CloseLink(link.id))

    def _adopt(self, options: PulseOptions) -> None:
        self._use(options)
        self.events.append(OptionsApplied(self.timeline.seconds(self.timeline.cursor)))

    def _use(self, options: PulseOptions) -> None:
        self.options = self._recognition.options = options
        self._recognition.transcripts.language = options.language
        self._outage.change(options.retry)
        self._watchdog.change(options.timeouts.stall)
        self._other_regions.clear()

    def _go_back(self, former: PulseOptions, error: PulseError, now: float) -> None:
        """The service refuses options that were changed while there was no connection."""
        self._former = None
        self._use(former)
        self.events.append(OptionsRefused(error))
        self._connect(now)

    def _rewind(self) -> None:
        self.timeline.rewind()
        self._recognition.turns.rewind()
        start = self.timeline.seconds(self.timeline.start)
        self._recognition.transcripts.connection_changed(start)

    def _begin(self, link: Link, now: float) -> None:
        """This connection is the one that listens now, from the oldest held byte on."""
        timeline = self.timeline
        link.begin(timeline.seconds(timeline.start))
        self._report_lost("more audio waited than limits.replay_seconds keeps")
        self._outage.replays(timeline.start, timeline.heard)
        self._watchdog.watch(timeline.start, now)
        self._report_recovery(now)

    def _hears(self, link: Link, now: float, *, proof: bool) -> bool:
        """The server said something on this connection; whether it is the one that listens.

        Args:
            link: The connection.
            now: The session's clock.
            proof: It could say so only because it works: an empty interim comes in any case.
        """
        link.last_heard_at = now
        if link is not self._link:
            return False
        if proof:
            link.understood = True
            if not link.worked:
                self._worked(link)
        return True

    def _said(self, message: Transcript, link: Link, now: float) -> None:
        """An interim or final came on the connection that listens."""
        if message.problems:
            self.events.extend(MessageIgnored(f"field {it}") for it in message.problems)
        if message.text:
            self._watchdog.heard_words()
        self._recognition.transcript(message, link.clock, now)
        if message.is_last and self._ending and link.closing_at is not None:
            self.timeline.settle(self.timeline.end)
            self._finish()
        elif self._switch is not None:
            self._end_switch_if_ready(now)

    def _worked(self, link: Link) -> None:
        if not link.worked:
            link.worked = True
            self._former = None
            self._outage.worked()
            self._endpoints.worked(link.url, link.options.api_key)

    def _blame(self, link: Link, error: PulseError, now: float) -> None:
        """What another server may do better is remembered against this one."""
        if error.retryable:
            key = link.options.api_key
            self._endpoints.failed(link.url, key, now, retry_after=error.retry_after)

    def _has_another_region(self, url: str) -> bool:
        """Whether a base URL is left that has not refused the language; this one has."""
        self._other_regions.add(url)
        return not self._other_regions.issuperset(self.options.urls)

    def _reported(self, link: Link, error: PulseError, now: float) -> None:
        """The server sent an error message; it closes the connection after one (D-LIVE)."""
        if link.worked and self._is_doubtful(error, link, now):
            # It has worked with these very options: the fault is the server's.
            error = ServerError(
                "the service reports an error in mid-stream",
                code="error_message",
                detail=error.detail,
            )
        self.commands.append(CloseLink(link.id))
        self.disconnected(link.id, error, now)

    def _is_doubtful(self, error: PulseError, link: Link, now: float) -> bool:
        """Whether a rejection may be only worded like one; what is soon repeated is meant."""
        if not isinstance(error, RequestRejectedError) or isinstance(error, RegionError):
            return False
        if type(error) is RequestRejectedError and link.understood:
            return True
        if link.understood and now - link.opened_at >= _LONG:
            return True
        doubted, self._doubted = self._doubted, True
        return not doubted

    def _fail_or_wait(self, error: PulseError, now: float, *, refused: bool) -> None:
        most = self.options.timeouts.max_outage
        if self._outage.next_try(error, now, refused=refused, max_outage=most) is None:
            self._fail(error)
            return
        self.state, self._failure = State.WAITING, error
        if self._ending:
            self._outage.hurry(now)
        delay = self._outage.retry_at - now
        self.events.append(Reconnecting(self._outage.failures, error.code, delay, error))

    def _fail(self, error: PulseError) -> None:
        self.error = error
        self._finish()

    def _run_out(self) -> None:
        """The time for the last words is over; without a connection they could not even come."""
        words_missing = self._recognition.may_hold_words(self.timeline.end)
        if self.state is not _OPEN and words_missing and not self._had_its_say:
            self.error = self._failure or ConnectTimeoutError(
                "the input ended and there was no connection in time for the last words"
            )
        self._finish()

    def _finish(self) -> None:
        """Answer what is asked, account for every byte, and close."""
        unsaid = self._recognition.unsaid_from()
        self._recognition.end()
        self._shut(self.timeline.cursor if unsaid is None else unsaid)

    def _shut(self, understood: int) -> None:
        """End.

        Args:
            understood: What speech lies behind this position, nobody has said the words of.
        """
        timeline = self.timeline
        is_quiet = not self._recognition.may_hold_words(timeline.heard)
        timeline.give_up(timeline.heard if is_quiet else understood)
        self._report_lost("the stream ended")
        self._drop_switch()
        if self._link is not None:
            if self._link.is_open:
                self.events.append(Disconnected(self.error))
            self._close(self._link)
        self._link = None
        self._watchdog.rest()
        self.state = State.CLOSED

    def _report_lost(self, reason: str) -> None:
        seconds = self.timeline.seconds
        for start, end in self.timeline.take_lost():
            self.events.append(AudioLost(seconds(start), seconds(end - start), reason))

    def _report_recovery(self, now: float) -> None:
        """Once all that was held is out again, the outage is over."""
        recovered = self._outage.recovered(self.timeline.cursor, now)
        if recovered is not None:
            outage, replayed = recovered
            self.events.append(Recovered(outage, self.timeline.seconds(replayed)))

    # Another connection for other options, before the old one is let go.

    @property
    def _standby(self) -> Link | None:
        return self._switch.link if self._switch is not None else None

    @property
    def _is_switching(self) -> bool:
        """Whether the new connection is open and waits for the old one's last words."""
        return self._switch is not None and self._switch.take_over_at is not None

    def _open_standby(self, now: float) -> None:
        assert self._switch is not None
        self._switch.retry_at = None
        self._switch.link = self._open_link(self._switch.options, now)

    def _drop_switch(self) -> None:
        if self._standby is not None:
            self._close(self._standby)
        self._switch = None

    def _begin_switch(self, now: float) -> None:
        assert self._switch is not None
        self._switch.take_over_at = now + self.options.timeouts.switch
        cursor = self.timeline.cursor
        if self.options.row.finalize is not None and self._recognition.is_speech_open(cursor):
            self._recognition.turns.request_own(cursor)
        self._end_switch_if_ready(now)

    def _advance_switch(self, switch: Switch, now: float) -> None:
        if switch.retry_at is not None and now >= switch.retry_at:
            self._open_standby(now)
        elif switch.take_over_at is not None and now >= switch.take_over_at:
            self._take_over(now)
        else:
            self._end_switch_if_ready(now)

    def _end_switch_if_ready(self, now: float) -> None:
        if self._is_switching and self._recognition.turns.is_answered_until(self.timeline.cursor):
            self._take_over(now)

    def _take_over(self, now: float) -> None:
        """The new options are in force, for what no final covers and all that follows."""
        switch, self._switch = self._switch, None
        assert switch is not None
        old, self._link = self._link, switch.link
        if old is not None:
            self._close(old)
            self._watchdog.rest()
            self._rewind()
        self._former = self._former or self.options
        self._adopt(switch.options)
        if self._link is None:
            self._connect(now)
        elif not self._link.is_open:
            self.state = State.CONNECTING
        else:
            if old is None:
                self.events.append(Connected(self._outage.attempt, 0.0, self._link.url))
            self.state = State.OPEN
            self._begin(self._link, now)

    def _standby_lost(self, error: PulseError, now: float) -> None:
        """The old connection goes on to listen while the new one is tried again."""
        switch = self._switch
        assert switch is not None
        switch.link = switch.take_over_at = None
        slow = isinstance(error, RateLimitError)
        delay = switch.backoff.next(slow=slow, retry_after=error.retry_after)
        if error.retryable and delay is not None:
            switch.retry_at = now + delay
        else:
            self._switch = None
            self.events.append(OptionsRefused(error))

    # The flow of audio.

    def _next_packet(self, link: Link, now: float) -> bytes | memoryview:
        timeline = self.timeline
        at, heard = timeline.cursor, timeline.heard
        packet = timeline.next_packet()
        size = len(packet)
        link.sent_bytes += size
        link.spend(now, size / timeline.bytes_per_second)
        self.sent_bytes += size
        if at < heard:
            self.replayed_bytes += min(size, heard - at)
        if self._ending:
            self._go_on_ending(now)
        if self._outage.is_on:
            self._report_recovery(now)
        return packet

    def _keepalive(self, link: Link, now: float) -> bytes | str:
        """Where the dialect has no word for it, a little silence keeps the connection warm."""
        link.last_sent_at = now
        message = link.options.row.keepalive
        if message is not None:
            return message
        quiet = silence(
            self.options.encoding if self.options.encoding in _PLAIN else "linear16",
            self.options.sample_rate,
            _KEEPALIVE_SILENCE,
        )
        link.clock.inserted(self.timeline.seconds(link.sent_bytes), _KEEPALIVE_SILENCE)
        link.sent_bytes += len(quiet)
        self.silence_bytes += len(quiet)
        return quiet

    def _check(self, now: float) -> None:
        """Twice per stall time: is the server alive, and what need not be kept any longer?"""
        link = self._link
        assert link is not None
        if self._watchdog.is_dead(link, self.timeline.cursor, self._recognition, now):
            self.commands.append(CloseLink(link.id))
            error = StalledError("speech was sent and the server has said nothing for too long")
            self.disconnected(link.id, error, now)
            return
        self._recognition.release_old()

    # The end.

    def _has_open_words(self) -> bool:
        recognition = self._recognition
        return not recognition.turns.is_answered or recognition.is_speech_open(self.timeline.end)

    def _is_all_heard(self) -> bool:
        """Whether nothing held could bring another word."""
        recognition, end = self._recognition, self.timeline.end
        unheard = end > self.timeline.heard
        return not unheard and recognition.turns.is_answered and not recognition.may_hold_words(end)

    def _is_over(self, link: Link, error: PulseError | None) -> bool:
        if link.closing_at is not None and error is None:
            return not self._recognition.is_speech_open(self.timeline.end)
        return link.closing_at is not None and self._is_all_heard()

    def _go_on_ending(self, now: float) -> None:
        """Something more went out: its words need time too, within bounds."""
        going_on = now + self.options.timeouts.close
        self._close_by = min(max(self._close_by, going_on), self._close_at_last)

    def _ends_at(self) -> float:
        """When to stop waiting for the last words."""
        link = self._link
        if link is None or link.closing_at is None or self._has_open_words():
            return self._close_by
        quiet_since = max(link.closing_at, link.last_heard_at)
        return min(self._close_by, quiet_since + self.options.timeouts.close_grace)


_PLAIN = frozenset({"linear16", "linear32", "mulaw", "alaw"})
