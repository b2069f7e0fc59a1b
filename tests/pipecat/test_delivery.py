"""Deliveries that wait for each other, with a service that pushes when it is let."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, cast

import pytest
from pipecat.frames.frames import Frame

from pulse_plugins.core.base.events import Final, Interim
from pulse_plugins.core.client.stream import PulseStream
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.pipecat import PulseSTTService, PulseSTTSettings, finalization
from pulse_plugins.pipecat.delivery import Delivery
from pulse_plugins.pipecat.latency import LatencyMeter
from tests.pipecat.rig import DEADLINE

OPTIONS = PulseOptions(base_url="ws://127.0.0.1:9")


class Service:
    """What a delivery needs of its service; a frame is under way until it is cancelled."""

    def __init__(self) -> None:
        self.settings = PulseSTTSettings.store(OPTIONS)
        self.latency = LatencyMeter()
        self.under_way = asyncio.Event()
        self.tasks: asyncio.Queue[asyncio.Task[None]] = asyncio.Queue()

    def request_finalize(self) -> None:
        pass

    async def push_frame(self, _: Frame) -> None:
        self.under_way.set()
        await asyncio.Event().wait()

    def create_task(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self.tasks.put_nowait(task)
        return task

    async def cancel_task(self, task: asyncio.Task[None]) -> None:
        task.cancel()
        await asyncio.wait({task})


async def test_closing_leaves_no_late_release_behind_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(finalization, "HOLD_AFTER_SPEECH", 0.01)
    service = Service()
    stream = PulseStream(OPTIONS)
    delivery = Delivery(cast(PulseSTTService, service), stream, proposes_turns=False)
    delivery.speech_stopped(time.time())
    await delivery.take(Final("held", 0.0, 1.0))
    interim = asyncio.create_task(delivery.take(Interim("next", 1.0)))
    late = []
    async with asyncio.timeout(DEADLINE):
        await service.under_way.wait()
        for _ in range(2):
            late.append(await service.tasks.get())
            delivery.speech_stopped(time.time())
    await delivery.close()
    assert all(task.cancelled() for task in late)
    interim.cancel()
    stream.abort()
