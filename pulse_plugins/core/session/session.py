"""The sans-I/O stream: one caller's audio over as many connections as it takes.

There are four kinds of methods, and a driver calls them in this order:

1. Inputs: `start`, `audio`, `finalize`, `update`, `end`, `abort`, `connected`, `received`,
   `disconnected`, `advance`. Each takes `now`, seconds of a steady clock.
2. `take_commands`: connections to open and to close.
3. `next_outgoing`, for each open connection, until it returns None.
4. `events` to deliver, and `deadlines.next()`: when to call `advance` at the latest.

The session has no rule of its own. It asks the part that owns the rule: `assembler` for messages,
`connections` for their life, `outgoing` to send, `closing` for the end, `stall` for silent servers.

    IDLE ─start→ CONNECTING ─connected→ OPEN ─disconnected→ WAITING ─RETRY→ CONNECTING
                     └─────disconnected────────────────────────┘
                 OPEN ─closed with 1000, nothing owed→ DORMANT ─audio→ CONNECTING
                 any  ─all words have arrived, or no retry helps→ CLOSED
"""

from __future__ import annotations

from collections import deque
from random import Random

from pulse_plugins.core.audio.replay_buffer import ReplayBuffer
from pulse_plugins.core.base.errors import ConfigurationError, PulseError, RegionError, StalledError
from pulse_plugins.core.base.events import (
    AudioLost,
    Event,
    MessageIgnored,
    ServerReported,
    SpeechEnded,
    SpeechStarted,
)
from pulse_plugins.core.config.encodings import buffer_rate
from pulse_plugins.core.config.in_force import OptionsInForce
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.session.attempts import Attempts
from pulse_plugins.core.session.closing import Closing
from pulse_plugins.core.session.commands import CloseConnection, Command
from pulse_plugins.core.session.connection import Connection
from pulse_plugins.core.session.connections import Connections
from pulse_plugins.core.session.deadlines import Deadlines, Timer
from pulse_plugins.core.session.endpoint_health import EndpointHealth
from pulse_plugins.core.session.outage import Outage
from pulse_plugins.core.session.outgoing import Outgoing
from pulse_plugins.core.session.stall import LOOK_EVERY, SentHistory, StallDetector
from pulse_plugins.core.session.state import State
from pulse_plugins.core.session.verdicts import Ended, Verdict, how_it_ended
from pulse_plugins.core.transcript.assembler import Assembled, TranscriptAssembler
from pulse_plugins.core.wire.stream_messages import (
    ErrorReport,
    SpeechMark,
    Transcript,
    Unreadable,
    parse,
)

_OPEN, _CLOSED = State.OPEN, State.CLOSED  # members of an enum are slow to look up
_PCM = ("linear16", "linear32", "mulaw", "alaw")


