"""Plays a call of `scenarios` to a listener, in the time of the loop.

`play` gives a `Line` each frame and cue when it is due, and does the faults to the peer server.
A test of a framework writes a `Line` that puts frames into its pipeline or session; `StreamLine`
is the one for a `PulseStream`, and `PerfectLine` the recognizer that knows what is said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pulse_plugins.core.base.events import AudioLost, Event, Final
from pulse_plugins.core.client.stream import PulseStream
from tests.support.peer import Peer
from tests.support.scenarios import (
    BlackHole,
    Call,
    Change,
    Close,
    Cue,
    Cut,
    EndTurn,
    Finalize,
    Frame,
    Mute,
    Outage,
    Spoken,
    Voice,
    differences,
)


class Line:
    """What a call is played to; a listener overrides what it can do."""

    async def audio(self, samples: NDArray[np.int16]) -> None:
        """20 ms of audio, mono."""

    async def voice(self, *, speaks: bool) -> None:
        """The local voice detector says that the caller speaks, or no longer speaks."""

    async def finalize(self) -> None:
        """The application asks for the words so far."""

    async def end_turn(self) -> None:
        """The caller's turn is over; a push-to-talk button is released."""

    async def change(self, options: Mapping[str, object]) -> None:
        """The application changes options."""

    async def mute(self, *, on: bool) -> None:
        """The application mutes the recognition, or ends that."""


async def play(
    call: Call,
    line: Line,
    server: Peer | None = None,
    *,
    rate: int = 16_000,
    start_seconds: float = 0.2,
    stop_seconds: float = 0.2,
) -> None:
    """Play the whole call; returns when its last moment is over.

    Args:
        call: What happens.
        line: What hears it.
        server: What the faults happen to; without one they do not happen.
        rate: Hz of the audio.
        start_seconds: How long the local voice detector needs to hear that speech began.
        stop_seconds: How long it waits until it says that speech ended.
    """
    loop = asyncio.get_running_loop()
    timeline, began = call.timeline(rate), loop.time()
    for due, cue in timeline.cues(start_seconds, stop_seconds):
        await asyncio.sleep(max(0.0, began + due - loop.time()))
        if isinstance(cue, Cut | Outage | BlackHole | Close):
            if server is not None:
                await fail(server, cue)
        else:
            await _tell(line, cue)
    await asyncio.sleep(max(0.0, began + timeline.seconds - loop.time()))


async def _tell(line: Line, cue: Cue) -> None:
    match cue:
        case Frame(samples):
            await line.audio(samples)
        case Voice(speaks):
            await line.voice(speaks=speaks)
        case Finalize():
            await line.finalize()
        case EndTurn():
            await line.end_turn()
        case Change(options):
            await line.change(options)
        case Mute(on):
            await line.mute(on=on)


async def fail(server: Peer, fault: Cut | Outage | BlackHole | Close) -> None:
    """Do this to every connection that is open."""
    match fault:
        case Cut(statuses):
            server.habits.refusals = list(statuses)
        case Outage(seconds):
            server.is_out = True
            asyncio.get_running_loop().call_later(seconds, setattr, server, "is_out", False)
    for link in server.open_links:
        match fault:
            case Cut() | Outage():
                link.cut()
            case BlackHole():
                await link.black_hole()
            case Close(code):
                await link.socket.close(code)


@dataclass
class StreamLine(Line):
    """A `PulseStream` whose owner finalizes as a voice detector says that speech ended.

    Attributes:
        stream: The stream, which `listen` reads.
        events: What came, in order.
        asked: The finalize requests.
    """

    stream: PulseStream
    events: list[Event] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    _is_muted: bool = False

    async def listen(self) -> None:
        """Read the stream to its end; raises its error."""
        async for event in self.stream:
            self.events.append(event)

    async def audio(self, samples: NDArray[np.int16]) -> None:
        if not self._is_muted:
            self.stream.push(samples.tobytes())

    async def voice(self, *, speaks: bool) -> None:
        if not speaks:
            await self.finalize()

    async def finalize(self) -> None:
        self.asked.append(self.stream.request_finalize())

    async def change(self, options: Mapping[str, Any]) -> None:
        self.stream.update(self.stream.options.changed(**options))

    async def mute(self, *, on: bool) -> None:
        self._is_muted = on

    @property
    def finals(self) -> list[Final]:
        return [event for event in self.events if isinstance(event, Final)]

    @property
    def words(self) -> list[str]:
        """Of all finals, without case and punctuation."""
        return [word.strip(".,").lower() for f in self.finals for word in f.text.split()]

    @property
    def answered(self) -> list[int]:
        """The finalize ids of the finals, in order."""
        return [f.finalize_id for f in self.finals if f.finalize_id is not None]

    @property
    def lost(self) -> list[AudioLost]:
        return [event for event in self.events if isinstance(event, AudioLost)]

    def check(self, call: Call) -> None:
        """Each word came once and in order, and each request was answered once, in order."""
        assert differences([call.words], [" ".join(self.words)]) == []
        assert self.lost == []
        assert self.answered == sorted(set(self.answered))
        assert not self.asked or self.answered[-1] == self.asked[-1]


@dataclass(frozen=True, slots=True)
class Heard:
    """What a perfect recognizer says.

    Attributes:
        text: All words of the utterance so far.
        is_final: The utterance is over.
        is_answer: It answers `PerfectLine.finalize`; the text is empty if there are no words.
        at: Seconds of audio heard.
    """

    text: str
    is_final: bool
    is_answer: bool = False
    at: float = 0.0


class PerfectLine(Line):
    """Knows what is said, and where an utterance ends, from the audio that came; says it late.

    Interims carry all words of the open utterance. One final comes when its end is known: at a
    finalize, or once the turn's last word was heard and `quiet` seconds of audio have followed.
    The service's own latency is all that it shares with a real recognizer.

    Args:
        call: The call that is played.
        say: Called with each result when it is due.
        latency: Seconds from the audio to its result.
        quiet: Seconds of audio after a turn's last word until it is known to be over.
    """

    def __init__(
        self, call: Call, say: Callable[[Heard], object], *, latency: float, quiet: float = 0.3
    ) -> None:
        self._rest = [word for word in call.spoken if word.wanted]
        self._say = say
        self._latency = latency
        self._quiet = quiet
        self._open: list[Spoken] = []
        self._given = 0.0
        self._rate = 16_000

    async def audio(self, samples: NDArray[np.int16]) -> None:
        self.hear(len(samples) / self._rate)

    def hear(self, seconds: float) -> None:
        """Take so much audio; what a plugin that is no `Line` calls."""
        self._given += seconds
        while self._rest and self._rest[0].heard_at <= self._given + 1e-6:
            self._open.append(self._rest.pop(0))
            self._later(is_final=False)
        if self._open and self._is_over():
            self._later(is_final=True)

    def _is_over(self) -> bool:
        last = self._open[-1]
        goes_on = bool(self._rest) and self._rest[0].turn == last.turn
        return not goes_on and self._given - last.heard_at >= self._quiet

    async def finalize(self) -> None:
        self.answer()

    def answer(self) -> None:
        """A flush: the words so far come as a final."""
        self._later(is_final=True, is_answer=True)

    def _later(self, *, is_final: bool, is_answer: bool = False) -> None:
        text = " ".join(word.text for word in self._open)
        heard = Heard(text, is_final, is_answer, self._given)
        if is_final:
            self._open = []
        asyncio.get_running_loop().call_later(self._latency, self._say, heard)
