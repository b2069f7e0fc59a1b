"""The phone agent as a LiveKit worker, for rooms that SIP callers join.

    python -m examples.phone_agent.livekit_worker --call   # one call, without room and server

    python -m livekit.agents start --dev examples/phone_agent/livekit_worker.py   # a worker
    python -m livekit.agents start examples/phone_agent/livekit_worker.py         # for production

The fixed dialogue of this folder answers, and eSpeak NG speaks. PULSE_URL names the server that
listens. Without it, Pulse in the cloud listens, which needs SMALLEST_API_KEY; with `--call` and
without that key, the program starts the local Pulse server.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
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
    inference,
)
from livekit.agents.types import NOT_GIVEN
from livekit.agents.voice import io

from examples.phone_agent.__main__ import local_pulse
from examples.phone_agent.bookings import BookingError, BookingStore, default_store
from examples.phone_agent.dialogue import Dialogue
from examples.phone_agent.lines import RATE, load
from examples.phone_agent.livekit_services import DialogueLLM, OfflineTTS
from examples.phone_agent.pipecat_bot import MOST_SECONDS
from examples.phone_agent.settings import SettingError, setting
from pulse_plugins.livekit import STT

CALLS_PER_WORKER = 25  # measure how many calls one of your machines carries, and set it
_FRAME = RATE // 50
_QUIET = 0.8  # seconds after the agent's last word before the caller speaks
_NOISE = 10.0  # steps of 16 bit
_log = logging.getLogger("phone_agent")

server = AgentServer()


class Receptionist(Agent):
    """Greets the caller. The session answers the rest with the dialogue.

    Args:
        brain: The dialogue, in the place of a language model.
    """

    def __init__(self, brain: DialogueLLM) -> None:
        super().__init__(instructions="Book a table.")
        self._brain = brain

    async def on_enter(self) -> None:
        """Greet, when the call is answered."""
        self.session.say(self._brain.dialogue.greet().text)


def make_session(brain: DialogueLLM, vad: inference.VAD, stt: STT) -> AgentSession[None]:
    """Make the session of one call. The session ends when the dialogue ends.

    Args:
        brain: The dialogue, in the place of a language model.
        vad: Hears when the caller speaks.
        stt: Speech-to-text.
    """
    session: AgentSession[None] = AgentSession(
        stt=stt,
        vad=vad,
        llm=brain,
        tts=OfflineTTS(),
        aec_warmup_duration=None,
        # The dialogue remembers each turn, so it must not be asked before a turn is over.
        turn_handling={"preemptive_generation": {"enabled": False}},
    )

    @session.on("agent_state_changed")
    def end(event) -> None:  # type: ignore[no-untyped-def]
        if brain.last.ends and event.new_state == "listening":
            session.shutdown()

    return session


def prewarm(process: JobProcess) -> None:
    """Load what every job of this process shares, before the first caller waits for it."""
    process.userdata["vad"] = inference.VAD()


def load_of(worker: AgentServer) -> float:
    """How full this worker is, from 0 to 1, for LiveKit's dispatcher. Each job is one call."""
    return min(1.0, len(worker.active_jobs) / CALLS_PER_WORKER)


server.setup_fnc = prewarm
server.load_fnc = load_of


@server.rtc_session()
async def entrypoint(ctx: JobContext) -> None:
    """Answer one call.

    The job's id marks the call at the service, in logs and in traces. A room's name would not do:
    the room of a SIP call has the caller's telephone number in its name.
    """
    stt = STT(
        language="en", external_session_id=ctx.job.id, base_url=setting("PULSE_URL") or NOT_GIVEN
    )
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

    async def close() -> None:
        limit.cancel()
        await stt.aclose()

    limit = asyncio.create_task(end_after(session, MOST_SECONDS))
    ctx.add_shutdown_callback(close)
    await session.start(Receptionist(brain), room=ctx.room)


async def end_after(session: AgentSession[None], seconds: float) -> None:
    """Say goodbye and end the session after a time, whatever the caller does.

    Args:
        session: The call's session.
        seconds: The time.
    """
    await asyncio.sleep(seconds)
    _log.warning("a call was ended after %.0f s", seconds)
    session.say("I have to end this call. Goodbye.")
    session.shutdown()  # speaks to the end first


class Earpiece(io.AudioOutput):
    """Takes what the agent says, in the time that a loudspeaker would take to play it."""

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
        """Note that the segment is complete. Its end is reported after the time to play it."""
        super().flush()
        left = max(0.0, self.until - time.monotonic())
        self._done = asyncio.get_running_loop().call_later(left, self._finish, False)

    def clear_buffer(self) -> None:
        """Stop playing, because the caller interrupts."""
        self.until = time.monotonic()
        if self._done is not None:
            self._done.cancel()
        self._finish(True)

    def _finish(self, interrupted: bool) -> None:
        position, self._segment, self._done = self._segment, 0.0, None
        if position:
            self.on_playback_finished(playback_position=position, interrupted=interrupted)


class Mouth(io.AudioInput):
    """Plays a caller who says one line whenever the agent has finished.

    Args:
        lines: The names of the lines, from `lines/`.
        ear: What the caller hears.
    """

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
    """Make a call without a room. Returns when the agent has hung up.

    Args:
        lines: The names of the caller's lines, from `lines/`.
        store: Where the booking goes.
        pulse_url: The URL of a local Pulse server. None means the cloud.
    """
    brain = DialogueLLM(Dialogue(store))
    async with STT(language="en", base_url=pulse_url or NOT_GIVEN) as stt:
        session = make_session(brain, inference.VAD(), stt)
        ended = asyncio.Event()
        session.on("close", lambda _: ended.set())
        ear = Earpiece()
        session.input.audio, session.output.audio = Mouth(lines, ear), ear
        try:
            await session.start(Receptionist(brain), record=False)
            await ended.wait()
        finally:
            await session.aclose()  # before the STT, which it still feeds
    return brain.dialogue


async def rehearse() -> None:
    """Book a table, and print the booking as it is in the database."""
    store = default_store()
    _log.warning("LLM is a stand-in: a fixed dialogue; TTS is a stand-in: eSpeak NG")
    async with local_pulse(1) as local:
        url = setting("PULSE_URL") or (local.url if local else None)
        dialogue = await play(("table", "name", "phone", "yes"), store, url)
    bookings = await store.all()
    print(f"in the database: {bookings[-1].in_words if dialogue.booked else 'no booking'}")


def main() -> None:
    """Read the command line, and make one call."""
    parser = argparse.ArgumentParser(
        description="Calls the agent. `python -m livekit.agents start` runs the worker."
    )
    parser.add_argument(
        "--call", action="store_true", required=True, help="make one call without a room"
    )
    parser.parse_args()
    try:
        asyncio.run(rehearse())
    except (BookingError, SettingError) as error:
        raise SystemExit(str(error)) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
