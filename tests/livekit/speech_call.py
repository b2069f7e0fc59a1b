"""A stream on numbers for a clock: engine events in, the framework's events out."""

from __future__ import annotations

from math import pi

import numpy as np
from livekit.agents.stt import SpeechEvent, SpeechEventType

from pulse_plugins.core.base.events import (
    Event,
    Final,
    Word,
)
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.livekit.audio_input import InputClock
from pulse_plugins.livekit.framework import HeldInterim, TurnMode
from pulse_plugins.livekit.options import Settings
from pulse_plugins.livekit.speech_data import SpeechDataBuilder
from pulse_plugins.livekit.speech_events import SpeechEvents

START, INTERIM, PREFLIGHT, FINAL, END = "START", "interim", "preflight", "FINAL", "END"
_NAMES = {
    SpeechEventType.START_OF_SPEECH: START,
    SpeechEventType.INTERIM_TRANSCRIPT: INTERIM,
    SpeechEventType.PREFLIGHT_TRANSCRIPT: PREFLIGHT,
    SpeechEventType.FINAL_TRANSCRIPT: FINAL,
    SpeechEventType.END_OF_SPEECH: END,
}
_STEP = 0.05  # seconds of audio at a time
_VOICE = (np.sin(np.arange(800) * 2 * pi * 0.02) * 8000).astype("<i2").tobytes()


class Session:
    """Stands for the agent session that reads the stream."""

    def __init__(self, mode: TurnMode | None, *, may_flush: bool = True) -> None:
        self.mode = mode
        self.may_flush = may_flush
        self.interim: str | None = None  # that it holds; None: it hides what it holds
        self.agent = 1

    def read(self) -> TurnMode | None:
        return self.mode

    def held_interim(self) -> HeldInterim | None:
        return None if self.interim is None else HeldInterim(self.agent, self.interim)


class Call:
    """A stream whose audio began at wall clock 1000 and is spoken in real time.

    Args:
        mode: Who ends turns; None: nobody tells.
        loud: Stretches of stream_time in which the caller speaks.
        options: Of the stream.
    """

    def __init__(
        self,
        mode: TurnMode | None = "vad",
        *loud: tuple[float, float],
        may_flush: bool = True,
        settings: dict[str, object] | None = None,
        **options: object,
    ) -> None:
        self.time = 0.0
        self.asked = 0
        self.loud = loud
        self.out: list[SpeechEvent] = []
        self.clock = InputClock()
        engine = PulseOptions(base_url="ws://127.0.0.1:1").changed(**options)
        self.session = Session(mode, may_flush=may_flush)
        self.events = SpeechEvents(
            SpeechDataBuilder(engine, self.clock),
            self.clock,
            self.out.append,
            self._finalize,
            lambda: 1000.0 + self.time,
            self.session,
            Settings(engine, **(settings or {})),  # type: ignore[arg-type]
        )

    def _finalize(self) -> int:
        self.asked += 1
        return self.asked

    def at(self, time: float, *events: Event) -> Call:
        """Audio goes on until `time`; timers that are due by then fire; then this happens."""
        while (due := self.events.deadline) is not None and due <= time:
            self._listen(due)
            self.events.advance(due)
            after = self.events.deadline
            assert after is None or after > due, "what is due was not done"
        self._listen(time)
        for event in events:
            self.events.handle(event, time)
        return self

    def flush(self) -> int:
        request_id = self._finalize()
        self.events.flushed(request_id, self.time)
        return request_id

    def _listen(self, time: float) -> None:
        while self.time < time - 1e-9:
            step = min(_STEP, time - self.time)
            at = self.time + step / 2
            is_loud = any(start <= at < end for start, end in self.loud)
            data = (_VOICE if is_loud else bytes(1600))[: 2 * round(16_000 * step)]
            self.time += step
            self.clock.pushed(step, 1000.0 + self.time, waited=True)
            self.events.eager.audio(data, step)

    def take(self) -> list[str]:
        names = [_NAMES[event.type] for event in self.out]
        self.out.clear()
        return names

    def take_texts(self) -> list[str]:
        """The texts of the FINALs."""
        finals = [e for e in self.out if e.type is SpeechEventType.FINAL_TRANSCRIPT]
        self.out.clear()
        return [event.alternatives[0].text for event in finals]


def said(text: str, start: float, end: float, finalize_id: int | None = None) -> Final:
    """A final whose words are spread evenly."""
    texts = text.split()
    step = (end - start) / len(texts)
    words = tuple(
        Word(each, start + index * step, start + (index + 1) * step, 0.9)
        for index, each in enumerate(texts)
    )
    return Final(text, start, end, words, finalize_id=finalize_id, session_id="s1")
