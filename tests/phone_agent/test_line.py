"""What the page is told about the connection to speech-to-text."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from pipecat.frames.frames import EndFrame, Frame, TextFrame
from pipecat.observers.base_observer import BaseObserver

from examples.phone_agent.browser import show_call
from pulse_plugins.pipecat import PulseSTTService


class Worker:
    """Stands for a pipeline: passes frames to observers, and keeps what the page is told."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.rtvi = SimpleNamespace(send_server_message=self._keep)
        self._observers: list[BaseObserver] = []

    def add_observer(self, observer: BaseObserver) -> None:
        self._observers.append(observer)

    async def push(self, frame: Frame) -> None:
        data: Any = SimpleNamespace(frame=frame)
        for observer in self._observers:
            await observer.on_push_frame(data)

    async def _keep(self, message: dict[str, Any]) -> None:
        self.told.append(message)


async def test_the_page_is_told_of_a_cut_but_not_of_the_end_of_a_call() -> None:
    worker, stt = Worker(), PulseSTTService(base_url="ws://127.0.0.1:9")
    show_call(worker, stt)  # type: ignore[arg-type]
    await worker.push(TextFrame("hello"))
    for event in ("on_disconnected", "on_connected"):
        await stt.tell(event)
        await asyncio.sleep(0.1)  # the framework runs handlers as tasks; virtual time
    assert [each["connected"] for each in worker.told] == [False, True]
    assert {each["kind"] for each in worker.told} == {"line"}
    await worker.push(EndFrame())
    await stt.tell("on_disconnected")
    await asyncio.sleep(0.1)
    assert len(worker.told) == 2
