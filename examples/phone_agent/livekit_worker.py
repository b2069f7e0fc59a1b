"""The phone agent as a LiveKit worker, for rooms that SIP callers come into.

    python -m examples.phone_agent.livekit_worker --call    # no room, no server: a scripted caller
    python -m examples.phone_agent.livekit_worker dev       # a worker for LIVEKIT_URL
    python -m examples.phone_agent.livekit_worker start     # the same, for production

Without `OPENAI_API_KEY` the fixed dialogue answers, without `SMALLEST_API_KEY` eSpeak NG speaks and
the local Pulse server listens (`PULSE_URL`, or one is started); the log says so.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
import time
from collections.abc import Sequence

import numpy as np
from livekit import rtc
from livekit.agents import (
    Agent,
    AgentServer,
    AgentSession,
    JobContext,
    JobProcess,
    cli,
    inference,
)
from livekit.agents.types import NOT_GIVEN
from livekit.agents.voice import io

from examples.phone_agent.__main__ import local_pulse
from examples.phone_agent.bookings import BookingError, BookingStore, default_store
from examples.phone_agent.dialogue import Dialogue
from examples.phone_agent.lines import RATE, load
from examples.phone_agent.livekit_services import DialogueLLM, OfflineTTS
from pulse_plugins.livekit import STT

CALLS_PER_WORKER = 25  # what one machine of yours carries; measure, then set it
_FRAME = RATE // 50
_QUIET = 0.8  # seconds after the agent's last word before the caller speaks
_NOISE = 10.0  # steps of 16 bit
_log = logging.getLogger("phone_agent")

server = AgentServer()


class Receptionist(Agent):
    """Greets, and hangs up when the dialogue has ended."""

    def __init__(self, brain: DialogueLLM) -> None:
        super().__init__(instructions="Book a table.")
        self._brain = brain

    async def on_enter(self) -> None:
        """The call is answered."""
        self.session.say(self._brain.dialogue.greet().text)


def make_session(brain: DialogueLLM, vad: inference.VAD, stt: STT) -> AgentSession[None]:
    """The session of one call; it ends with the dialogue."""
    session: AgentSession[None] = AgentSession(
        stt=stt,
        vad=vad,
        llm=brain,
        tts=OfflineTTS(),
        aec_warmup_duration=None,
        # The dialogue remembers what it is told: it cannot be asked on the chance of a turn.
        turn_handling={"preemptive_generation": {"enabled": False}},
    )

    @session.on("agent_state_changed")
    def end(event) -> None:  # type: ignore[no-untyped-def]
        if brain.last.ends and event.new_state == "listening":
            session.shutdown()

    return session


def prewarm(process: JobProcess) -> None:
    """Load what every job of this process shares, before a caller waits for it."""
    process.userdata["vad"] = inference.VAD()


def load_of(worker: AgentServer) -> float:
    """How full this worker is, 0 to 1, for LiveKit's dispatcher: each job is one call."""
    return min(1.0, len(worker.active_jobs) / CALLS_PER_WORKER)


server.setup_fnc = prewarm
server.load_fnc = load_of


@server.rtc_session()
async def entrypoint(ctx: JobContext) -> None:
    """One call: a SIP participant's keys reach the dialogue as well."""
    stt = STT(language="en", external_session_id=ctx.room.name or None)
    brain = DialogueLLM(Dialogue(default_store()))
    session = make_session(brain, ctx.proc.userdata["vad"], stt)
    pressed: set[asyncio.Task[None]] = set()

    async def press(digit: str) -> None:
        reply = await brain.dialogue.press(digit)
        if reply is not None:
            brain.last = reply
            session.say(reply.text)

    @ctx.room.on("sip_dtmf_received")
    def on_key(event: rtc.SipDTMF) -> None:
        task = asyncio.create_task(press(event.digit))
        pressed.add(task)
        task.add_done_callback(pressed.discard)

    ctx.add_shutdown_callback(stt.aclose)
    await session.start(Receptionist(brain), room=ctx.room)


