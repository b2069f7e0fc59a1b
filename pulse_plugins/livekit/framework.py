"""The private names of the framework that this adapter uses.

The framework has no public names for these features. If a future version lacks one of the names,
the feature that the function describes is missing and one line is logged. Speech is recognized all
the same.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from livekit.agents import stt
from livekit.agents.voice import audio_recognition

from pulse_plugins.livekit.options import logger

_told: set[str] = set()


def _missing(name: str, cost: str) -> None:
    if name not in _told:
        _told.add(name)
        logger.warning("the framework has changed", extra={"missing": name, "cost": cost})


def read_events_directly(stream: stt.RecognizeStream) -> None:
    """Let the stream's iterator read the event channel itself.

    The framework's own iterator copies each event for its metrics, and ends for good when a read is
    cancelled. Without the names, the stream behaves like that.
    """
    channel = getattr(stream, "_event_ch", None)
    if channel is None or not hasattr(stream, "_event_aiter"):
        _missing("RecognizeStream._event_aiter", "a cancelled read ends the iteration")
        return
    stream._event_aiter = channel


def report_connection(stream: stt.RecognizeStream, seconds: float, *, reused: bool) -> None:
    """Report to the framework's metrics how long a connection took.

    Args:
        stream: The stream of the connection.
        seconds: From the start of the handshake to its end.
        reused: The connection was open before the stream was made.
    """
    report = getattr(stream, "_report_connection_acquired", None)
    if report is None:
        _missing("RecognizeStream._report_connection_acquired", "no acquire_time in metrics")
        return
    report(seconds, reused)


def tasks_of(stream: stt.RecognizeStream) -> list[asyncio.Task[None]]:
    """The tasks that the base class runs for a stream, as far as their names are known."""
    names = ("_task", "_metrics_task")
    found = [getattr(stream, name, None) for name in names]
    for name, task in zip(names, found, strict=True):
        if task is None:
            _missing(f"RecognizeStream.{name}", "a forgotten stream leaves an error record")
    return [task for task in found if task is not None]


def end_with_their_stream(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Let tasks that only wait for their own stream be collected together with it.

    Nothing else can wake such a task, so that no work is lost with it. asyncio would log an error
    for each task that is collected while it waits. Without the name these errors are logged.
    """
    for task in tasks:
        if hasattr(task, "_log_destroy_pending"):
            task._log_destroy_pending = False


# "detector" hears the caller. "text_detector" reads the words of the turn.
TurnMode = Literal["vad", "detector", "text_detector", "stt", "manual"]


@dataclass(frozen=True, slots=True)
class HeldInterim:
    """The newest interim of a session's open turn.

    Attributes:
        holder: The id of the object that holds it; each agent has another one.
        text: "" after a FINAL, or once the session has taken it into a turn.
    """

    holder: int
    text: str


class TurnModeReader:
    """Reads who ends turns in the agent session that reads this stream.

    The object must be made where the stream is made, in the task of the session's STT pipeline.
    Without the names the mode is unknown, and `TurnEnding` learns it from the flushes.

    Attributes:
        may_flush: Whether flushes may end turns before the first flush has come. It is False
            outside a session.
    """

    def __init__(self) -> None:
        variable = getattr(audio_recognition, "_STTPipelineContextVar", None)
        if variable is None:
            _missing("_STTPipelineContextVar", "who ends turns is learned from the first turn")
        pipeline = variable.get(None) if variable is not None else None
        self.may_flush = variable is None or pipeline is not None
        self._pipeline = weakref.ref(pipeline) if pipeline is not None else None

    def read(self) -> TurnMode | None:
        """The mode of the agent that is active now; None: unknown."""
        activity = self._activity()
        if activity is None or not hasattr(activity, "_turn_detection"):
            return None  # also between two agents
        match activity._turn_detection:
            case "stt" | "manual" as mode:
                return "stt" if mode == "stt" else "manual"
            case str() as mode if mode != "vad":
                return None
        if getattr(getattr(activity, "_session", None), "_closing", False):
            return "manual"  # its flush commits all words, and no other turn follows
        if activity._turn_detection in ("vad", None):
            return "vad"
        reads = hasattr(activity._turn_detection, "predict_end_of_turn")
        return "text_detector" if reads else "detector"

    def held_interim(self) -> HeldInterim | None:
        """The interim that the session holds; None: unknown."""
        recognition = getattr(self._activity(), "_audio_recognition", None)
        text = getattr(recognition, "_audio_interim_transcript", None)
        return HeldInterim(id(recognition), text) if isinstance(text, str) else None

    def _activity(self) -> Any:
        pipeline = self._pipeline() if self._pipeline is not None else None
        agent = getattr(getattr(pipeline, "_stt_node", None), "__self__", None)
        return getattr(agent, "_activity", None)
