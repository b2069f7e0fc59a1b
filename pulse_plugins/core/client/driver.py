"""Drives one session: its sockets, its tasks and its one timer.

After every input `step` does the same four things: it opens and closes the connections that the
session names, writes what is due, dispatches events, and sets the timer to the next deadline. If
the socket has room, a packet is written before `push` returns. If the socket is full, one task
writes and waits for the socket. The driver holds no reference to the `PulseStream`, so that a
stream that the user has dropped can be garbage-collected and its driver ended.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from pulse_plugins.core.audio.packetizer import Packetizer
from pulse_plugins.core.base.errors import InternalError, PulseError
from pulse_plugins.core.client import packet_length
from pulse_plugins.core.client.dispatcher import Dispatcher
from pulse_plugins.core.client.websocket import WebSocket, open_websocket
from pulse_plugins.core.session.commands import Command, OpenConnection
from pulse_plugins.core.session.session import Session
from pulse_plugins.core.session.state import State

_CLOSED = State.CLOSED  # a member of an enum is slow to look up
_log = logging.getLogger("pulse_plugins.stream")


@dataclass(slots=True)
class _Socket:
    """An open connection, and the task that writes to it while it is full."""

    web: WebSocket
    connection: int
    writer: asyncio.Task[None] | None = None


class Driver:
    """The asyncio side of one stream.

    Args:
        session: The session that is driven.
        packetizer: Cuts the audio that is pushed.
        dispatcher: Takes the events.
        name: For tasks and logs.

    Attributes:
        loop: The event loop that drives; None before `start`.
        progress: Is set whenever something was sent, and at the end.
    """

    def __init__(
        self, session: Session, packetizer: Packetizer, dispatcher: Dispatcher, name: str
    ) -> None:
        self.session = session
        self.packetizer = packetizer
        self.dispatcher = dispatcher
        self.name = name
        self.loop: asyncio.AbstractEventLoop | None = None
        self.progress = asyncio.Event()
        self._sockets: dict[int, _Socket] = {}
        self._newest: _Socket | None = None  # live audio is tried on this one
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._time: Callable[[], float]  # of the loop; each input asks for the loop first

    # Inputs.

    def start(self) -> None:
        """Begin to connect."""
        self._attach()
        if self.session.options.packet_ms is None:
            packet_length.started(self.packetizer)
        self.session.start(self._time())
        self.step()

    def push(self, data: bytes) -> None:
        """Add audio; live audio takes this way and no other."""
        packets = self.packetizer.add(data)
        if packets is None:
            return
        if self.loop is None:
            self._attach()
        now = self._time()
        session, socket = self.session, self._newest
        all_sent = True
        for packet in packets:
            if (
                socket is not None
                and socket.writer is None
                and socket.web.is_free()
                and session.outgoing.live(packet, socket.connection, now)
            ):
                try:
                    socket.web.send(packet)
                except Exception as failed:
                    self._give_up(socket.connection, failed)
                    socket = None
                    all_sent = False
            else:
                session.audio(packet, now)
                all_sent = False
        if not all_sent:
            self.step()

    def flush(self) -> None:
        """Give the session all audio that was pushed."""
        self._attach()
        now = self._time()
        for packet in self.packetizer.flush():
            self.session.audio(packet, now)

    def finalize(self) -> int:
        """Ask for the words of all audio so far; returns the request's id."""
        self.flush()
        request_id = self.session.finalize(self._time())
        self.dispatcher.hooks.asked(request_id)
        self.step()
        return request_id

    def end(self) -> None:
        """No more audio will come."""
        self._attach()
        self.session.end(self._time())
        self.step()

    def abort(self) -> None:
        """End at once."""
        self.session.abort()
        self.step()

    def abort_from_anywhere(self) -> None:
        """End at once, from any thread and even after the event loop was closed."""
        if self.loop is None or self.loop.is_closed():
            self.session.abort()
            packet_length.ended(self.packetizer)
            self.dispatcher.hooks.ended()
            return
        self.loop.call_soon_threadsafe(self.abort)

    def now(self) -> float:
        """The clock of the session."""
        self._attach()
        return self._time()

    async def wait_closed(self) -> None:
        """Wait until no task and no socket is left."""
        while self._tasks:
            await asyncio.wait(list(self._tasks.values()))
        await asyncio.sleep(0)  # an aborted transport closes its socket in the next round

    # One step.

    def step(self) -> None:
        """Carry out the outputs of the session. Called after every input; never waits."""
        session = self.session
        for command in session.take_commands():
            self._obey(command)
        if self._sockets:
            now = self._time()
            for connection, socket in self._sockets.items():
                try:
                    while self._send_next(connection, socket, now):
                        pass
                except Exception as failed:
                    self._give_up(connection, failed)
        if session.events or session.state is _CLOSED:
            self._dispatch()
        self._arm()

    def _obey(self, command: Command) -> None:
        if isinstance(command, OpenConnection):
            task = asyncio.create_task(self._run(command), name=f"{self.name}.{command.id}")
            self._tasks[command.id] = task
            task.add_done_callback(partial(self._ended, command.id))
        else:  # it is still running: the session closes no connection whose end it was told
            self._tasks[command.id].cancel()

    def _ended(self, connection: int, _task: asyncio.Task[None]) -> None:
        """The task of a connection is over.

        Either the session knows, or the task was cancelled from outside, perhaps before it began,
        as at the end of an event loop. A new task would then be cancelled too.
        """
        del self._tasks[connection]
        error = PulseError("the connection's task was cancelled", code="cancelled")
        self.session.disconnected(connection, error, self._time())
        self.step()

    def _send_next(self, connection: int, socket: _Socket, now: float) -> bool:
        """Write the next message that is due; False: none is due, or the socket is full."""
        if socket.writer is not None:
            return False
        web = socket.web
        if not web.is_free():
            name = f"{self.name}.{connection}.write"
            socket.writer = asyncio.create_task(self._write(connection, socket), name=name)
            return False
        message = self.session.next_outgoing(connection, now)
        if message is None:
            return False
        web.send(message)
        self.progress.set()
        return True

    async def _write(self, connection: int, socket: _Socket) -> None:
        """Write at the pace of a socket that is full."""
        try:
            while (message := self.session.next_outgoing(connection, self._time())) is not None:
                await socket.web.send_patiently(message)
                self.progress.set()
                self._dispatch()
                self._arm()
        except Exception as failed:
            self._give_up(connection, failed)
            self.step()
        else:
            socket.writer = None
            self._arm()

    def _give_up(self, connection: int, failed: Exception) -> None:
        """End a connection after an unexpected exception; the session opens another one."""
        self.session.disconnected(connection, _internal(failed), self._time())
        self._tasks[connection].cancel()

    def _dispatch(self) -> None:
        session = self.session
        now, external = self._time(), session.options.external_session_id
        if session.events:
            self.dispatcher.dispatch(session.events, external, now)
        if session.state is _CLOSED:
            packet_length.ended(self.packetizer)
            self.progress.set()
            self.dispatcher.close(session.error, external, now)

    def _arm(self) -> None:
        """Set the timer to the session's deadline; a timer that goes off early does no harm."""
        deadline = self.session.deadlines.next()
        if self._timer is not None:
            if deadline is not None and self._timer.when() <= deadline:
                return
            self._timer.cancel()
            self._timer = None
        if deadline is not None and self.loop is not None:
            self._timer = self.loop.call_at(deadline, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.session.advance(self._time())
        if self.session.outgoing.keepalive_due:
            # Audio that waits for the rest of its packet goes out first: silence in its place
            # would cut a word in two.
            self.flush()
        self.step()

    # Connections.

    async def _run(self, command: OpenConnection) -> None:
        """One connection, from its handshake to its end.

        Whatever ends it, the session is told, here or by `_ended`: it decides about another
        connection.
        """
        error: PulseError | None
        try:
            error = await self._converse(command)
        except PulseError as refused:
            error = refused
        except Exception as failed:
            error = _internal(failed)
        self.session.disconnected(command.id, error, self._time())
        self.step()

    async def _converse(self, command: OpenConnection) -> PulseError | None:
        """Both directions until the connection ends; returns how it ended."""
        began = self._time()
        name = f"{self.name}.{command.id}"
        web = await open_websocket(command.options, command.url, name)
        socket = self._sockets[command.id] = self._newest = _Socket(web, command.id)
        try:
            self.session.connected(command.id, self._time(), self._time() - began)
            self.step()
            await web.converse(partial(self._received, command.id))
        finally:
            del self._sockets[command.id]
            self._newest = next(reversed(self._sockets.values()), None)
            if socket.writer is not None:
                socket.writer.cancel()
                await asyncio.gather(socket.writer, return_exceptions=True)
            await web.hang_up()
        # It runs, but coverage under Python 3.11 does not see the line behind this `finally`.
        return web.ending  # pragma: no cover

    def _received(self, connection: int, message: str | bytes) -> None:
        session = self.session
        is_calm = False
        try:
            is_calm = session.received(connection, message, self._time())
        except Exception as failed:
            self._give_up(connection, failed)
        if not is_calm:
            self.step()
        elif session.events:
            self._dispatch()

    def _attach(self) -> None:
        if self.loop is None:
            self.loop = asyncio.get_running_loop()
            self._time = self.loop.time


def _internal(failed: Exception) -> InternalError:
    """An error that names the exception's type; its text may hold what was said."""
    _log.error("an unexpected %s ended a connection", type(failed).__name__)
    return InternalError(f"an unexpected {type(failed).__name__} ended the connection")
