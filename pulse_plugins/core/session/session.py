"""The sans-I/O stream: one caller's audio over as many connections as it takes.

There are four kinds of methods, and a driver calls them in this order:

1. Inputs: `start`, `audio`, `finalize`, `update`, `end`, `abort`, `connected`, `received`,
   `disconnected`, `advance`. Each takes `now`, seconds of a steady clock.
2. `take_commands`: connections to open and to close.
3. `next_outgoing`, for each open connection, until it returns None.
4. `events` to deliver, and `deadlines.next()`: when to call `advance` at the latest.

The session has no rule of its own. It notes facts, asks the part that owns the rule, and carries
out the answer: `assembler` for messages, `verdicts` for lost connections, `reconnect` for when to
try again, `option_switch` for changed options, `closing` for the end, `stall` for silent servers.

    IDLE ─start→ CONNECTING ─connected→ OPEN ─disconnected→ WAITING ─RETRY→ CONNECTING
                     └─────disconnected────────────────────────┘
                 OPEN ─closed with 1000, nothing owed→ DORMANT ─audio→ CONNECTING
                 any  ─every word is here, or no way on→ CLOSED
"""

from __future__ import annotations

import enum
from collections import deque
from random import Random

from pulse_plugins.core.audio.formats import silence
from pulse_plugins.core.audio.replay_buffer import ReplayBuffer
from pulse_plugins.core.base.errors import (
    AccessDeniedError,
    AuthenticationError,
    ConfigurationError,
    ConnectTimeoutError,
    PaymentRequiredError,
    PulseError,
    RegionError,
    ServerError,
    StalledError,
    from_close,
)
from pulse_plugins.core.base.events import (
    AudioLost,
    Connected,
    Disconnected,
    Event,
    MessageIgnored,
    OptionsApplied,
    OptionsRefused,
    Reconnecting,
    Recovered,
    ServerReported,
    SpeechEnded,
    SpeechStarted,
)
from pulse_plugins.core.config.encodings import buffer_rate
from pulse_plugins.core.config.in_force import OptionsInForce
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.session.closing import Closing
from pulse_plugins.core.session.commands import CloseConnection, Command, OpenConnection
from pulse_plugins.core.session.connection import Connection
from pulse_plugins.core.session.deadlines import Deadlines, Timer
from pulse_plugins.core.session.endpoint_health import EndpointHealth
from pulse_plugins.core.session.option_switch import DRAIN_SECONDS, OptionSwitch
from pulse_plugins.core.session.reconnect import Outage, RetryBudget
from pulse_plugins.core.session.stall import LOOK_EVERY, SentHistory, StallDetector
from pulse_plugins.core.session.verdicts import (
    Achieved,
    Ended,
    Phase,
    Verdict,
    how_it_ended,
    verdict,
)
from pulse_plugins.core.transcript.assembler import Assembled, TranscriptAssembler
from pulse_plugins.core.wire.stream_messages import (
    ErrorReport,
    SpeechMark,
    Transcript,
    Unreadable,
    parse,
)

_KEEPALIVE_SILENCE = 0.1  # seconds; what other clients of the service send
# Seconds. Audio that was sent so long ago and in which nothing was recognized is not kept for a
# replay any longer. Ten times the slowest final that was measured (docs/protocol.md, section 9).
_RELEASE_AFTER = 15.0
_PCM = ("linear16", "linear32", "mulaw", "alaw")


class State(enum.Enum):
    """Where the stream is; see the picture above."""

    IDLE = "idle"
    CONNECTING = "connecting"
    OPEN = "open"
    WAITING = "waiting"
    DORMANT = "dormant"
    CLOSED = "closed"


_OPEN = State.OPEN  # a member of an enum is slow to look up


