"""A session with a clock that only tests move, and the other end of each of its connections."""

from __future__ import annotations

import json
from random import Random
from typing import Any, TypeVar

from pulse_plugins.core.audio.formats import AudioFormat
from pulse_plugins.core.audio.packetizer import Packetizer
from pulse_plugins.core.base.errors import ConnectionLostError, PulseError
from pulse_plugins.core.base.events import AudioLost, Event, Final
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.session.commands import CloseConnection, OpenConnection
from pulse_plugins.core.session.session import Session
from tests.support.hearing import LOUD, RATE, Hearing, spoken

FRAME = 0.02  # seconds
_E = TypeVar("_E", bound=Event)


class Call:
    """Does what a driver would do, at times that the test decides.

    Args:
        timed: The servers' finals have word times.
        flags: The servers mark their answers to finalize.
        loud: As the caller speaks, see `spoken`.
        given: Options.

    Attributes:
        opening: Connections that are wanted, not made yet.
        servers: Those that are open, by their link; the newest last.
        fed: Bytes of audio given.
    """

    def __init__(
        self, *, timed: bool = True, flags: bool = True, loud: int = LOUD, **given: Any
    ) -> None:
        wanted: dict[str, Any] = {"base_url": "ws://127.0.0.1:1", "sample_rate": RATE}
        self.options = PulseOptions(**{**wanted, "packet_ms": 40, **given})
        self.session = Session(self.options, Random(0))
        wire = AudioFormat("linear16", self.options.sample_rate)
        self.packetizer = Packetizer(wire, wire, (self.options.packet_ms or 40) / 1000)
        self.now = 100.0
        self.opening: list[OpenConnection] = []
        self.servers: dict[int, Hearing] = {}
        self.events: list[Event] = []
        self.fed = 0
        self.loud = loud
        self._habits: dict[str, Any] = {"timed": timed, "flags": flags, "loud": loud}
        self.session.start(self.now)
        self.settle()

    # What came of it.

    def all(self, kind: type[_E]) -> list[_E]:
        """The events of a kind, in order."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def finals(self) -> list[Final]:
        return self.all(Final)

    @property
    def words(self) -> list[str]:
        """Of all finals."""
        return [word for final in self.finals for word in final.text.split()]

    @property
    def answered(self) -> list[int]:
        """The requests that were answered, in order."""
        return [final.finalize_id for final in self.finals if final.finalize_id is not None]

    @property
    def lost(self) -> float:
        """Seconds."""
        return sum(event.duration for event in self.all(AudioLost))

    @property
    def server(self) -> Hearing:
        """The other end of the newest connection."""
        return self.servers[self.link]

    @property
    def link(self) -> int:
        return next(reversed(self.servers))

    # The caller.

    def say(self, *numbers: int) -> None:
        """Words, in real time; 0 is a silence of the same length."""
        for number in numbers:
            self.feed(spoken(number, self.loud))

    def feed(self, data: bytes) -> None:
        """Audio, in real time."""
        step = round(RATE * FRAME) * 2
        for at in range(0, len(data), step):
            self.now += FRAME
            self.fed += len(data[at : at + step])
            for packet in self.packetizer.add(data[at : at + step]) or ():
                self.session.audio(packet, self.now)
            deadline = self.session.deadlines.next()
            if deadline is not None and deadline <= self.now:
                self.advance()
            self.settle()

    def finalize(self) -> int:
        self.flush()
        request = self.session.finalize(self.now)
        self.settle()
        return request

    def flush(self) -> None:
        """Audio that waits for the rest of its packet goes on."""
        for packet in self.packetizer.flush():
            self.session.audio(packet, self.now)

    def end(self) -> None:
        self.flush()
        self.session.end(self.now)
        self.settle()

    # The network.

    def connect(self) -> Hearing:
        """The oldest connection that is wanted is made."""
        link = self.opening.pop(0).id
        self.servers[link] = server = self.make_server()
        self.session.connected(link, self.now)
        self.settle()
        return server

    def make_server(self) -> Hearing:
        """The other end of the next connection."""
        return Hearing(**self._habits)

    def refuse(self, error: PulseError) -> None:
        """The oldest connection that is wanted cannot be made."""
        self.session.disconnected(self.opening.pop(0).id, error, self.now)
        self.settle()

    def drop(self, error: PulseError | None = ConnectionLostError("gone")) -> None:  # noqa: B008
        """The newest connection is lost; None: closed with 1000."""
        link = self.link
        del self.servers[link]
        self.session.disconnected(link, error, self.now)
        self.settle()

    def reconnect(self, seconds: float = 0.0) -> Hearing:
        """The newest connection is lost, the next one is made at once, and time passes."""
        self.drop()
        self.pass_time(0.0)
        server = self.connect()
        self.pass_time(seconds)
        return server

    # The server.

    def turn(self, *numbers: int) -> int:
        """Words, a request for them and the server's answer; returns the request's id."""
        self.say(*numbers)
        request = self.finalize()
        self.hear(self.server.answer())
        return request

    def hear(self, message: str | bytes | dict[str, object]) -> None:
        """The newest connection's server says this."""
        if isinstance(message, dict):
            message = json.dumps(message)
        self.session.received(self.link, message, self.now)
        self.settle()

    def pass_time(self, seconds: float) -> None:
        """Time passes without audio; every deadline is met when it is due."""
        until = self.now + seconds
        for _ in range(10_000):
            deadline = self.session.deadlines.next()
            if deadline is None or deadline > until:
                break
            self.now = max(self.now, deadline)
            self.advance()
            self.settle()
        else:
            raise AssertionError("a deadline in the past is never served")
        self.now = until
        self.advance()
        self.settle()

    def advance(self) -> None:
        """The timer goes off, as the driver's does."""
        self.session.advance(self.now)
        if self.session.outgoing.keepalive_due:
            self.flush()

    def settle(self) -> None:
        """Connections are asked for and given up, and what is due goes out."""
        for _ in range(10_000):
            commands = self.session.take_commands()
            for command in commands:
                if isinstance(command, OpenConnection):
                    self.opening.append(command)
                elif isinstance(command, CloseConnection):
                    self.servers.pop(command.id, None)
                    self.opening = [each for each in self.opening if each.id != command.id]
            moved = bool(commands)
            for link, server in list(self.servers.items()):
                out = self.session.next_outgoing(link, self.now)
                if out is not None:
                    server.take(out)
                    moved = True
            self.events += self.session.events
            self.session.events.clear()
            if not moved:
                return
        raise AssertionError("the session never comes to rest")
