"""A simulated caller: speaks the Twilio Media Streams protocol, plays recorded lines, and listens.

    python -m examples.phone_agent.simulate_call                      # books a table
    python -m examples.phone_agent.simulate_call --script correct --save call.wav

A script has these steps:

    line      say a line of `lines/`, after the agent has finished
    !line     say it while the agent speaks
    #keys     press keys
    hang up   hang up in the middle of a sentence

The program prints both sides of the call as it happens. The agent sends its words only to this
program: a media stream of Twilio has audio alone. `--save` writes both sides as a stereo WAV file,
the caller left and the agent right.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import numpy as np
import soundfile
from numpy.typing import NDArray
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from examples.phone_agent.bookings import BookingError, default_store
from examples.phone_agent.dial import Announced, CallError, announce, signed
from examples.phone_agent.lines import LINES, RATE, load
from examples.phone_agent.settings import SettingError
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

Tell = Callable[[str, str], None]  # is called with who does something, and what


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


def tell_nothing(who: str, what: str) -> None:
    """Ignore what happens in a call."""


class Caller:
    """One end of a call, in real time: every 20 ms it sends 20 ms and plays 20 ms.

    Args:
        socket: The media stream.
        announced: The call that the webhook answered.
        tell: Is called with each thing that happens.
    """

    def __init__(self, socket: ClientConnection, announced: Announced, tell: Tell) -> None:
        self._socket = socket
        self._announced = announced
        self._tell = tell
        self._stream = f"MZ{uuid4().hex}"
        self._saying: list[bytes] = []
        self._heard = bytearray()  # of the agent, not played yet
        self._marks: list[tuple[int, str]] = []  # bytes still to play before each
        self._sequence = 0
        self._both: list[tuple[bytes, bytes]] = []
        self._audible_at = 0.0  # when the agent was heard last
        self._began_at: float | None = None  # when the present answer began
        self._moved = asyncio.Condition()
        self._segment: object = None  # the newest segment of the agent's words
        self._random = np.random.default_rng(0)
        self.outcome = Outcome()

    async def call(self, steps: Sequence[str]) -> Outcome:
        """Play a script.

        Raises:
            CallError: The agent does not answer.
        """
        await self.begin()
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
            if hearing.done():
                break
            if interrupts:
                await self._wait(_INTERRUPT_AFTER)
            if step == "hang up":
                await self._hang_up(hearing)
                return
            spoken = await self._take_turn(step, hearing)
            await self._until(self._is_speaking, hearing)
            if self._began_at is not None:
                self.outcome.answered_after.append(self._began_at - spoken)
                self._tell("agent", f"(answers after {self._began_at - spoken:.2f} s)")
        with suppress(CallError):
            await self._until(lambda: False, hearing)
        self.outcome.hung_up = hearing.done()
        if self.outcome.hung_up:
            self._tell("agent", "(hangs up)")

    async def _take_turn(self, step: str, hearing: asyncio.Task[None]) -> float:
        """Say a line or press keys; returns the time at which that was over."""
        self._began_at = None
        if step.startswith("#"):
            self._tell("caller", f"(presses {step[1:]})")
            for key in step[1:]:
                await self._send(event="dtmf", dtmf={"track": "inbound_track", "digit": key})
            return time.monotonic()
        line = step.lstrip("!")
        self._tell("caller", ("(interrupts) " if line != step else "") + LINES[line])
        self._say(load(line))
        await self._until(lambda: not self._saying, hearing)
        self._began_at = None  # what the agent said before that is not an answer
        return time.monotonic()

    async def _hang_up(self, hearing: asyncio.Task[None]) -> None:
        self._tell("caller", LINES["phone"])
        self._say(load("phone")[:RATE])
        await self._until(lambda: len(self._saying) < 10, hearing)
        self._tell("caller", "(hangs up)")
        await self._send(event="stop", stop={})

    async def begin(self) -> None:
        """Send the first two messages of a media stream."""
        await self._socket.send(
            json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        )
        start = {
            "accountSid": "AC" + "0" * 32,
            "streamSid": self._stream,
            "callSid": self._announced.call,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": RATE, "channels": 1},
            "customParameters": {**self._announced.parameters, "captions": "yes"},
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
                match message.get("event"):
                    case "media":
                        self._heard += base64.b64decode(message["media"]["payload"])
                    case "clear":
                        if self._heard:
                            self.outcome.interrupted += 1
                        self._heard.clear()
                        await self._pass_marks(1 << 40)
                    case "mark":
                        self._marks.append((len(self._heard), message["mark"]["name"]))
                    case None:
                        self._caption(message)
        async with self._moved:  # `_play` has ended as well, and notifies nobody any more
            self._moved.notify_all()

    def _caption(self, message: dict[str, Any]) -> None:
        """Show the words of an RTVI message."""
        words = message.get("data") or {}
        match message.get("type"):
            case "user-transcription" if words.get("final"):
                self._tell("heard", words["text"])
            case "bot-output" if words.get("spoken_status") != "in-progress":
                if words.get("segment_id") != self._segment:
                    self._tell("agent", words["text"])
                self._segment = words.get("segment_id")

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


async def call(webhook: str, steps: Sequence[str], tell: Tell = tell_nothing) -> Outcome:
    """Make a call.

    Args:
        webhook: Such as `http://127.0.0.1:7860/twilio`.
        steps: The script, as in `SCRIPTS`.
        tell: Is called with each thing that happens: "caller", "heard" or "agent", and what.

    Raises:
        CallError: The agent refuses the call, or stops answering.
    """
    announced = await announce(webhook)
    headers = signed(announced.url, {})
    async with connect(announced.url, additional_headers=headers, compression=None) as socket:
        return await Caller(socket, announced, tell).call(steps)


def _decoded(frames: object) -> NDArray[np.int16]:
    return decode(b"".join(frames), "mulaw").astype(np.int16)  # type: ignore[arg-type]


class Printer:
    """Prints a call as it happens, with the seconds since its beginning."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __call__(self, who: str, what: str) -> None:
        """Print one line."""
        print(f"{time.monotonic() - self._began:6.1f} s  {who:<6}  {what}", flush=True)


