"""A caller: speaks the Twilio Media Streams protocol, plays recorded lines, and listens.

    python -m examples.phone_agent.simulate_call                      # books a table
    python -m examples.phone_agent.simulate_call --script correct --save call.wav

Steps: a line of `lines/` (after the agent has finished), `!line` (interrupts the agent), `#keys`
(presses them), `hang up`. Both sides are saved as a stereo WAV: the caller left, the agent right.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4
from xml.etree import ElementTree

import aiohttp
import numpy as np
import soundfile
from numpy.typing import NDArray
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from examples.phone_agent.bookings import BookingError, default_store
from examples.phone_agent.lines import RATE, load
from examples.phone_agent.telephone import signature
from pulse_plugins.core.audio.formats import decode, encode

SCRIPTS = {
    "book": ("table", "name", "phone", "yes"),
    "correct": ("table", "six", "name", "phone", "no", "time", "yes"),
    "step": ("party", "day", "time", "name", "phone", "yes"),
    "mishear": ("party", "unclear", "repeat", "day", "time", "name", "phone", "yes"),
    "interrupt": ("!table", "name", "!phone", "yes"),
    "keys": ("table", "name", "#5550142#", "yes"),
    "human": ("table", "human"),
    "hang up": ("table", "hang up"),
}
_FRAME = 160  # samples: 20 ms
_QUIET = 0.6  # seconds without audio from the agent: it has finished
_PATIENCE = 15.0  # seconds to wait for an answer
_INTERRUPT_AFTER = 0.8  # seconds of the agent's speech
_NOISE = 10.0  # steps of 16 bit: no line is silent, and a recognizer trained on speech expects it


class CallError(RuntimeError):
    """The call could not be made, or the agent did not answer."""


@dataclass(slots=True)
class Outcome:
    """What became of a call.

    Attributes:
        answered_after: Seconds from the end of each line to the agent's first audio.
        interrupted: How often the agent stopped speaking when the caller did.
        hung_up: Whether the agent ended the call.
        caller: What the caller said, 8 kHz.
        agent: What the caller heard, on the same clock.
    """

    answered_after: list[float] = field(default_factory=list)
    interrupted: int = 0
    hung_up: bool = False
    caller: NDArray[np.int16] = field(default_factory=lambda: np.empty(0, np.int16))
    agent: NDArray[np.int16] = field(default_factory=lambda: np.empty(0, np.int16))


class Caller:
    """One end of a call, in real time: 20 ms out, 20 ms of what has come in."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._stream = f"MZ{uuid4().hex}"
        self._saying: list[bytes] = []
        self._heard = bytearray()  # of the agent, not played yet
        self._marks: list[tuple[int, str]] = []  # bytes still to play before each
        self._sequence = 0
        self._both: list[tuple[bytes, bytes]] = []
        self._audible_at = 0.0  # when the agent was heard last
        self._began_at: float | None = None  # when the present answer began
        self._moved = asyncio.Condition()
        self._random = np.random.default_rng(0)
        self.outcome = Outcome()

    async def call(self, steps: Sequence[str]) -> Outcome:
        """Play a script.

        Raises:
            CallError: The agent does not answer.
        """
        await self._greet()
        playing = asyncio.create_task(self._play())
        hearing = asyncio.create_task(self._hear())
        try:
            await self._follow(steps, hearing)
        finally:
            for task in (playing, hearing):
                task.cancel()
            await asyncio.gather(playing, hearing, return_exceptions=True)
            await self._socket.close()
        self.outcome.caller = _decoded(mine for mine, _ in self._both)
        self.outcome.agent = _decoded(theirs for _, theirs in self._both)
        return self.outcome

    async def _follow(self, steps: Sequence[str], hearing: asyncio.Task[None]) -> None:
        for step in steps:
            interrupts = step.startswith("!")
            await self._until(self._is_speaking if interrupts else self._has_finished, hearing)
            if interrupts:
                await self._wait(_INTERRUPT_AFTER)
            if step == "hang up":
                self._say(load("phone")[:RATE])  # in mid-sentence
                await self._until(lambda: len(self._saying) < 10, hearing)
                await self._send(event="stop", stop={})
                return
            self._began_at = None
            if step.startswith("#"):
                for key in step[1:]:
                    await self._send(event="dtmf", dtmf={"track": "inbound_track", "digit": key})
                spoken = time.monotonic()
            else:
                self._say(load(step.lstrip("!")))
                await self._until(lambda: not self._saying, hearing)
                spoken, self._began_at = time.monotonic(), None  # what it said before is no answer
            await self._until(self._is_speaking, hearing)
            if self._began_at is not None:
                self.outcome.answered_after.append(self._began_at - spoken)
        with suppress(CallError):
            await self._until(lambda: False, hearing)
        self.outcome.hung_up = hearing.done()

    async def _greet(self) -> None:
        await self._socket.send(
            json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        )
        start = {
            "accountSid": "AC" + "0" * 32,
            "streamSid": self._stream,
            "callSid": f"CA{uuid4().hex}",
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": RATE, "channels": 1},
            "customParameters": {},
        }
        await self._send(event="start", start=start)

    def _say(self, samples: NDArray[np.int16]) -> None:
        octets = encode(samples.astype(np.float64), "mulaw")
        self._saying += [octets[at : at + _FRAME] for at in range(0, len(octets), _FRAME)]

    async def _play(self) -> None:
        """Both directions on one clock, as a telephone does."""
        began, sent = time.monotonic(), 0
        with suppress(ConnectionClosed):
            while True:
                mine = self._saying.pop(0) if self._saying else b""
                mine += self._line_noise(_FRAME - len(mine))
                theirs = bytes(self._heard[:_FRAME])
                del self._heard[:_FRAME]
                self._both.append((mine, theirs.ljust(_FRAME, b"\xff")))
                if theirs:
                    self._audible_at = time.monotonic()
                    self._began_at = self._began_at or self._audible_at
                await self._pass_marks(len(theirs))
                media = {
                    "track": "inbound",
                    "chunk": str(sent + 1),
                    "timestamp": str(sent * 20),
                    "payload": base64.b64encode(mine).decode(),
                }
                await self._send(event="media", media=media)
                sent += 1
                async with self._moved:
                    self._moved.notify_all()
                await asyncio.sleep(max(0.0, began + sent * 0.02 - time.monotonic()))

    def _line_noise(self, samples: int) -> bytes:
        return encode(self._random.normal(0.0, _NOISE, samples), "mulaw")

    async def _hear(self) -> None:
        with suppress(ConnectionClosed):
            async for data in self._socket:
                message = json.loads(data)
                match message["event"]:
                    case "media":
                        self._heard += base64.b64decode(message["media"]["payload"])
                    case "clear":
                        if self._heard:
                            self.outcome.interrupted += 1
                        self._heard.clear()
                        await self._pass_marks(1 << 40)
                    case "mark":
                        self._marks.append((len(self._heard), message["mark"]["name"]))

    async def _pass_marks(self, played: int) -> None:
        """Tell the agent which of its marks were heard."""
        self._marks = [(left - played, name) for left, name in self._marks]
        while self._marks and self._marks[0][0] <= 0:
            await self._send(event="mark", mark={"name": self._marks.pop(0)[1]})

    async def _send(self, **message: object) -> None:
        self._sequence += 1
        numbered = {"sequenceNumber": str(self._sequence), "streamSid": self._stream, **message}
        await self._socket.send(json.dumps(numbered))

    def _is_speaking(self) -> bool:
        return self._began_at is not None

    def _has_finished(self) -> bool:
        return self._is_speaking() and time.monotonic() - self._audible_at > _QUIET

    async def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        async with self._moved:
            await self._moved.wait_for(lambda: time.monotonic() >= until)

    async def _until(self, is_so: object, hearing: asyncio.Task[None]) -> None:
        """Wait until it is so, or the agent has hung up."""
        assert callable(is_so)
        try:
            async with asyncio.timeout(_PATIENCE), self._moved:
                await self._moved.wait_for(lambda: is_so() or hearing.done())
        except TimeoutError:
            raise CallError("the agent does not answer") from None


