"""What goes out on the connection that is heard, and in which order.

First a finalize request whose audio was sent, then audio at its pace, then the closing word, and a
keepalive when nothing else was sent for some time.
"""

from __future__ import annotations

from pulse_plugins.core.audio.formats import silence
from pulse_plugins.core.audio.packetizer import MAX_PACKET_BYTES
from pulse_plugins.core.audio.replay_buffer import ReplayBuffer
from pulse_plugins.core.config.in_force import OptionsInForce
from pulse_plugins.core.session.closing import Closing
from pulse_plugins.core.session.connection import Connection
from pulse_plugins.core.session.deadlines import Deadlines, Timer
from pulse_plugins.core.transcript.assembler import TranscriptAssembler

_KEEPALIVE_SILENCE = 0.1  # seconds; what the official Pipecat client sends


class Outgoing:
    """Chooses the next message of one stream.

    Args:
        in_force: The options.
        buffer: The audio.
        assembler: Its finalize requests are sent.
        closing: The end of the stream.
        deadlines: Where the timers KEEPALIVE, PACE and ANSWER are kept.
        encoding: Of the audio in the buffer.

    Attributes:
        keepalive_due: A keepalive goes out next, unless audio comes first.
        live_connection: The connection on which new audio is the next thing to send, or None.
        sent_bytes: Audio that was sent, replays included.
        replayed_bytes: Audio that was sent once more.
        silence_bytes: Silence that was sent as a keepalive.
    """

    def __init__(
        self,
        in_force: OptionsInForce,
        buffer: ReplayBuffer,
        assembler: TranscriptAssembler,
        closing: Closing,
        deadlines: Deadlines,
        encoding: str,
    ) -> None:
        self._in_force = in_force
        self._buffer = buffer
        self._assembler = assembler
        self._closing = closing
        self._deadlines = deadlines
        self._encoding = encoding
        self.keepalive_due = False
        self.live_connection: Connection | None = None
        self.sent_bytes = self.replayed_bytes = self.silence_bytes = 0

    def next(self, connection: Connection, now: float, *, draining: bool) -> bytes | str | None:
        """The next message, or None: nothing, or not yet.

        Args:
            connection: Is open, and is the one that is heard.
            now: The session's clock.
            draining: Audio from here on belongs to the next connection.
        """
        buffer = self._buffer
        if self._assembler.requests.has_open:
            message = self._finalize(connection, now)
            if message is not None:
                return message
        if draining:
            return None
        if buffer.has_unsent:
            if now >= connection.free_at:
                return self._packet(connection, now)
            self._deadlines.set(Timer.PACE, connection.free_at)
            return None
        if self._closing.began:
            return self._goodbye(connection, now)
        return self._keepalive(connection, now) if self.keepalive_due else None

    def live(self, packet: bytes, connection_id: int, now: float) -> bool:
        """Whether a new packet may go out on a connection at once; notes that it does.

        This is what `append` and `next` do together when nothing else is to be sent. Nearly all
        audio of a call takes this way, so that it costs no more than it must.
        """
        connection, buffer = self.live_connection, self._buffer
        if (
            connection is None
            or connection.id != connection_id
            or buffer.next_offset < buffer.end
            or now < connection.free_at
            or self.keepalive_due
        ):
            return False
        size = len(packet)
        buffer.append_sent(packet)
        connection.spend(now, size, size / buffer.bytes_per_second)
        self.sent_bytes += size
        return True

    def connection_changed(self, connection: Connection | None) -> None:
        """Another connection is heard, or none."""
        self.keepalive_due = False
        self._deadlines.set(Timer.PACE, None)
        if connection is None:
            self._deadlines.set(Timer.KEEPALIVE, None)
        else:
            self._arm(connection)

    def look_whether_idle(self, connection: Connection | None, now: float) -> None:
        """The timer KEEPALIVE went off: a keepalive is due, or something was sent since."""
        if connection is None or not connection.is_open or self._closing.began:
            return
        if now >= connection.last_sent_at + self._in_force.options.timeouts.keepalive:
            self.keepalive_due = True
        else:
            self._arm(connection)

    def _finalize(self, connection: Connection, now: float) -> str | None:
        requests, sent = self._assembler.requests, self._buffer.next_offset
        while (request := requests.due(sent)) is not None:
            self._assembler.sent(request, now)
            self._deadlines.set(Timer.ANSWER, requests.deadline())
            if (message := connection.options.row.finalize) is not None:
                connection.ask(now, sent)
                return message
        return None

    def _packet(self, connection: Connection, now: float) -> bytes:
        buffer = self._buffer
        at, high_water = buffer.next_offset, buffer.high_water
        packet = buffer.next_packet(self._assembler.requests.next_mark)
        size = len(packet)
        connection.spend(now, size, size / buffer.bytes_per_second)
        self.sent_bytes += size
        if at < high_water:
            self.replayed_bytes += min(size, high_water - at)
        if self.keepalive_due:
            self.keepalive_due = False
            self._arm(connection)
        if self._closing.began:
            self._closing.sent(now)
        return packet

    def _goodbye(self, connection: Connection, now: float) -> str | None:
        if connection.closing_at is not None:
            return None
        connection.closing_at = connection.last_sent_at = now
        self._closing.sent(now)
        return connection.options.row.close

    def _keepalive(self, connection: Connection, now: float) -> bytes | str:
        self.keepalive_due = False
        connection.last_sent_at = now
        self._arm(connection)
        message = connection.options.row.keepalive
        if message is not None:
            return message
        # Endpoints without a keepalive message take silence for one (docs/protocol.md, section
        # 4.1). The server counts it, the stream does not.
        seconds = min(_KEEPALIVE_SILENCE, MAX_PACKET_BYTES / self._buffer.bytes_per_second)
        quiet = silence(self._encoding, self._in_force.options.sample_rate, seconds)
        connection.clock.inserted(self._buffer.seconds(connection.sent_bytes), seconds)
        connection.sent_bytes += len(quiet)
        self.silence_bytes += len(quiet)
        return quiet

    def _arm(self, connection: Connection) -> None:
        at = connection.last_sent_at + self._in_force.options.timeouts.keepalive
        self._deadlines.set(Timer.KEEPALIVE, at)
