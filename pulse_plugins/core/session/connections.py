"""The connections of a stream: how they are made, lost, and replaced by one with other options.

`Connections` notes facts and carries verdicts out. `verdicts` decides what follows when a
connection is gone, `attempts` decides when and where to try again, and `option_switch` describes a
change of options.
"""

from __future__ import annotations

from collections import deque

from pulse_plugins.core.audio.replay_buffer import ReplayBuffer
from pulse_plugins.core.base.errors import ConnectTimeoutError, PulseError, from_close
from pulse_plugins.core.base.events import (
    Connected,
    Disconnected,
    Event,
    OptionsApplied,
    OptionsRefused,
)
from pulse_plugins.core.config.in_force import OptionsInForce
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.session.attempts import Attempts
from pulse_plugins.core.session.closing import Closing
from pulse_plugins.core.session.commands import CloseConnection, Command, OpenConnection
from pulse_plugins.core.session.connection import Connection
from pulse_plugins.core.session.deadlines import Deadlines, Timer
from pulse_plugins.core.session.option_history import OptionHistory
from pulse_plugins.core.session.option_switch import DRAIN_SECONDS, OptionSwitch
from pulse_plugins.core.session.outage import Outage
from pulse_plugins.core.session.state import State
from pulse_plugins.core.session.verdicts import (
    Achieved,
    Ended,
    Phase,
    Verdict,
    how_it_ended,
    verdict,
)
from pulse_plugins.core.transcript.assembler import TranscriptAssembler