async def media_url(webhook: str) -> str:
    """Ask the webhook, as Twilio does when a call comes in, where the audio goes.

    Args:
        webhook: `http://host:port/twilio`.

    Raises:
        CallError: The agent refuses the call.
    """
    fields = {"CallSid": f"CA{uuid4().hex}", "From": "+15555550142", "To": "+15555550100"}
    headers = {}
    if token := os.environ.get("TWILIO_AUTH_TOKEN"):
        headers["X-Twilio-Signature"] = signature(token, webhook, fields)
    async with (
        aiohttp.ClientSession() as session,
        session.post(webhook, data=fields, headers=headers) as response,
    ):
        document = await response.text()
        if response.status != 200:
            raise CallError(f"the webhook answers HTTP {response.status}")
    stream = ElementTree.fromstring(document).find("./Connect/Stream")
    if stream is None:
        verb = re.search(r"<Response><(\w+)", document)
        raise CallError(f"the agent does not take the call: {verb[1] if verb else 'no verb'}")
    return stream.attrib["url"]


async def call(webhook: str, steps: Sequence[str]) -> Outcome:
    """Make a call.

    Args:
        webhook: `http://host:port/twilio`.
        steps: As in `SCRIPTS`.

    Raises:
        CallError: The agent refuses the call, or stops answering.
    """
    url = await media_url(webhook)
    headers = {}
    if token := os.environ.get("TWILIO_AUTH_TOKEN"):
        headers["X-Twilio-Signature"] = signature(token, url, {})
    async with connect(url, additional_headers=headers, compression=None) as socket:
        return await Caller(socket).call(steps)


def _decoded(frames: object) -> NDArray[np.int16]:
    return decode(b"".join(frames), "mulaw").astype(np.int16)  # type: ignore[arg-type]


async def main() -> None:
    """Call, and print what came of it."""
    parser = argparse.ArgumentParser(description="Calls the phone agent.")
    parser.add_argument("--url", default="http://127.0.0.1:7860/twilio", help="the webhook")
    parser.add_argument("--script", choices=sorted(SCRIPTS), default="book")
    parser.add_argument("--save", type=Path, metavar="WAV", help="both sides, in stereo")
    given = parser.parse_args()
    try:
        outcome = await call(given.url, SCRIPTS[given.script])
    except (CallError, OSError, aiohttp.ClientError) as error:
        raise SystemExit(f"no call: {error}") from None
    for number, seconds in enumerate(outcome.answered_after, 1):
        print(f"turn {number}: answered after {seconds:.2f} s")
    if given.save is not None:
        soundfile.write(given.save, np.stack((outcome.caller, outcome.agent), axis=1), RATE)
    try:
        bookings = await default_store().all()
    except BookingError as error:
        raise SystemExit(str(error)) from None
    print(f"in the database: {bookings[-1] if bookings else 'no booking'}")


if __name__ == "__main__":
    asyncio.run(main())
