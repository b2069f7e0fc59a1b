"""Which loop of the framework opens a stream, if one does: only these replace one that failed.

An agent session's pump opens its STT again, and the stream of a fallback adapter goes on to its
next STT. Whoever else opens a second stream means other audio, or the same from its beginning.
Both loops are known by names that the framework does not promise to keep: where one is gone,
nothing is handed over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

from livekit.agents.stt import fallback_adapter
from livekit.agents.voice import audio_recognition


class Adapter(Protocol):
    """The framework's `FallbackRecognizeStream`, as far as it matters here."""

    _recovering_streams: Collection[object]
    _fallback_adapter: object  # its `_active_instance` is the STT that was heard last


class Pipeline(Protocol):
    """The framework's `_STTPipeline`, as far as it matters here."""

    _pump_task: asyncio.Task[None]


ADAPTER: type[Adapter] | None = getattr(fallback_adapter, "FallbackRecognizeStream", None)
PIPELINE: ContextVar[Pipeline] | None = getattr(audio_recognition, "_STTPipelineContextVar", None)


@dataclass(frozen=True, slots=True)
class Opener:
    """A loop that opens another stream when one fails, and forwards live audio to it.

    Attributes:
        task: It runs in this one.
        adapter: The fallback adapter's stream, or None for a session's pump.
    """

    task: asyncio.Task[Any]
    adapter: Adapter | None = None

    def is_trial(self, stream: object) -> bool:
        """Whether the stream only finds out if its STT works again, beside the one that works.

        True from the moment on at which the opener's task has had its turn.
        """
        return self.adapter is not None and stream in self.adapter._recovering_streams

    @property
    def heard(self) -> object:
        """Of several STTs, the one from which the loop has heard last."""
        adapter = getattr(self.adapter, "_fallback_adapter", None)
        return getattr(adapter, "_active_instance", None)

    def replaces(self, failed: object, following: object) -> bool:
        """Whether a stream of one STT goes on where a stream of another failed."""
        return self.adapter is not None or failed is following


def present_opener() -> Opener | None:
    """The loop that is running now; None: this is anybody else's task."""
    task = asyncio.current_task()
    if task is None:
        return None
    pipeline = PIPELINE.get(None) if PIPELINE is not None else None
    # A task that the pump starts has the variable too, but it is not the pump.
    is_pump = pipeline is not None and getattr(pipeline, "_pump_task", None) is task
    if is_pump:
        return Opener(task)
    # The outermost call of an adapter's task is a method of its stream.
    frame = getattr(task.get_coro(), "cr_frame", None)
    runs = frame.f_locals.get("self") if frame is not None else None
    if ADAPTER is not None and isinstance(runs, ADAPTER) and hasattr(runs, "_recovering_streams"):
        return Opener(task, runs)
    return None