class Session:
    """One stream.

    Args:
        options: What is asked of the service.
        random: For the jitter of delays.
        health: What is known of the base URLs; by default nothing.

    Attributes:
        events: What has happened, for the driver to take.
        deadlines: When `advance` wants to be called.
        error: Why the stream failed for good, or None.
    """

    def __init__(
        self, options: PulseOptions, random: Random, health: EndpointHealth | None = None
    ) -> None:
        self.state = State.IDLE
        self.error: PulseError | None = None
        self.events: deque[Event] = deque()
        self.deadlines = Deadlines()
        self.encoding = options.encoding if options.encoding in _PCM else "linear16"
        self._in_force = in_force = OptionsInForce(options)
        rate, align = buffer_rate(options.encoding, options.sample_rate)
        limit = int(rate * options.limits.replay_seconds)
        self.buffer = ReplayBuffer(bytes_per_second=rate, align=align, limit=limit)
        self._assembler = TranscriptAssembler(in_force, self.buffer, self.encoding)
        self._budget = RetryBudget(in_force, random)
        self._outage = Outage()
        self._stall = StallDetector(in_force, self._assembler.energy)
        self._history = SentHistory()
        self._closing = Closing(in_force)
        self._health = health or EndpointHealth()
        self._commands: list[Command] = []
        self._connection: Connection | None = None
        self._switch: OptionSwitch | None = None
        self._former: PulseOptions | None = None  # in force before those that brought no ack yet
        self._recognizes = False  # the options in force brought text
        self._proven = False  # they brought an ack
        self._last_id = 0
        self._refused_regions: set[str] = set()  # base URLs that do not serve the language
        self._failure: PulseError | None = None  # the newest, until a connection is open
        self._failed_url: str | None = None
        self._keepalive_due = False
        self.sent_bytes = self.replayed_bytes = self.silence_bytes = 0

    @property
    def options(self) -> PulseOptions:
        """The options in force."""
        return self._in_force.options

    @property
    def close_seconds(self) -> float:
        """Seconds that `end` may take."""
        return self._closing.seconds

    # Inputs of the owner.

    def start(self, now: float) -> None:
        """Begin to connect; audio may come before or after."""
        if self.state is State.IDLE:
            self._connect(now)

    def audio(self, packet: bytes, now: float) -> None:
        """Add a packet in the wire's encoding, whole samples."""
        self.buffer.append(packet)
        if self.state is State.DORMANT:
            self._connect(now)

    def finalize(self, now: float) -> int:
        """Ask for the words of all audio so far; returns the request's id."""
        request_id, assembled = self._assembler.request()
        self._apply(assembled)
        if self.state is State.DORMANT and not self._assembler.requests.is_idle:
            self._connect(now)
        self._refresh()
        return request_id

    def update(self, options: PulseOptions, now: float) -> None:
        """Go on with other options; see `option_switch`.

        Raises:
            ConfigurationError: The bytes on the wire would change; the text says so.
        """
        current = self.options
        if (options.encoding, options.sample_rate) != (current.encoding, current.sample_rate):
            raise ConfigurationError(
                "encoding and sample_rate cannot change in a live stream: open another stream"
            )
        if self._switch is not None and options.same_connection(self._switch.options):
            self._switch.options = options
            return
        self._drop_switch()
        if options.same_connection(current) or self._closing.began:
            self._adopt(options)
        elif self.state is _OPEN:
            self._switch = OptionSwitch(options)
            self._open_standby(now)
        else:
            if self.state is not State.IDLE:
                self._former = self._former or current
            self._adopt(options)
            if self._connection is not None:  # it is still connecting: nothing was sent on it
                self._close(self._connection)
                self._connect(now)
        self._refresh()

    def end(self, now: float) -> None:
        """No more audio will come: get the last words, then close."""
        if self._closing.began or self.state is State.CLOSED:
            return
        self._closing.begin(self.buffer.seconds(self.buffer.end - self.buffer.start), now)
        self._drop_switch()
        if not self._owed_at_end() and (self.state is not _OPEN or self.buffer.end == 0):
            self._finish()
        elif self.state in (State.IDLE, State.DORMANT):
            self._connect(now)
        elif self.state is State.WAITING and (at := self.deadlines.at(Timer.RETRY)) is not None:
            self.deadlines.set(Timer.RETRY, now + self._budget.hurried(at - now))
        self._refresh()

    def abort(self) -> None:
        """End at once; audio that was not sent is discarded and not reported as lost."""
        if self.state is not State.CLOSED:
            self._shut(self.buffer.next_offset)

    # Inputs of the network.

    def connected(self, connection_id: int, now: float, seconds: float = 0.0) -> None:
        """A connection that was asked for is open; the handshake took `seconds`."""
        connection = self._find(connection_id)
        if connection is None:
            return
        connection.open(now)
        if connection is not self._connection:
            self._drain(now)
        else:
            failed_over = self._failed_url not in (None, connection.url)
            self._failed_url = self._failure = None
            attempt = self._budget.failures + 1
            self.events.append(Connected(attempt, seconds, connection.url, failed_over))
            self._begin(connection, now)
        self._refresh()

    def received(self, connection_id: int, data: str | bytes, now: float) -> None:
        """A message came."""
        connection = self._find(connection_id)
        if connection is None or not connection.is_open:
            return
        connection.last_heard_at = now
        message = parse(data)
        if isinstance(message, ErrorReport):
            self._report(connection, message.error, now)
        elif connection is not self._connection:
            return  # nothing was sent on it yet, so that it has nothing to say
        elif isinstance(message, Transcript):
            self._transcript(connection, message, now)
        elif isinstance(message, SpeechMark):
            time = self.buffer.seconds(self.buffer.next_offset)
            if message.timestamp is not None:
                time = min(time, connection.clock.to_stream(message.timestamp))
            self.events.append(SpeechStarted(time) if message.started else SpeechEnded(time))
        elif isinstance(message, Unreadable):
            self.events.append(MessageIgnored(message.reason))
        if not self.is_calm:
            self._refresh()

    def disconnected(self, connection_id: int, error: PulseError | None, now: float) -> None:
        """A connection is gone, or could not be made.

        Args:
            connection_id: Which one.
            error: Why; None after an orderly close with 1000.
            now: The session's clock.
        """
        connection = self._find(connection_id)
        if connection is None:
            return
        was_open, connection.is_open = connection.is_open, False
        # A connection that reported an error and went down says with it why.
        reported = connection.reported
        if reported is not None and (error is None or error.retryable):
            error = self._believed(reported)
        self._blame(connection, error, now)
        if connection is not self._connection:
            self._standby_lost(error or from_close(1000), now)
        else:
            ended = how_it_ended(error)
            achieved = self._achieved(connection, ended, was_open)
            if was_open:
                self.events.append(Disconnected(error))
            self._let_go()
            if was_open and achieved in (Achieved.SOME, Achieved.ALL):
                self._budget.progress()
            self._failed_url, self._failure = connection.url, error or from_close(1000)
            decided = verdict(self._phase, ended, achieved)
            self._carry_out(decided, self._failure, connection, now)
        self._refresh()

    def advance(self, now: float) -> None:
        """Time has passed: whatever was due by `now` happens."""
        for timer in self.deadlines.take_due(now):
            if self.state is State.CLOSED:
                return
            match timer:
                case Timer.RETRY:
                    self._connect(now)
                case Timer.OUTAGE:
                    self._fail(self._failure or _no_connection())
                case Timer.ANSWER:
                    self._apply(self._assembler.expire(now))
                case Timer.SWITCH_RETRY:
                    self._open_standby(now)
                case Timer.TAKE_OVER:
                    self._take_over(now)
                case Timer.CLOSE:
                    self._run_out()
                case Timer.STALL:
                    self._look(now)
                case Timer.KEEPALIVE:
                    self._keepalive_due = self._is_idle(now)
                case Timer.PACE:
                    pass  # `next_outgoing` sends what waits
        self._end_drain_if_ready(now)
        self._refresh()

    # Outputs.

    def take_commands(self) -> list[Command]:
        """Connections to open and to close, in order."""
        taken, self._commands = self._commands, []
        return taken

    @property
    def is_calm(self) -> bool:
        """Whether a message can only have brought events: nothing is to be sent or timed anew."""
        return (
            self.state is _OPEN
            and not (self._commands or self._assembler.requests.waiting)
            and self._switch is None
            and not self._closing.began
        )

    @property
    def has_work(self) -> bool:
        """Whether the driver has more to do than to write a packet of live audio."""
        return bool(self.buffer.unsent or self._commands or self.events)

    @property
    def keepalive_due(self) -> bool:
        """Whether a keepalive goes out next, unless audio comes first."""
        return self._keepalive_due

    def next_outgoing(self, connection_id: int, now: float) -> bytes | memoryview | str | None:
        """What goes out on this connection next, or None: nothing, or not yet."""
        connection = self._connection
        if connection is None or connection.id != connection_id or not connection.is_open:
            return None
        buffer = self.buffer
        if self._assembler.requests.waiting:
            while self._assembler.requests.due(buffer.next_offset) is not None:
                self._assembler.sent(now)
                self.deadlines.set(Timer.ANSWER, self._assembler.requests.deadline())
                if (message := connection.options.row.finalize) is not None:
                    connection.last_sent_at = now
                    return message
        if self._switch is not None and self._switch.draining:
            return None  # what follows belongs to the next connection
        if buffer.unsent:
            if now >= connection.free_at:
                return self._next_packet(connection, now)
            self.deadlines.set(Timer.PACE, connection.free_at)
            return None
        if self._closing.began or self._keepalive_due:
            return self._next_control(connection, now)
        return None

    # The flow of audio.

    def _next_packet(self, connection: Connection, now: float) -> bytes | memoryview:
        buffer = self.buffer
        at, high_water = buffer.next_offset, buffer.high_water
        packet = buffer.next_packet()
        size = len(packet)
        connection.spend(now, size, size / buffer.bytes_per_second)
        self.sent_bytes += size
        if at < high_water:
            self.replayed_bytes += min(size, high_water - at)
        if self._keepalive_due:
            self._keepalive_due = False
            self._arm_keepalive(connection)
        if self._closing.began:
            self._closing.sent(now)
            self._refresh()
        if self._outage.is_on:
            self._report_recovery(now)
        return packet

    def _next_control(self, connection: Connection, now: float) -> bytes | str | None:
        """The closing word, or a keepalive where nothing else was sent for some time."""
        row = connection.options.row
        if self._closing.began:
            if connection.closing_at is not None:
                return None
            connection.closing_at = connection.last_sent_at = now
            self._closing.sent(now)
            self._refresh()
            return row.close
        self._keepalive_due = False
        connection.last_sent_at = now
        self._arm_keepalive(connection)
        if row.keepalive is not None:
            return row.keepalive
        # Endpoints without a keepalive message take silence for one (docs/protocol.md, 4.1).
        quiet = silence(self.encoding, self.options.sample_rate, _KEEPALIVE_SILENCE)
        sent = self.buffer.seconds(connection.sent_bytes)
        connection.clock.inserted(sent, _KEEPALIVE_SILENCE)
        connection.sent_bytes += len(quiet)
        self.silence_bytes += len(quiet)
        return quiet

    def _is_idle(self, now: float) -> bool:
        """Whether nothing went out for the time of a keepalive; else look again later."""
        connection = self._connection
        if connection is None or not connection.is_open or self._closing.began:
            return False
        if now >= connection.last_sent_at + self.options.timeouts.keepalive:
            return True
        self._arm_keepalive(connection)
        return False

    def _arm_keepalive(self, connection: Connection) -> None:
        at = connection.last_sent_at + self.options.timeouts.keepalive
        self.deadlines.set(Timer.KEEPALIVE, at)

    # Messages.

    def _transcript(self, connection: Connection, message: Transcript, now: float) -> None:
        if message.problems:
            self.events.extend(MessageIgnored(f"field {name}") for name in message.problems)
        if message.text:
            connection.reported = None  # the server went on after an error
            self._recognizes = True
            self._stall.words_came()
        if not (message.is_final or message.is_last):
            interim = self._assembler.interim(message, now)
            if interim is not None:
                self.events.append(interim)
        else:
            self._apply(self._assembler.final(message, connection.clock, now))
            if message.is_last and connection.closing_at is not None:
                self.buffer.ack(self.buffer.end)
                self._finish()
                return
        if self._switch is not None:
            self._end_drain_if_ready(now)

    def _apply(self, assembled: Assembled) -> None:
        self.events.extend(assembled.events)
        if assembled.ack is None:
            return
        before = self.buffer.start
        self.buffer.ack(assembled.ack)
        connection = self._connection
        if self.buffer.start > before and connection is not None:
            connection.acked = self._proven = True
            self._former = None
            self._budget.progress()
            self._health.worked(connection.url, connection.options.key_for(connection.url))

    def _report(self, connection: Connection, error: PulseError, now: float) -> None:
        """The server reports an error inside the connection.

        Key, credit, access and region end the connection. After any other error the server may go
        on (docs/protocol.md, section 10, N2): it ends when the server closes it or goes silent.
        """
        connection.reported = error
        kinds = (AuthenticationError, PaymentRequiredError, AccessDeniedError, RegionError)
        if isinstance(error, kinds):
            self._commands.append(CloseConnection(connection.id))
            self.disconnected(connection.id, None, now)
        else:
            self.events.append(ServerReported(error))

    def _believed(self, reported: PulseError) -> PulseError:
        """An in-band error, as it is to be understood.

        Options that brought text are not refused, and a key that brought an ack is not either:
        then the words are the server's own fault.
        """
        ended = how_it_ended(reported)
        refuted = self._proven if ended is Ended.DENIED else self._recognizes
        if ended not in (Ended.DENIED, Ended.REJECTED) or not refuted:
            return reported
        return ServerError(
            "the service reports an error although it has worked with these options",
            code="error_message",
            detail=reported.detail,
        )

    # Connections.

    @property
    def _phase(self) -> Phase:
        if self._closing.began:
            return Phase.ENDING
        return Phase.LIVE if self._switch is None else Phase.SWITCHING

    def _find(self, connection_id: int) -> Connection | None:
        if self._connection is not None and self._connection.id == connection_id:
            return self._connection
        standby = None if self._switch is None else self._switch.connection
        return standby if standby is not None and standby.id == connection_id else None

    def _open(self, options: PulseOptions, now: float) -> Connection:
        self._last_id += 1
        urls = [url for url in options.urls if url not in self._refused_regions] or options.urls
        url = self._health.choose(urls, options.key_for, now)
        self._commands.append(OpenConnection(self._last_id, options, url))
        return Connection(self._last_id, options, url)

    def _connect(self, now: float) -> None:
        wait = self._budget.wait_for_token(now)
        if wait:
            self.state = State.WAITING
            self.deadlines.set(Timer.RETRY, now + wait)
        else:
            self.deadlines.set(Timer.RETRY, None)
            self.state = State.CONNECTING
            self._connection = self._open(self.options, now)

    def _close(self, connection: Connection) -> None:
        connection.is_open = False
        self._commands.append(CloseConnection(connection.id))

    def _begin(self, connection: Connection, now: float) -> None:
        """This connection is the one that is heard, from the start of the buffer on."""
        buffer = self.buffer
        self.state = _OPEN
        start = buffer.seconds(buffer.start)
        connection.begin(start)
        self._assembler.connection_changed(connection.options.language)
        self._report_lost("more audio waited than limits.replay_seconds keeps")
        self._outage.replays(buffer.start, buffer.high_water)
        self._stall.connection_changed(start)
        self._history.clear()
        self.deadlines.set(Timer.STALL, now + LOOK_EVERY)
        self._arm_keepalive(connection)
        self._report_recovery(now)

    def _let_go(self) -> None:
        """No connection is heard: the next one hears everything that no final covers."""
        self._connection = None
        for timer in (Timer.STALL, Timer.KEEPALIVE, Timer.PACE):
            self.deadlines.set(timer, None)
        self._keepalive_due = False
        self.buffer.rewind()
        self._assembler.connection_changed(self.options.language)

    def _achieved(self, connection: Connection, ended: Ended, was_open: bool) -> Achieved:
        if self._closing.began:
            owed = self._owed_at_end()
            if connection.closing_at is not None and ended is Ended.CLEAN:
                owed = self._assembler.owes_speech and not self._closing.said_goodbye()
            if not owed:
                return Achieved.ALL
        elif was_open and not self._assembler.owes:
            return Achieved.ALL
        if not was_open:
            return Achieved.NOT_OPENED
        return Achieved.SOME if connection.acked else Achieved.NOTHING

    def _carry_out(
        self, decided: Verdict, error: PulseError, connection: Connection, now: float
    ) -> None:
        match decided:
            case Verdict.RETRY_NOW | Verdict.RETRY | Verdict.RETRY_SLOW:
                self._retry(error, decided is Verdict.RETRY_SLOW, now)
            case Verdict.SLEEP:
                self.state = State.DORMANT
                self._outage.forget()
            case Verdict.TAKE_OVER:
                self._outage.began(now)
                self._take_over(now)
            case Verdict.OTHER_URL:
                self._refused_regions.add(connection.url)
                if self._refused_regions.issuperset(self.options.urls):
                    self._fail(error)
                else:
                    self._wait(error, 0.0, now)
            case Verdict.REVERT_OPTIONS if self._former is not None:
                former, self._former = self._former, None
                self._use(former)
                self.events.append(OptionsRefused(error))
                self._connect(now)
            case Verdict.FINISH:
                self._finish()
            case _:
                self._fail(error)

    def _retry(self, error: PulseError, slow: bool, now: float) -> None:
        self._budget.failed(now)
        if self._budget.is_spent(now):
            self._fail(error)
            return
        delay = self._budget.delay(slow=slow, retry_after=error.retry_after)
        self._wait(error, self._budget.hurried(delay) if self._closing.began else delay, now)

    def _wait(self, error: PulseError, delay: float, now: float) -> None:
        self._outage.began(now)
        self.state = State.WAITING
        self.deadlines.set(Timer.RETRY, now + delay)
        self.events.append(Reconnecting(self._budget.failures, error.code, delay, error))

    def _blame(self, connection: Connection, error: PulseError | None, now: float) -> None:
        """What another base URL may do better is remembered against this one."""
        if error is not None and error.retryable:
            url, retry_after = connection.url, error.retry_after
            key = connection.options.key_for(url)
            self._health.failed(url, key, now, retry_after=retry_after)

    def _look(self, now: float) -> None:
        """Is the server alive, and which audio need not be kept any longer?"""
        connection = self._connection
        assert connection is not None
        self.deadlines.set(Timer.STALL, now + LOOK_EVERY)
        sent = self.buffer.seconds(self.buffer.next_offset)
        if self._stall.is_stalled(sent, connection.last_heard_at, now):
            self._commands.append(CloseConnection(connection.id))
            error = StalledError("speech was sent and the server has sent nothing for too long")
            self.disconnected(connection.id, error, now)
            return
        self._history.note(now, self.buffer.next_offset, 2 * _RELEASE_AFTER)
        quiet = self._history.sent_before(now - _RELEASE_AFTER)
        noisy = self._history.sent_before(now - 2 * _RELEASE_AFTER)
        self.buffer.release(self._assembler.releasable(quiet, noisy))

    # Changed options.

    def _use(self, options: PulseOptions) -> None:
        if not options.same_connection(self.options):
            self._recognizes = self._proven = False
        self._in_force.options = options
        self._refused_regions.clear()

    def _adopt(self, options: PulseOptions) -> None:
        self._use(options)
        self.events.append(OptionsApplied(self.buffer.seconds(self.buffer.next_offset)))

    def _open_standby(self, now: float) -> None:
        assert self._switch is not None
        wait = self._budget.wait_for_token(now)
        if wait:
            self.deadlines.set(Timer.SWITCH_RETRY, now + wait)
        else:
            self._switch.connection = self._open(self._switch.options, now)

    def _drop_switch(self) -> None:
        switch, self._switch = self._switch, None
        if switch is not None and switch.connection is not None:
            self._close(switch.connection)
        self.deadlines.set(Timer.SWITCH_RETRY, None)
        self.deadlines.set(Timer.TAKE_OVER, None)

    def _standby_lost(self, error: PulseError, now: float) -> None:
        switch = self._switch
        assert switch is not None
        self.deadlines.set(Timer.TAKE_OVER, None)
        delay = switch.refused(error)
        if switch.alone:
            self._drain(now)
        elif delay is not None:
            self.deadlines.set(Timer.SWITCH_RETRY, now + delay)
        else:
            self._switch = None
            self.events.append(OptionsRefused(error))

    def _drain(self, now: float) -> None:
        """Ask the old connection for the words of all audio that it was sent."""
        assert self._switch is not None
        self._switch.draining = True
        self.deadlines.set(Timer.TAKE_OVER, now + DRAIN_SECONDS)
        sent = self.buffer.next_offset
        if self.options.row.finalize is not None and self._assembler.may_hold_words(sent):
            self._assembler.requests.add_own(sent)
        self._end_drain_if_ready(now)

    def _end_drain_if_ready(self, now: float) -> None:
        if self._switch is None or not self._switch.draining:
            return
        if self._assembler.requests.is_answered_until(self.buffer.next_offset):
            self._take_over(now)

    def _take_over(self, now: float) -> None:
        """The new options are in force for what no final covers and for all that follows."""
        switch, self._switch = self._switch, None
        assert switch is not None
        self.deadlines.set(Timer.TAKE_OVER, None)
        self.deadlines.set(Timer.SWITCH_RETRY, None)
        old = self._connection
        if old is not None:
            self._close(old)
            self._let_go()
        self._former = self._former or self.options
        self._adopt(switch.options)
        self._connection = switch.connection
        if self._connection is None:
            self._connect(now)
        elif not self._connection.is_open:
            self.state = State.CONNECTING
        else:
            if old is None:
                url = self._connection.url
                self.events.append(Connected(self._budget.failures + 1, 0.0, url))
            self._begin(self._connection, now)

    # The end.

    def _owed_at_end(self) -> bool:
        """Whether audio that is held could bring another word."""
        if self.buffer.end > self.buffer.high_water or not self._assembler.requests.is_idle:
            return True
        return self._assembler.may_hold_words(self.buffer.end)

    def _run_out(self) -> None:
        """The time for the last words is over."""
        is_deaf = self.state is not _OPEN
        if is_deaf and self._assembler.may_hold_words(self.buffer.end):
            self.error = self._failure or _no_connection()
        self._finish()

    def _fail(self, error: PulseError) -> None:
        self.error = error
        self._finish()

    def _finish(self) -> None:
        """Answer what is asked, account for every byte, and close."""
        unsaid = self._assembler.unsaid_from()
        self.events.extend(self._assembler.end())
        self._shut(self.buffer.next_offset if unsaid is None else unsaid)

    def _shut(self, understood: int) -> None:
        """End; speech behind the offset `understood` has no words and is lost."""
        buffer = self.buffer
        if not self._assembler.may_hold_words(buffer.high_water):
            understood = buffer.high_water
        buffer.give_up(understood)
        self._report_lost("the stream ended")
        self._drop_switch()
        if self._connection is not None:
            if self._connection.is_open:
                self.events.append(Disconnected(self.error))
            self._close(self._connection)
            self._connection = None
        self.deadlines.clear()
        self.state = State.CLOSED

    def _report_lost(self, reason: str) -> None:
        seconds = self.buffer.seconds
        for start, end in self.buffer.take_lost():
            self.events.append(AudioLost(seconds(start), seconds(end - start), reason))

    def _report_recovery(self, now: float) -> None:
        recovered = self._outage.recovered(self.buffer.next_offset, now)
        if recovered is not None:
            outage, replayed = recovered
            self.events.append(Recovered(outage, self.buffer.seconds(replayed)))

    def _refresh(self) -> None:
        """Set the deadlines that follow from the state of several parts."""
        if self.state is State.CLOSED:
            return
        self.deadlines.set(Timer.ANSWER, self._assembler.requests.deadline())
        is_down = self.state in (State.WAITING, State.CONNECTING)
        self.deadlines.set(Timer.OUTAGE, self._budget.ends_at if is_down else None)
        if self._closing.began:
            self.deadlines.set(Timer.CLOSE, self._closing.ends_at(self._quiet_since()))

    def _quiet_since(self) -> float | None:
        """When the server was heard last after the closing word, if no words are owed."""
        connection = self._connection
        if connection is None or connection.closing_at is None or self._assembler.owes:
            return None
        return max(connection.closing_at, connection.last_heard_at)


def _no_connection() -> PulseError:
    return ConnectTimeoutError("no connection could be made in time")
