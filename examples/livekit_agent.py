"""A LiveKit worker that listens with Pulse. It also runs on a file, without a room or a server.

    python examples/livekit_agent.py --file            # the shipped call, recognized offline
    python examples/livekit_agent.py --file call.wav   # your own WAV, FLAC or OGG file

    python -m livekit.agents start --dev examples/livekit_agent.py   # a worker for LIVEKIT_URL
    python -m livekit.agents start examples/livekit_agent.py         # the same, for production

With `--file`, an `AgentSession` hears the recording in real time. The program prints each turn that
the session takes, and how long after the end of the words the session took it. Pulse is the local
server of this package, unless PULSE_URL names another server (set SMALLEST_API_KEY if that is the
cloud). The agent prints what it heard; give `AgentSession` your `llm=` and `tts=` for a real agent.

A worker needs LIVEKIT_URL, LIVEKIT_API_KEY, LIVEKIT_API_SECRET and SMALLEST_API_KEY. The LiveKit
CLI starts it as well, with `lk agent dev` and `lk agent start`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
from livekit import rtc
from livekit.agents import (
    Agent,
    AgentServer,
    AgentSession,
    CloseEvent,
    JobContext,
    JobProcess,
    StopResponse,
    inference,
    llm,
)
from livekit.agents.voice import io

from pulse_plugins.livekit import STT

CALLS_PER_WORKER = 25  # measure how many calls one of your machines carries, and set it
FRAME = 0.02  # seconds


class Repeater(Agent):
    """Prints what it heard. It has no language model, so it stops each response."""

    def __init__(self) -> None:
        super().__init__(instructions="Repeat what the caller says.")

    async def on_user_turn_completed(
        self, turn_ctx: llm.ChatContext, new_message: llm.ChatMessage
    ) -> None:
        """Print the turn, and how long the session waited to be sure that the turn was over."""
        delay = (new_message.metrics or {}).get("end_of_turn_delay")
        waited = "" if delay is None else f"   ({delay:.2f} s after the last word)"
        print(f"turn: {new_message.text_content}{waited}", flush=True)
        raise StopResponse


server = AgentServer()


def prewarm(process: JobProcess) -> None:
    """Load what every job of this process shares, before the first caller waits for it."""
    process.userdata["vad"] = inference.VAD()


def load(worker: AgentServer) -> float:
    """How full this worker is, from 0 to 1, for LiveKit's dispatcher. Each job is one stream."""
    return min(1.0, len(worker.active_jobs) / CALLS_PER_WORKER)


server.setup_fnc = prewarm
server.load_fnc = load


@server.rtc_session()
async def entrypoint(ctx: JobContext) -> None:
    """Answer one call.

    The job's id marks the call at the service, in logs and in traces. A room's name would not do:
    the room of a SIP call has the caller's telephone number in its name.
    """
    stt = STT(language="en", external_session_id=ctx.job.id)
    session: AgentSession[None] = AgentSession(stt=stt, vad=ctx.proc.userdata["vad"])
    ctx.add_shutdown_callback(stt.aclose)
    await session.start(Repeater(), room=ctx.room)


class FileInput(io.AudioInput):
    """Plays a recording in real time as a caller's microphone, and 3 s of silence after it.

    Attributes:
        ended: Is set after the silence.
    """

    def __init__(self, path: Path) -> None:
        import soundfile

        super().__init__(label=path.name)
        samples, self._rate = soundfile.read(path, dtype="int16", always_2d=True)
        silence = np.zeros((3 * self._rate, samples.shape[1]), np.int16)
        self._samples = np.concatenate((samples, silence))
        self._sent = 0
        self._began = 0.0
        self.ended = asyncio.Event()

    async def __anext__(self) -> rtc.AudioFrame:
        self._began = self._began or time.monotonic()
        size = round(self._rate * FRAME)
        piece = self._samples[self._sent : self._sent + size]
        if not len(piece):
            self.ended.set()
            raise StopAsyncIteration
        self._sent += size
        due = self._began + self._sent / self._rate
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        return rtc.AudioFrame(piece.tobytes(), self._rate, piece.shape[1], len(piece))


@asynccontextmanager
async def pulse_url() -> AsyncIterator[str]:
    """The URL of the server that PULSE_URL names, or of a local server that runs meanwhile."""
    named = os.environ.get("PULSE_URL")
    if named:
        yield named
        return

    from pulse_plugins.local.server import PulseServer

    async with PulseServer() as local:
        yield local.url


async def listen(path: Path) -> None:
    """Run a session on a recording."""
    async with pulse_url() as url, STT(base_url=url) as stt:
        session: AgentSession[None] = AgentSession(stt=stt, vad=inference.VAD())

        @session.on("user_input_transcribed")
        def show(event) -> None:  # type: ignore[no-untyped-def]
            if not event.is_final:
                print(f"   {event.transcript}", flush=True)

        caller = FileInput(path)
        session.input.audio = caller

        @session.on("close")
        def closed(_: CloseEvent) -> None:
            caller.ended.set()  # after an error of the STT, which the log shows

        try:
            await session.start(Repeater(), record=False)
            await caller.ended.wait()
        finally:
            await session.aclose()  # before the STT, which it still feeds


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Listens to a recording. `python -m livekit.agents start` runs the worker."
    )
    parser.add_argument(
        "--file", nargs="?", type=Path, required=True, help="the recording (default: a shipped one)"
    )
    path = parser.parse_args().file
    if path is None:
        from pulse_plugins.local import recordings

        path = recordings.load("booking").path
    import soundfile

    try:
        soundfile.info(path)
    except soundfile.LibsndfileError as error:
        parser.error(f"{path} cannot be read: {error.error_string}")
    try:
        asyncio.run(listen(path))
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