class Session:
    """One stream.

    Args:
        options: The options of the stream.
        random: For the jitter of delays.
        health: Which base URLs failed lately; by default none.

    Attributes:
        events: What has happened; the driver takes the events.
        deadlines: When `advance` must be called.
        buffer: The audio that is held.
        encoding: The encoding of that audio.
        closing: The end of the stream.
        outgoing: Chooses what is sent, and counts it.
        error: Why the stream failed for good, or None.
    """

    def __init__(
        self, options: PulseOptions, random: Random, health: EndpointHealth | None = None
    ) -> None:
        self.error: PulseError | None = None
        self.events: deque[Event] = deque()
        self.deadlines = Deadlines()
        self.encoding = options.encoding if options.encoding in _PCM else "linear16"
        self._in_force = in_force = OptionsInForce(options)
        rate, align = buffer_rate(options.encoding, options.sample_rate)
        limit = int(rate * options.limits.replay_seconds)
        self.buffer = buffer = ReplayBuffer(bytes_per_second=rate, align=align, limit=limit)
        self._assembler = assembler = TranscriptAssembler(in_force, buffer, self.encoding)
        self._owed = assembler.owed
        self.closing = closing = Closing(in_force)
        deadlines, encoding = self.deadlines, self.encoding
        attempts = Attempts(in_force, closing, random, health or EndpointHealth())
        self._outage = outage = Outage(buffer, self.events)
        self._connections = Connections(
            in_force, buffer, assembler, closing, deadlines, self.events, attempts, outage
        )
        self.outgoing = Outgoing(in_force, buffer, assembler, closing, deadlines, encoding)
        self._stall = StallDetector(in_force, assembler.energy)
        self._history = SentHistory()
        self._heard: Connection | None = None

    @property
    def options(self) -> PulseOptions:
        """The options in force."""
        return self._in_force.options

    @property
    def state(self) -> State:
        """The state of the stream."""
        return self._connections.state

    @property
    def in_outage(self) -> bool:
        """Whether audio that was held through an outage is not sent yet."""
        return self._outage.is_on

    # Inputs of the owner.

    def start(self, now: float) -> None:
        """Begin to connect, once; audio may come before or after."""
        self._connections.connect(now)

    def audio(self, packet: bytes, now: float) -> None:
        """Add a packet in the wire's encoding, whole samples."""
        self.buffer.append(packet)
        if self._connections.state is State.DORMANT:
            self._connections.connect(now)

    def finalize(self, now: float) -> int:
        """Ask for the words of all audio so far; returns the request's id."""
        request_id, assembled = self._assembler.request()
        self._apply(assembled)
        if self.state is State.DORMANT and not self._assembler.requests.is_idle:
            self._connections.connect(now)
        self._settle(now)
        return request_id

    def update(self, options: PulseOptions, now: float) -> None:
        """Go on with other options; see `option_switch`.

        Raises:
            ConfigurationError: The bytes on the wire would change; the text says so.
        """
        now_sent = (self.options.encoding, self.options.sample_rate)
        if (options.encoding, options.sample_rate) != now_sent:
            raise ConfigurationError(
                "encoding and sample_rate cannot change in a live stream: open another stream"
            )
        self._connections.update(options, now)
        self._settle(now)

    def end(self, now: float) -> None:
        """No more audio will come: get the last words, then close."""
        if self.closing.began or self.state is _CLOSED:
            return
        self.closing.begin(self.buffer.seconds(self.buffer.end - self.buffer.start), now)
        self._connections.drop_switch()
        if not self._owed.at_end and (self.state is not _OPEN or self.buffer.end == 0):
            self._finish(None)
        elif self.state in (State.IDLE, State.DORMANT):
            self._connections.connect(now)
        else:
            self._connections.hurry(now)
        self._settle(now)

    def abort(self) -> None:
        """End at once; audio that was not sent is discarded and not reported as lost."""
        if self.state is not _CLOSED:
            self._shut(self.buffer.next_offset)

    # Inputs of the network.

    def connected(self, connection_id: int, now: float, seconds: float = 0.0) -> None:
        """A connection that was asked for is open; the handshake took `seconds`."""
        connection = self._connections.find(connection_id)
        if connection is not None:
            self._connections.opened(connection, now, seconds)
            self._settle(now)

    def received(self, connection_id: int, data: str | bytes, now: float) -> bool:
        """A message came; returns whether nothing is to be sent, timed anew, opened or closed."""
        connection = self._connections.find(connection_id)
        if connection is None or not connection.is_open:
            return True
        message = parse(data)
        if not isinstance(message, (ErrorReport, Unreadable)):  # neither shows a working server
            connection.last_heard_at = now
        if isinstance(message, ErrorReport):
            self._reported(connection, message.error, now)
        elif connection is not self._connections.current:
            return True  # no audio was sent on it yet, so that no transcript can come
        elif isinstance(message, Transcript):
            self._transcript(connection, message, now)
        elif isinstance(message, SpeechMark):
            self._speech_mark(connection, message)
        elif isinstance(message, Unreadable):
            self.events.append(MessageIgnored(message.reason))
        is_calm = self._is_calm
        if not is_calm:
            self._settle(now)
        return is_calm

    def disconnected(self, connection_id: int, error: PulseError | None, now: float) -> None:
        """A connection is gone, or could not be made; `error` is None after a close with 1000."""
        connection = self._connections.find(connection_id)
        if connection is not None:
            self._connections.lost(connection, error, now)
            self._settle(now)

    def advance(self, now: float) -> None:
        """Time has passed: do what is due by `now`."""
        for timer in self.deadlines.take_due(now):
            if self.state is _CLOSED:
                return
            match timer:
                case Timer.ANSWER:
                    self._apply(self._assembler.expire(now))
                case Timer.CLOSE:
                    self._run_out()
                case Timer.STALL:
                    self._look(now)
                case Timer.KEEPALIVE:
                    self.outgoing.look_whether_idle(self._connections.current, now)
                case Timer.PACE:
                    pass  # `next_outgoing` sends what waits
                case _:
                    self._connections.due(timer, now)
        self._settle(now)

    # Outputs.

    def take_commands(self) -> list[Command]:
        """Connections to open and to close, in order."""
        taken, self._connections.commands = self._connections.commands, []
        return taken

    def next_outgoing(self, connection_id: int, now: float) -> bytes | str | None:
        """The next message to send on this connection; None: there is none, or not yet."""
        connections = self._connections
        connection = connections.current
        if connection is None or connection.id != connection_id or not connection.is_open:
            return None
        message = self.outgoing.next(connection, now, draining=connections.is_draining)
        if message is not None:
            if self._outage.is_on:
                self._outage.audio_sent(now)
            self._set_deadlines()
            self._set_live()
        return message

    # Messages.

    def _transcript(self, connection: Connection, message: Transcript, now: float) -> None:
        if message.problems:
            self.events.extend(MessageIgnored(f"field {name}") for name in message.problems)
        text = message.text
        if text:
            connection.reported = None  # the server went on after an error
            self._connections.history.text_came()
        if not (message.is_final or message.is_last):
            if (interim := self._assembler.interim(text, message.session_id, now)) is not None:
                self._stall.interim_came()
                self.events.append(interim)
            return
        self._apply(self._assembler.final(message, connection.clock, now))
        if message.is_last and connection.closing_at is not None:
            self.buffer.ack(self.buffer.end)
            self._finish(None)

    def _speech_mark(self, connection: Connection, mark: SpeechMark) -> None:
        time = connection.stream_time(mark.timestamp, self.buffer.seconds(self.buffer.next_offset))
        if mark.started:
            connection.speech_at = time
        if time >= connection.speech_at:  # else an earlier speech has ended, and it is told late
            self.events.append(SpeechStarted(time) if mark.started else SpeechEnded(time))

    def _reported(self, connection: Connection, error: PulseError, now: float) -> None:
        """The server reports an error inside the connection.

        An error of key, credit, access or region ends the connection. After any other error the
        server may go on (docs/protocol.md, section 10, N2), so that the connection is kept until
        the server closes it or is silent for too long.
        """
        if isinstance(error, RegionError):
            error = error.about(connection.options.language)
        connection.reported = error
        if how_it_ended(error) in (Ended.DENIED, Ended.REGION):
            self._connections.commands.append(CloseConnection(connection.id))
            self._connections.lost(connection, None, now)
            self._settle(now)
        else:
            self.events.append(ServerReported(error))

    def _apply(self, assembled: Assembled) -> None:
        self.events.extend(assembled.events)
        if assembled.ack is not None:
            before = self.buffer.start
            self.buffer.ack(assembled.ack)
            if self.buffer.start > before:
                self._connections.ack_came()

    def _look(self, now: float) -> None:
        """Replace a connection whose server is silent, and release audio that brought no words."""
        connection = self._connections.current
        assert connection is not None
        self.deadlines.set(Timer.STALL, now + LOOK_EVERY)
        offset, heard_at = self.buffer.next_offset, connection.last_heard_at
        owed_since = connection.quiet_since if self._owed.anything else None
        asked = (at for at, mark in connection.unanswered if self._owed.answer(mark))
        sent = self.buffer.seconds(offset)
        if self._stall.is_stalled(sent, heard_at, owed_since, next(asked, None), now):
            self._connections.commands.append(CloseConnection(connection.id))
            error = StalledError("speech was sent and the server has sent nothing for too long")
            self._connections.lost(connection, error, now)
            return
        self.buffer.release(self._owed.releasable(*self._history.look(now, offset)))

    # The end.

    def _run_out(self) -> None:
        """The time for the last words is over."""
        if self.state is not _OPEN and self._owed.may_hold_words(self.buffer.end):
            self._connections.give_up()  # without a connection no words can come
            self._finish(self._connections.failure)
        else:
            self._finish(None)

    def _finish(self, error: PulseError | None) -> None:
        """Answer what is asked, account for every byte, and close."""
        self.error = error
        self.events.extend(self._assembler.end())
        self._shut(self._owed.words_end())

    def _shut(self, understood: int) -> None:
        """End the stream. Speech behind the offset `understood` has no words, and is lost."""
        buffer = self.buffer
        for offset in (buffer.high_water, buffer.end):  # silence is not lost, sent or not
            if not self._owed.may_hold_words(offset):
                understood = offset
        buffer.give_up(understood)
        self._report_lost("the stream ended")
        self._connections.close_all(self.error)
        self.deadlines.clear()

    def _report_lost(self, reason: str) -> None:
        self.events.extend(AudioLost(*lost, reason) for lost in self.buffer.take_lost())

    # After every input.

    def _settle(self, now: float) -> None:
        """Carry out what several parts have decided, and set the deadlines that follow."""
        connections = self._connections
        connections.take_over_if_drained(now)
        if connections.verdict is not None and self.state is not _CLOSED:
            self._finish(connections.failure if connections.verdict is Verdict.FAIL else None)
        if self.state is _CLOSED:
            return
        heard = connections.current if self.state is _OPEN else None
        if heard is not self._heard:
            self._hear(heard, now)
        self._set_deadlines()
        self._set_live()

    @property
    def _is_calm(self) -> bool:
        """Whether nothing is to be sent, timed anew, opened or closed."""
        connections = self._connections
        return (
            connections.state is _OPEN
            and not (connections.commands or self._assembler.requests.has_open)
            and connections.switch is None
            and not self.closing.began
        )

    def _set_live(self) -> None:
        """Note on which connection new audio may be sent at once, if on any."""
        is_live = self._is_calm and not self._outage.is_on
        self.outgoing.live_connection = self._connections.current if is_live else None

    def _hear(self, connection: Connection | None, now: float) -> None:
        """Another connection is the current one, or there is none."""
        self._heard = connection
        self.outgoing.connection_changed(connection)
        self._history.clear()
        self.deadlines.set(Timer.STALL, None if connection is None else now + LOOK_EVERY)
        if connection is not None:
            self._stall.connection_changed(self.buffer.seconds(self.buffer.start), now)
            self._report_lost("more audio waited than limits.replay_seconds keeps")

    def _set_deadlines(self) -> None:
        self.deadlines.set(Timer.ANSWER, self._assembler.requests.deadline())
        self.deadlines.set(Timer.OUTAGE, self._connections.trouble_ends_at)
        if self.closing.began:
            heard = self._connections.current
            quiet_since = None if heard is None or self._owed.anything else heard.quiet_since
            self.deadlines.set(Timer.CLOSE, self.closing.ends_at(quiet_since))
