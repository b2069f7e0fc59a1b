"""One emitter, without a pipeline."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, cast

import pytest
from pipecat.frames.frames import (
    Frame,
    InterimTranscriptionFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection

from pulse_plugins.core.base.events import Final, Interim, SpeechStarted
from pulse_plugins.core.client.stream import PulseStream
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.pipecat import PulseSTTSettings
from pulse_plugins.pipecat.emitter import Emitter
from pulse_plugins.pipecat.frames import Voice
from pulse_plugins.pipecat.latency import LatencyMeter
from pulse_plugins.pipecat.sink import TranscriptSink

OPTIONS = PulseOptions(base_url="ws://127.0.0.1:9")


class Sink:
    """A service that never finishes to push a frame."""

    predicts_ends = False
    joins_speakers = False

    def __init__(self) -> None:
        self.settings = PulseSTTSettings.store(OPTIONS)
        self.latency = LatencyMeter()
        self.under_way = asyncio.Event()
        self.tasks: list[asyncio.Task[None]] = []

    async def push_frame(self, _: Frame) -> None:
        self.under_way.set()
        await asyncio.Event().wait()

    def expect_final(self, _: object) -> None:
        pass

    async def tell(self, _: str, *__: object) -> None:
        pass

    def create_task(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self.tasks.append(task)
        return task

    async def cancel_task(self, task: asyncio.Task[None]) -> None:
        task.cancel()
        await asyncio.wait({task})


async def test_closing_leaves_no_late_release_behind_another() -> None:
    sink, stream = Sink(), PulseStream(OPTIONS)
    emitter = Emitter(cast(TranscriptSink, sink), stream, Voice("en"), proposes_turns=False)
    taking = asyncio.create_task(emitter.take(Interim("next", 1.0)))
    await sink.under_way.wait()
    late = asyncio.create_task(emitter.take(Final("held", 0.0, 1.0)))
    await asyncio.sleep(10.0)  # the quiet that releases what is held has passed
    emitter.speech_stopped(0.0)
    emitter.user_muted()
    emitter.user_unmuted()
    await asyncio.sleep(0)
    await emitter.close()
    assert sink.tasks
    assert all(task.cancelled() for task in sink.tasks)
    for task in (taking, late):
        task.cancel()
    stream.abort()


class Told(Sink):
    """A service that notes the texts of its frames and of the starts of turns."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[str] = []
        self.turns: list[str] = []

    async def push_frame(self, frame: Frame) -> None:
        assert isinstance(frame, InterimTranscriptionFrame)
        self.frames.append(frame.text)

    async def tell(self, event: str, *arguments: object) -> None:
        self.turns += [str(each) for each in arguments if event == "on_turn_started"]


async def test_an_interim_that_was_taken_back_begins_another_turn_when_it_comes_again() -> None:
    sink, stream = Told(), PulseStream(OPTIONS)
    emitter = Emitter(cast(TranscriptSink, sink), stream, Voice("en"), proposes_turns=False)
    for text in ("hm", "hm well", "", "hm well"):
        await emitter.take(Interim(text, 0.0))
    assert sink.frames == ["hm", "hm well", "hm well"]
    assert sink.turns == ["hm", "hm well"]
    await emitter.close()
    stream.abort()


class Proposed(Told):
    """A service that notes its proposals of turns."""

    def __init__(self) -> None:
        super().__init__()
        self.proposals: list[type[Frame]] = []

    async def broadcast_frame(self, kind: type[Frame]) -> None:
        self.proposals.append(kind)

    async def push_frame(self, frame: Frame, direction: object = None) -> None:
        if isinstance(frame, InterimTranscriptionFrame):
            await super().push_frame(frame)
        elif direction is FrameDirection.DOWNSTREAM:
            self.proposals.append(type(frame))


STARTED, STOPPED = ProposedUserStartedSpeakingFrame, ProposedUserStoppedSpeakingFrame


@pytest.mark.parametrize(
    ("speech", "proposals"),
    [(None, [STARTED, STOPPED]), (SpeechStarted(0.0), [STARTED])],
    ids=["which the server's VAD did not hear", "in speech"],
)
async def test_an_interim_that_is_taken_back_closes_a_proposed_turn(
    speech: SpeechStarted | None, proposals: list[type[Frame]]
) -> None:
    sink, stream = Proposed(), PulseStream(OPTIONS)
    emitter = Emitter(cast(TranscriptSink, sink), stream, Voice("en"), proposes_turns=True)
    if speech is not None:
        await emitter.take(speech)
    for text in ("hm", ""):
        await emitter.take(Interim(text, 0.0))
    assert sink.proposals == proposals
    await emitter.close()
    stream.abort()
