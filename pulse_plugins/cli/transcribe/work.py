"""Many recordings at once: each result is told as soon as it is there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from pulse_plugins.cli.exits import CommandError
from pulse_plugins.cli.media.recording import Recording, header
from pulse_plugins.cli.media.selection import Selection
from pulse_plugins.cli.threads import in_thread
from pulse_plugins.cli.transcribe import outputs
from pulse_plugins.cli.transcribe.documents import Format, render
from pulse_plugins.cli.transcribe.outputs import Job
from pulse_plugins.cli.transcribe.progress import Bars
from pulse_plugins.cli.transcribe.recognition import Advance
from pulse_plugins.cli.transcribe.transcript import Transcript
from pulse_plugins.core.base.errors import (
    AccessDeniedError,
    AuthenticationError,
    PaymentRequiredError,
    PulseError,
    RegionError,
)

Status = Literal["done", "skipped", "failed", "not_tried"]
# What the service refuses to one recording with these, it refuses to all others.
_HOPELESS = (AuthenticationError, PaymentRequiredError, AccessDeniedError, RegionError)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened to one source.

    Attributes:
        job: The source and its outputs.
        status: `skipped` is one whose outputs were there; `not_tried` is one that the service
            would refuse as it did another.
        transcript: What was said, or None.
        error: Why it failed, or None.
    """

    job: Job
    status: Status
    transcript: Transcript | None = None
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """How recordings are read and written.

    Attributes:
        recognize: Sends one to the service.
        selection: Which part of each is read.
        rate: Hz of what is sent.
        times: Whether lines of text begin with their time.
        remember: Notes that an output is complete.
    """

    recognize: Callable[[Recording, Advance], Awaitable[Transcript]]
    selection: Selection
    rate: int
    times: bool = False
    remember: Callable[[Job, Format], None] | None = None


class Work:
    """Does jobs, several at a time; a job that fails does not stop the others.

    Args:
        plan: How each is done.
        bars: Shows the progress.
        tell: Called with each outcome as soon as it is known.
    """

    def __init__(self, plan: Plan, bars: Bars, tell: Callable[[Outcome], None]) -> None:
        self._plan = plan
        self._bars = bars
        self._tell = tell
        self._is_hopeless = False

    async def all(self, jobs: Sequence[Job], at_once: int) -> None:
        """Do these jobs, `at_once` at a time."""
        gate = asyncio.Semaphore(at_once)
        self._bars.count(len(jobs))

        async def one(job: Job) -> None:
            async with gate:
                outcome = await self._one(job)
            with self._bars.hidden():
                self._tell(outcome)

        tasks = [asyncio.ensure_future(one(job)) for job in jobs]
        try:
            await asyncio.gather(*tasks)
        finally:  # standard output is full or gone: what is under way has nowhere to go
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _one(self, job: Job) -> Outcome:
        if self._is_hopeless:
            return Outcome(job, "not_tried")
        bar = self._bars.begin(Path(job.source.label).name)
        location, selection = job.source.location, self._plan.selection
        try:
            known = await in_thread(partial(header, location, selection))
            self._bars.length(bar, known.seconds)
            recording = Recording(location, self._plan.rate, selection, name=job.source.label)
            transcript = await self._plan.recognize(recording, partial(self._bars.advance, bar))
            await asyncio.to_thread(self._write, job, transcript)
            return Outcome(job, "done", transcript)
        except _HOPELESS as error:
            self._is_hopeless = True
            return Outcome(job, "failed", error=error)
        except (CommandError, PulseError, OSError) as error:
            return Outcome(job, "failed", error=error)
        finally:
            self._bars.end(bar)

    def _write(self, job: Job, transcript: Transcript) -> None:
        texts: Mapping[Format, str] = {
            form: render(transcript, form, source=job.source.label, times=self._plan.times)
            for form in job.missing
        }
        for form, text in texts.items():
            outputs.write(job.outputs[form], text)
            if self._plan.remember is not None:
                self._plan.remember(job, form)