class Earpiece(io.AudioOutput):
    """What the agent says, played to nobody in real time."""

    def __init__(self) -> None:
        capabilities = io.AudioOutputCapabilities(pause=False)
        super().__init__(label="earpiece", capabilities=capabilities)
        self.spoken = 0.0  # seconds in all
        self.until = 0.0  # time.monotonic at which the last word is over
        self._segment = 0.0
        self._done: asyncio.TimerHandle | None = None

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        """Take a frame, perhaps faster than it is played."""
        await super().capture_frame(frame)
        if not self._segment:
            self.on_playback_started(created_at=time.time())
        self._segment += frame.duration
        self.spoken += frame.duration
        self.until = max(self.until, time.monotonic()) + frame.duration

    def flush(self) -> None:
        """The segment is complete; it is over when it was played."""
        super().flush()
        left = max(0.0, self.until - time.monotonic())
        self._done = asyncio.get_running_loop().call_later(left, self._finish, False)

    def clear_buffer(self) -> None:
        """The caller interrupts."""
        self.until = time.monotonic()
        if self._done is not None:
            self._done.cancel()
        self._finish(True)

    def _finish(self, interrupted: bool) -> None:
        position, self._segment, self._done = self._segment, 0.0, None
        if position:
            self.on_playback_finished(playback_position=position, interrupted=interrupted)


class Mouth(io.AudioInput):
    """A caller who says one line whenever the agent has finished."""

    def __init__(self, lines: Sequence[str], ear: Earpiece) -> None:
        super().__init__(label="caller")
        self._lines = list(lines)
        self._ear = ear
        self._heard = 0.0  # seconds of the agent that the last line answered
        self._saying = np.empty(0, np.int16)
        self._random = np.random.default_rng(0)
        self._began = 0.0
        self._sent = 0

    async def __anext__(self) -> rtc.AudioFrame:
        self._began = self._began or time.monotonic()
        self._sent += 1
        await asyncio.sleep(max(0.0, self._began + self._sent * 0.02 - time.monotonic()))
        ear = self._ear
        finished = ear.spoken > self._heard and time.monotonic() - ear.until > _QUIET
        if finished and self._lines and not len(self._saying):
            self._heard = ear.spoken
            self._saying = load(self._lines.pop(0))
        piece, self._saying = self._saying[:_FRAME], self._saying[_FRAME:]
        noise = self._random.normal(0.0, _NOISE, _FRAME - len(piece)).astype(np.int16)
        return rtc.AudioFrame(np.concatenate((piece, noise)).tobytes(), RATE, 1, _FRAME)


async def play(lines: Sequence[str], store: BookingStore, pulse_url: str | None) -> Dialogue:
    """A call without a room; returns when the agent has hung up.

    Args:
        lines: What the caller says, of `lines/`.
        store: Where the booking goes.
        pulse_url: A local Pulse server; None: the cloud.
    """
    brain = DialogueLLM(Dialogue(store))
    async with STT(language="en", base_url=pulse_url or NOT_GIVEN) as stt:
        session = make_session(brain, inference.VAD(), stt)
        ended = asyncio.Event()
        session.on("close", lambda _: ended.set())
        ear = Earpiece()
        session.input.audio, session.output.audio = Mouth(lines, ear), ear
        await session.start(Receptionist(brain), record=False)
        await ended.wait()
    return brain.dialogue


async def rehearse() -> None:
    """Book a table, and print what stands in the database."""
    named = os.environ.get("PULSE_URL")
    _log.warning("LLM is a stand-in: a fixed dialogue; TTS is a stand-in: eSpeak NG")
    async with local_pulse(1) as local:
        url = named or (local.url if local else None)
        dialogue = await play(("table", "name", "phone", "yes"), default_store(), url)
    try:
        bookings = await default_store().all()
    except BookingError as error:
        raise SystemExit(str(error)) from None
    print(f"in the database: {bookings[-1] if dialogue.booked else 'no booking'}")


def main() -> None:
    """A worker, or one call without a room."""
    if "--call" not in sys.argv:
        cli.run_app(server)
        return
    parser = argparse.ArgumentParser(description="One call, with no room and no server.")
    parser.add_argument("--call", action="store_true")
    parser.parse_args()
    asyncio.run(rehearse())


if __name__ == "__main__":
    main()