async def make_call(webhook: str, script: str, save: Path | None) -> None:
    """Call, and print what happens and which booking the call added to the database."""
    store = default_store()
    before = Counter(await store.all())
    outcome = await call(webhook, SCRIPTS[script], Printer())
    if save is not None:
        soundfile.write(save, np.stack((outcome.caller, outcome.agent), axis=1), RATE)
    added = [each.in_words for each in Counter(await store.all()) - before]
    print(f"new booking in the database: {added[0] if added else 'none'}")


def main() -> None:
    """Read the command line, and call."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.phone_agent.simulate_call",
        description="Calls the phone agent, and prints the call.",
    )
    parser.add_argument(
        "--url",
        default="http://127.0.0.1:7860/twilio",
        help="the agent's webhook (default: http://127.0.0.1:7860/twilio)",
    )
    parser.add_argument("--script", choices=sorted(SCRIPTS), default="book", help="default: book")
    parser.add_argument("--save", type=Path, metavar="WAV", help="write both sides, in stereo")
    given = parser.parse_args()
    if given.save and not (given.save.suffix.lower() == ".wav" and given.save.parent.is_dir()):
        parser.error(f"--save {given.save}: name a .wav file in a folder that exists")
    try:
        asyncio.run(make_call(given.url, given.script, given.save))
    except aiohttp.ClientConnectorError:
        raise SystemExit(
            f"no call: nothing listens at {given.url}: start the agent with "
            "`python -m examples.phone_agent`, or name another one with --url"
        ) from None
    except (CallError, OSError, aiohttp.ClientError, WebSocketException) as error:
        raise SystemExit(f"no call: {error}") from None
    except (BookingError, SettingError) as error:
        raise SystemExit(str(error)) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
