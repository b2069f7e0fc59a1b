"""A caller who plays a `Call` of `tests.support.scenarios`, and a detector of that voice."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

import numpy as np
from livekit import rtc
from livekit.agents import vad
from livekit.agents.voice import io

from tests.support.scenarios import Call, Frame

RATE = 16_000
FRAME = 0.02  # seconds
VAD_SILENCE = 0.55  # seconds; the framework's bundled detector
VAD_SPEECH = 0.05
VAD_LOUD = 3000  # of 32767; a soft caller of `scenarios` is quieter, so the detector is deaf to it


class Caller(io.AudioInput):
    """Plays the frames of a call in real time, and then silence.

    Args:
        call: What is said.
        do: Takes each cue that is no frame.
    """

    def __init__(self, call: Call, do: Callable[[object], None]) -> None:
        super().__init__(label="caller")
        timeline = call.timeline(RATE)
        self._cues = deque(timeline.cues())
        self._seconds = timeline.seconds
        self._do = do
        self._began: float | None = None
        self._due = 0.0
        self._attached = True
        self.finished = asyncio.Event()
        self.spoke_at = 0.0  # when the newest loud frame ended
        self.said = 0.0  # seconds of frames so far, those too that a muted session does not get

    async def __anext__(self) -> rtc.AudioFrame:
        if self._began is None:
            self._began = time.time()
        while self._cues:
            self._due, cue = self._cues.popleft()
            await self._until(self._due)
            if isinstance(cue, Frame):
                self.said += FRAME
                if int(np.abs(cue.samples.astype(np.int32)).max()) > VAD_LOUD:
                    self.spoke_at = time.time()
                if self._attached:
                    return _frame(cue.samples.tobytes())
            else:
                self._do(cue)
        if not self.finished.is_set():
            self._due = max(self._due, self._seconds)
            await self._until(self._due)
            self.finished.set()
        while True:
            self._due += FRAME
            await self._until(self._due)
            if self._attached:
                return _frame(bytes(2 * round(FRAME * RATE)))

    def on_attached(self) -> None:
        self._attached = True

    def on_detached(self) -> None:
        self._attached = False

    async def _until(self, due: float) -> None:
        assert self._began is not None
        await asyncio.sleep(max(0.0, self._began + due - time.time()))


def _frame(data: bytes) -> rtc.AudioFrame:
    return rtc.AudioFrame(data, RATE, 1, len(data) // 2)


class EnergyVAD(vad.VAD):
    """Hears speech where samples are loud."""

    def __init__(self) -> None:
        super().__init__(capabilities=vad.VADCapabilities(update_interval=FRAME))

    def stream(self) -> vad.VADStream:
        return _EnergyStream(self)


class _EnergyStream(vad.VADStream):
    async def _main_task(self) -> None:
        speaking, speech, silence, at = False, 0.0, 0.0, 0.0
        async for frame in self._input_ch:
            if not isinstance(frame, rtc.AudioFrame):
                speaking, speech, silence = False, 0.0, 0.0
                continue
            at += frame.duration
            loud = np.flatnonzero(
                np.abs(np.frombuffer(frame.data, np.int16).astype(np.int32)) >= VAD_LOUD
            )
            if len(loud):
                silence = (frame.samples_per_channel - 1 - int(loud[-1])) / RATE
                speech += frame.duration
            else:
                silence += frame.duration
                speech = speech if speaking else 0.0
            kind = vad.VADEventType.INFERENCE_DONE
            self._tell(kind, at, speech, silence, speaking)
            if not speaking and speech >= VAD_SPEECH:
                speaking = True
                self._tell(vad.VADEventType.START_OF_SPEECH, at, speech, 0.0, True)
            elif speaking and silence >= VAD_SILENCE:
                speaking = False
                self._tell(vad.VADEventType.END_OF_SPEECH, at, speech, silence, False)
                speech = 0.0

    def _tell(
        self, kind: vad.VADEventType, at: float, speech: float, silence: float, speaking: bool
    ) -> None:
        self._event_ch.send_nowait(
            vad.VADEvent(
                type=kind,
                samples_index=round(at * RATE),
                timestamp=at,
                speech_duration=speech,
                silence_duration=silence,
                speaking=speaking,
                raw_accumulated_speech=speech if silence < FRAME else 0.0,
                raw_accumulated_silence=silence,
            )
        )
