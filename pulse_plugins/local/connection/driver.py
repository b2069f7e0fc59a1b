"""Runs one WebSocket of the server: a reader, a worker that decodes in order, and a writer.

The reader fills a short queue and stops reading when the queue is full. The worker fills a second
queue and stops decoding when the client does not read. So a slow or hostile client delays only its
own connection. Faults happen here, at the sample, word or message that their condition names.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from aiohttp import ClientConnectionError, WSMessage, WSMsgType, web
from numpy.typing import NDArray

from pulse_plugins.local.connection.machine import Connection, Cut, Outgoing
from pulse_plugins.local.connection.records import ConnectionRecord, ControlRecord, ServerEvent
from pulse_plugins.local.connection.stall import Stall
from pulse_plugins.local.faults import Fault, Kind, Schedule, Trigger
from pulse_plugins.local.output.voice import Voice, emotion_of_stream
from pulse_plugins.local.recognizers.contract import Decoder, Recognizer
from pulse_plugins.local.recognizers.vad import SpeechDetector
from pulse_plugins.local.settings import ServerOptions
from pulse_plugins.local.wire.encodings import EncodingError, WireAudio, decoder_rate
from pulse_plugins.local.wire.messages import GARBAGE
from pulse_plugins.local.wire.parameters import Parameters

_LOG = logging.getLogger(__name__)
_SLICE_SECONDS = 0.1  # of audio that is decoded before other connections have their turn
_INBOX, _OUTBOX = 16, 256  # messages that may wait
_CLOSE_TIMEOUT = 2.0
_ENDS = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR)
_LOOK = 0.05  # seconds between two looks whether a client is still there, while nothing is read


@dataclass(frozen=True, slots=True)
class _Close:
    code: int
    reason: str = ""


class _GoneError(Exception):
    """This side of the connection is over; what still waits is dropped."""


class ConnectionDriver:
    """Runs one accepted connection."""

    def __init__(
        self,
        *,
        request: web.Request,
        socket: web.WebSocketResponse,
        parameters: Parameters,
        options: ServerOptions,
        recognizer: Recognizer,
        schedule: Schedule,
        record: ConnectionRecord,
        tell: Callable[[ServerEvent], None],
    ) -> None:
        self._request = request
        self._socket = socket
        self._options = options
        self._recognizer = recognizer
        self._schedule = schedule
        self._record = record
        self._tell = tell
        self._rate = decoder_rate(parameters.sample_rate, recognizer.sample_rates)
        self._wire = WireAudio(parameters.encoding, parameters.sample_rate, self._rate)
        self._speech = SpeechDetector(self._rate, silence_ms=parameters.endpointing_timeout * 1000)
        self._connection = Connection(parameters, options, record.session_id)
        estimates = parameters.model == "pulse-2" and (parameters.emotion or parameters.gender)
        self._voice = Voice(self._rate) if parameters.diarize or estimates else None
        self._trigger = Trigger(record.number)
        self._inbox: asyncio.Queue[bytes | str] = asyncio.Queue(_INBOX)
        self._outbox: asyncio.Queue[tuple[float, str | bytes | _Close]] = asyncio.Queue(_OUTBOX)
        self._stall = Stall()
        self._deaf = False  # a black hole
        self._late = 0.0  # seconds by which the next final is to be late
        self._due = 0.0  # when the last message leaves; none overtakes it
        self._samples = 0
        self._waiting: list[NDArray[np.int16]] = []  # less than a decoder's chunk

    async def run(self) -> None:
        """Serve until either side ends it."""
        tasks = [
            asyncio.create_task(self._read(), name="pulse-local-read"),
            asyncio.create_task(self._write(), name="pulse-local-write"),
        ]
        worker = asyncio.create_task(self._work(), name="pulse-local-work")
        worker.add_done_callback(lambda _: tasks[0].cancel() if _failed(worker) else None)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._stall.end()
            for task in (*tasks, worker):
                task.cancel()
            results = await asyncio.gather(*tasks, worker, return_exceptions=True)
            for result in results:
                self._report(result)
            if not self._socket.closed:
                failed = _failed(worker)
                with suppress(ConnectionError, asyncio.TimeoutError):
                    await self._socket.close(code=1011 if failed else 1000)
            if self._record.close_code is None:
                self._record.close_code = self._socket.close_code or 1006
            self._record.closed = True
            self._tell(ServerEvent("changed", self._record))

    async def shut(self) -> None:
        """Close the connection with 1001, because the server stops."""
        self._record.close_code = self._record.close_code or 1001
        self._stall.end()  # a stall would delay the close frame
        with suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                await self._socket.close(code=1001)

    def _report(self, result: BaseException | None) -> None:
        expected = (asyncio.CancelledError, _GoneError, ConnectionError, ClientConnectionError)
        if isinstance(result, Exception) and not isinstance(result, expected):
            # The type alone: a text could hold what was said.
            _LOG.error(
                "local Pulse server: connection %d failed with %s",
                self._record.number,
                type(result).__name__,
            )
            _LOG.debug("connection %d", self._record.number, exc_info=result)

    async def _read(self) -> None:
        """Take the client's messages until the connection ends or is idle for too long."""
        clock = asyncio.get_running_loop().time
        idle = self._options.idle_timeout
        deadline = None if idle is None else clock() + idle
        while True:
            if self._stall.active:
                if not await self._resumed():
                    return None
                deadline = None if idle is None else clock() + idle
            try:
                async with asyncio.timeout_at(None if self._deaf else deadline):
                    message = await self._socket.receive()
            except TimeoutError:
                if self._stall.active:
                    continue  # a client that is not read is not idle
                return await self._hang_up(_Close(1000, "idle"))
            if message.type in _ENDS:
                if self._record.close_code is None:
                    self._record.close_code = self._socket.close_code or 1006
                return None
            if await self._accept(message) and idle is not None:
                deadline = clock() + idle

    async def _accept(self, message: WSMessage) -> bool:
        """Take one message; whether it shows that the client is not idle."""
        match message.type:
            case WSMsgType.PING:
                if not self._deaf:
                    await self._socket.pong(message.data)
                return False
            case WSMsgType.BINARY:
                self._record.bytes_received += len(message.data)
                await self._take(bytes(message.data))
            case WSMsgType.TEXT:
                at_byte = self._record.bytes_received
                self._record.controls.append(ControlRecord(_type_of(message.data), at_byte))
                await self._take(message.data)
            case _:
                return False
        self._tell(ServerEvent("changed", self._record))
        return True

    async def _resumed(self) -> bool:
        """Wait while a stall lasts; whether the client is still there then.

        The client's end is noticed, unless the client left more unread than the operating system
        and aiohttp hold.
        """
        while self._stall.active:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stall.over(), _LOOK)
            transport = self._request.transport
            if transport is None or transport.is_closing():
                return False
        return True

    async def _take(self, message: bytes | str) -> None:
        if not self._deaf:
            await self._inbox.put(message)

    async def _hang_up(self, close: _Close) -> None:
        if self._record.close_code is None:
            self._record.close_code = close.code
        with suppress(ConnectionError):
            await self._socket.close(code=close.code, message=close.reason.encode())

    async def _write(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            due, message = await self._outbox.get()
            await asyncio.sleep(max(0.0, due - clock()))
            await self._stall.over()
            if self._deaf:
                continue
            if isinstance(message, _Close):
                return await self._hang_up(message)
            try:
                async with asyncio.timeout(self._options.send_timeout):
                    if isinstance(message, bytes):
                        await self._socket.send_bytes(message)
                    else:
                        await self._socket.send_str(message)
            except TimeoutError:
                return self._reset()

    async def _work(self) -> None:
        asked = self._connection.parameters
        decoder = await self._recognizer.open(
            sample_rate=self._rate, language=asked.recognized_as, keywords=asked.keywords
        )
        try:
            await self._meet_faults()
            await self._send_messages()
            while not self._connection.closed:
                message = await self._inbox.get()
                if isinstance(message, bytes):
                    await self._audio(decoder, message)
                else:
                    await self._control(decoder, message)
            await self._outbox.put((self._due, _Close(1000)))
        except _GoneError:
            pass
        finally:
            await decoder.close()
        while True:  # a reader that waits for room in the inbox would miss the end
            await self._inbox.get()

    async def _audio(self, decoder: Decoder, data: bytes) -> None:
        chunk = self._options.chunk_seconds * self._rate
        try:
            for piece in self._wire.feed(data):
                self._waiting.append(piece)
                if sum(map(len, self._waiting)) >= chunk:
                    await self._hear_waiting(decoder)
                await asyncio.sleep(0)  # the next piece is not decoded before others had their turn
        except EncodingError as error:
            self._connection.refuse(f"AudioDecodeError: {error}")
            await self._send_messages()
            await self._outbox.put((self._due, _Close(1003)))
            raise _GoneError from error

    async def _hear_waiting(self, decoder: Decoder) -> None:
        """Decode what has come together, slice by slice, stopping where a fault is due."""
        samples = np.concatenate(self._waiting) if self._waiting else np.empty(0, np.int16)
        self._waiting.clear()
        while len(samples):
            size = round(max(_SLICE_SECONDS, self._options.chunk_seconds) * self._rate)
            limit = self._schedule.limit(self._trigger)
            if limit is not None:
                size = min(size, max(1, round(limit * self._rate) - self._samples))
            piece, samples = samples[:size], samples[size:]
            edges = self._speech.feed(piece)
            if self._voice is not None:
                self._voice.feed(piece)
            words = await decoder.feed(piece)
            self._samples += len(piece)
            self._connection.heard(edges, self._speech.silence)
            if words is not None:
                self._connection.interim(words)
            self._record.audio_seconds = self._trigger.audio = self._samples / self._rate
            await self._meet_faults()
            while (cut := self._connection.due()) is not None:
                await self._finish(decoder, cut)
            await self._send_messages()
            await asyncio.sleep(0)  # a decoder that never waits must not keep the loop

    async def _control(self, decoder: Decoder, text: str) -> None:
        cut = self._connection.control(text)
        if cut is not None:
            self._waiting.append(self._wire.flush())
            await self._hear_waiting(decoder)
            self._trigger.finalizes += cut is Cut.FINALIZE
            self._trigger.closings += cut is Cut.CLOSE
            await self._meet_faults()
            await self._finish(decoder, cut)
        await self._send_messages()

    async def _finish(self, decoder: Decoder, cut: Cut) -> None:
        words = await decoder.finish_segment()
        if self._voice is None:
            self._connection.finished(words, cut)
        else:
            emotions = self._voice.emotions(words)
            self._connection.finished(
                self._voice.label(words),
                cut,
                emotion=None if emotions is None else emotion_of_stream(emotions),
                gender=self._voice.gender if emotions is not None else None,
            )
        await self._meet_faults()

    async def _send_messages(self) -> None:
        for outgoing in self._connection.messages():
            await self._send(outgoing)
        self._tell(ServerEvent("changed", self._record))

    async def _send(self, outgoing: Outgoing) -> None:
        options = self._options
        delay = options.latency_final if outgoing.is_final else options.latency_interim
        if outgoing.is_final:
            delay, self._late = delay + self._late, 0.0
            self._record.finals += 1
            self._tell(ServerEvent("final", self._record, outgoing.text))
        elif outgoing.is_interim:
            self._record.interims += 1
        self._due = max(self._due, asyncio.get_running_loop().time() + delay)
        await self._outbox.put((self._due, outgoing.data))

    async def _meet_faults(self) -> None:
        """Let happen what is due now.

        Raises:
            _GoneError: It ended the connection.
        """
        self._record.words = self._trigger.words = self._connection.word_count
        while (fault := self._schedule.due(self._trigger)) is not None:
            self._record.faults.append(str(fault))
            self._tell(ServerEvent("changed", self._record))
            await self._happen(fault)

    async def _happen(self, fault: Fault) -> None:
        match fault.kind:
            case Kind.STALL:
                self._stall.begin(fault.number)
            case Kind.LATE_FINAL:
                self._late += fault.number
            case Kind.GARBAGE:
                for message in GARBAGE:
                    await self._outbox.put((self._due, message))
            case Kind.TIMED_OUT:
                self._connection.time_out()
                await self._send_messages()
            case Kind.BLACKHOLE:
                self._deaf = True
                raise _GoneError
            case Kind.CLOSE if fault.number not in (1005, 1006, 1015):
                await self._send_messages()
                await self._outbox.put((self._due, _Close(int(fault.number))))
                raise _GoneError
            case Kind.ERROR:
                self._connection.refuse("Internal server error")
                await self._send_messages()
                await self._outbox.put((self._due, _Close(int(fault.number))))
                raise _GoneError
            case _:
                self._reset()
                raise _GoneError

    def _reset(self) -> None:
        """End the TCP connection with a reset: no close frame, and what waits is lost."""
        self._record.close_code = 1006
        transport = self._request.transport
        if transport is not None:
            raw = transport.get_extra_info("socket")
            if raw is not None:
                linger = struct.pack("ii", 1, 0)
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            transport.abort()


def _failed(task: asyncio.Task[None]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is not None


def _type_of(text: str) -> str:
    """The `type` of a client's message, as far as it is a plain word."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    kind = message.get("type") if isinstance(message, dict) else None
    return kind[:40] if isinstance(kind, str) else ""