class Connections:
    """The connections of one stream: the current one, and a second one with changed options.

    Args:
        in_force: The options.
        buffer: The audio; a lost connection rewinds it.
        assembler: Is told when another connection becomes the current one.
        closing: The end of the stream.
        deadlines: Where the timers of this class are kept.
        events: The queue to which events are appended.
        attempts: When and where to connect.
        outage: Is told when it begins and when a connection is open.

    Attributes:
        state: The state of the stream.
        current: The connection that takes audio and brings transcripts, or is being made for that;
            or None.
        switch: A change of options that is not complete, or None.
        history: What the options in force have achieved.
        failure: The newest error, until a connection is open.
        verdict: FINISH or FAIL once nothing more can be done; the session carries it out.
    """

    def __init__(
        self,
        in_force: OptionsInForce,
        buffer: ReplayBuffer,
        assembler: TranscriptAssembler,
        closing: Closing,
        deadlines: Deadlines,
        events: deque[Event],
        attempts: Attempts,
        outage: Outage,
    ) -> None:
        self.state = State.IDLE
        self.current: Connection | None = None
        self.switch: OptionSwitch | None = None
        self.history = OptionHistory(in_force)
        self.failure: PulseError | None = None
        self.verdict: Verdict | None = None
        self.commands: list[Command] = []
        self._in_force = in_force
        self._buffer = buffer
        self._assembler = assembler
        self._closing = closing
        self._deadlines = deadlines
        self._events = events
        self._attempts = attempts
        self._outage = outage

    # Connections are made.

    def connect(self, now: float) -> None:
        """Open a connection, or wait until a handshake is allowed."""
        wait = self._attempts.wait(now)
        if wait:
            self.state = State.WAITING
            self._deadlines.set(Timer.RETRY, now + wait)
        else:
            self._deadlines.set(Timer.RETRY, None)
            self._deadlines.set(Timer.HANDSHAKE, self._attempts.handshake_ends_at(now))
            self.state = State.CONNECTING
            self.current = self._open(self._in_force.options, now)

    def find(self, connection_id: int) -> Connection | None:
        """The connection of this id, unless it is gone."""
        if self.current is not None and self.current.id == connection_id:
            return self.current
        standby = None if self.switch is None else self.switch.connection
        return standby if standby is not None and standby.id == connection_id else None

    def opened(self, connection: Connection, now: float, seconds: float) -> bool:
        """A handshake is done. Returns whether the connection is the current one now."""
        connection.open(now)
        if connection is not self.current:
            return self._drain(now)
        self.failure = None
        self._deadlines.set(Timer.HANDSHAKE, None)
        failed_over = self._attempts.is_fail_over(connection)
        number = self._attempts.number
        self._events.append(Connected(number, seconds, connection.url, failed_over))
        self._begin(connection, now)
        return True

    def close(self, connection: Connection) -> None:
        """Close a connection that is not wanted any more."""
        connection.is_open = False
        self.commands.append(CloseConnection(connection.id))

    def ack_came(self) -> None:
        """The ack offset moved, so that the connection is good and trouble is over."""
        assert self.current is not None  # its message moved the offset
        self.current.acked = True
        self.history.ack_came()
        self._attempts.ack_came(self.current)

    def hurry(self, now: float) -> None:
        """The input ended while no connection is open: the next attempt is soon.

        The handshake of an attempt that is under way leaves time for another one.
        """
        if self.state is State.CONNECTING:
            self._deadlines.set(Timer.HANDSHAKE, self._attempts.handshake_ends_at(now))
        elif (at := self._deadlines.at(Timer.RETRY)) is not None:
            self._deadlines.set(Timer.RETRY, now + self._attempts.hurried(at - now))

    def due(self, timer: Timer, now: float) -> None:
        """A timer of this class is due."""
        match timer:
            case Timer.RETRY:
                self.connect(now)
            case Timer.HANDSHAKE:
                self._give_handshake_up(now)
            case Timer.OUTAGE:
                self.give_up()
            case Timer.SWITCH_RETRY:
                self.open_standby(now)
            case _:  # Timer.TAKE_OVER; the session handles the others itself
                self.take_over(now)

    # Connections are lost.

    def lost(self, connection: Connection, error: PulseError | None, now: float) -> None:
        """A connection is gone, or could not be made.

        Args:
            connection: Which one.
            error: Why; None after an orderly close with 1000.
            now: The session's clock.
        """
        was_open, connection.is_open = connection.is_open, False
        # A connection that reported an error and then went down says with it why.
        if connection.reported is not None and (error is None or error.retryable):
            error = connection.reported
            if connection is self.current:  # what its options achieved says nothing about others
                error = self.history.believed(error)
        self._attempts.lost(connection, error, now)
        if connection is not self.current:
            self._standby_lost(connection, error or from_close(1000), now)
            return
        ended = how_it_ended(error)
        achieved = self._achieved(connection, ended, was_open, now)
        if was_open:
            self._events.append(Disconnected(error))
        self._let_go(now)
        was_good = was_open and achieved in (Achieved.SOME, Achieved.ALL)
        self._attempts.ended(connection, progress=was_good)
        self.failure = error or from_close(1000)
        phase = Phase.LIVE if self.switch is None else Phase.SWITCHING
        decided = verdict(Phase.ENDING if self._closing.began else phase, ended, achieved)
        self._carry_out(decided, self.failure, connection, now)

    @property
    def trouble_ends_at(self) -> float | None:
        """When trouble without progress has lasted too long, while there is no connection."""
        is_down = self.state in (State.WAITING, State.CONNECTING)
        return self._attempts.trouble_ends_at if is_down else None

    def give_up(self) -> None:
        """Trouble without progress has lasted for `max_outage`."""
        self.failure = self.failure or ConnectTimeoutError("no connection could be made in time")
        self.verdict = Verdict.FAIL

    # Options are changed.

    def update(self, options: PulseOptions, now: float) -> None:
        """Go on with other options."""
        if self.switch is not None and options.same_connection(self.switch.options):
            self.switch.options = options
            return
        self.drop_switch()
        if self._closing.began or options.same_connection(self._in_force.options):
            self._adopt(options, revertible=False)
        elif self.state is State.OPEN:
            self.switch = OptionSwitch(options)
            self.open_standby(now)
        else:
            self._adopt(options, revertible=self.state is not State.IDLE)
            if self.current is not None:  # it is still connecting: nothing was sent on it
                self.close(self.current)
                self.current = None  # its end is no failure, even if `connect` has to wait
                self.connect(now)

    @property
    def is_draining(self) -> bool:
        """Whether audio from here on belongs to the connection with changed options."""
        return self.switch is not None and self.switch.draining

    def open_standby(self, now: float) -> None:
        """Open the second connection, or wait until a handshake is allowed."""
        assert self.switch is not None
        wait = self._attempts.wait(now)
        if wait:
            self._deadlines.set(Timer.SWITCH_RETRY, now + wait)
        else:
            self.switch.connection = self._open(self.switch.options, now)

    def take_over_if_drained(self, now: float) -> bool:
        """Take the new options over, if the old connection has answered. Returns whether it has."""
        sent = self._buffer.next_offset
        if self.is_draining and self._assembler.requests.is_answered_until(sent):
            self.take_over(now)
            return True
        return False

    def take_over(self, now: float) -> None:
        """Put the new options in force for the audio that no final covers, and all that follows."""
        switch, self.switch = self.switch, None
        assert switch is not None
        self._deadlines.clear(Timer.SWITCH_RETRY, Timer.TAKE_OVER)
        old = self.current
        if old is not None:
            self.close(old)
            if switch.connection is None:
                self._events.append(Disconnected())
            self._let_go(now)
        self._adopt(switch.options, revertible=True)
        self.current = switch.connection
        if self.current is None:
            self.connect(now)
        elif not self.current.is_open:
            self.state = State.CONNECTING
        else:
            if old is None:
                self._events.append(Connected(self._attempts.number, 0.0, self.current.url))
            self._begin(self.current, now)

    def drop_switch(self) -> None:
        """Forget a change of options that is not complete."""
        switch, self.switch = self.switch, None
        if switch is not None and switch.connection is not None:
            self.close(switch.connection)
        self._deadlines.clear(Timer.SWITCH_RETRY, Timer.TAKE_OVER)

    def close_all(self, error: PulseError | None) -> None:
        """The stream is over."""
        self.drop_switch()
        if self.current is not None:
            if self.current.is_open:
                self._events.append(Disconnected(error))
            self.close(self.current)
            self.current = None
        self.state = State.CLOSED

    # Parts.

    def _open(self, options: PulseOptions, now: float) -> Connection:
        connection = self._attempts.connection(options, now)
        self.commands.append(OpenConnection(connection.id, options, connection.url))
        return connection

    def _give_handshake_up(self, now: float) -> None:
        connection = self.current
        assert connection is not None
        self.close(connection)
        self.lost(connection, ConnectTimeoutError("the handshake was not answered in time"), now)

    def _begin(self, connection: Connection, now: float) -> None:
        """Make this connection the current one, which is sent the buffer from its start on."""
        buffer = self._buffer
        self.state = State.OPEN
        connection.begin(buffer.seconds(buffer.start))
        self._assembler.connection_changed(connection.options.language, now)
        self._outage.connected(now)

    def _let_go(self, now: float) -> None:
        """There is no current connection; the next one is sent all audio that no final covers."""
        self.current = None
        self._deadlines.set(Timer.HANDSHAKE, None)
        self._buffer.rewind()
        self._assembler.connection_changed(self._in_force.options.language, now)

    def _achieved(self, connection: Connection, ended: Ended, open_: bool, now: float) -> Achieved:
        assembler = self._assembler
        if self._closing.began:
            owed = assembler.owed.at_end
            if connection.closing_at is not None and ended is Ended.CLEAN:
                self._closing.count_close()
                owed = assembler.owed.words and not self._closing.has_no_more_words
            if not owed:
                return Achieved.ALL
        elif open_ and not assembler.owed.anything:
            # A server that closes at once on a silent caller must not be called again for ever.
            held = now - connection.opened_at >= self._in_force.options.retry.cap
            return Achieved.ALL if held or ended is Ended.CLEAN else Achieved.NOTHING
        if not open_:
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
                self.take_over(now)
            case Verdict.OTHER_URL if self._attempts.other_region(connection):
                self._wait(error, 0.0, now)
            case Verdict.REVERT_OPTIONS if self.history.can_revert:
                self.history.revert()
                self._attempts.options_changed()
                self._events.append(OptionsRefused(error))
                self.connect(now)
            case Verdict.FINISH:
                self.verdict = Verdict.FINISH
            case _:
                self.verdict = Verdict.FAIL

    def _retry(self, error: PulseError, slow: bool, now: float) -> None:
        delay = self._attempts.retry(error, now, slow=slow)
        if delay is None:
            self.verdict = Verdict.FAIL
        else:
            self._wait(error, delay, now)

    def _wait(self, error: PulseError, delay: float, now: float) -> None:
        self.state = State.WAITING
        self._deadlines.set(Timer.RETRY, now + delay)
        self._outage.goes_on(self._attempts.failures, error, delay, now)

    def _adopt(self, options: PulseOptions, *, revertible: bool) -> None:
        self.history.adopt(options, revertible=revertible)
        self._attempts.options_changed()
        sent = self._buffer.seconds(self._buffer.next_offset)
        self._events.append(OptionsApplied(sent))

    def _standby_lost(self, connection: Connection, error: PulseError, now: float) -> None:
        switch = self.switch
        assert switch is not None
        self._deadlines.set(Timer.TAKE_OVER, None)
        delay = switch.refused(error)
        if how_it_ended(error) is Ended.REGION and self._attempts.other_region(connection):
            self.open_standby(now)
        elif switch.alone:
            self._drain(now)
        elif delay is not None:
            self._deadlines.set(Timer.SWITCH_RETRY, now + delay)
        else:
            self.switch = None
            self._attempts.options_changed()  # the former options may work where these did not
            self._events.append(OptionsRefused(error))

    def _drain(self, now: float) -> bool:
        """Ask the old connection for its words. Returns whether the new one is current already."""
        assert self.switch is not None
        self.switch.draining = True
        self._deadlines.set(Timer.TAKE_OVER, now + DRAIN_SECONDS)
        sent = self._buffer.next_offset
        can_ask = self._in_force.options.row.finalize is not None
        if can_ask and self._assembler.owed.may_hold_words(sent):
            self._assembler.requests.add_own(sent)
        return self.take_over_if_drained(now)
