"""`--dry-run`: what would be transcribed, where it would be written and how much is sent."""

from __future__ import annotations

import json
from collections.abc import Sequence

from rich.console import Console

from pulse_plugins.cli.exits import Exit
from pulse_plugins.cli.media.recording import Header, header
from pulse_plugins.cli.media.selection import Selection
from pulse_plugins.cli.terminal import safe_line
from pulse_plugins.cli.transcribe.captions import stamp
from pulse_plugins.cli.transcribe.outputs import Job


def show(jobs: Sequence[Job], selection: Selection, remark: str, *, as_json: bool) -> Exit:
    """Print a line for each recording, and the sum on standard error.

    Args:
        jobs: What was planned.
        selection: Which part of each recording is read.
        remark: What was skipped in folders, or "".
        as_json: Print JSON objects.
    """
    notes = Console(stderr=True, soft_wrap=True, highlight=False, emoji=False, markup=False)
    total, unknown, count = 0.0, 0, 0
    for job in jobs:
        wanted = job.problem is None and not job.is_done
        known = header(job.source.location, selection) if wanted else Header()
        sent = _sent(known, selection)
        if wanted:
            count += 1
            total += sent or 0.0
            unknown += sent is None
        print(_json(job, sent) if as_json else safe_line(_line(job, sent)))
    if as_json:
        return Exit.OK
    if remark:
        notes.print(remark)
    recordings = "1 recording" if count == 1 else f"{count} recordings"
    more = f", and {unknown} of unknown length" if unknown else ""
    notes.print(f"{recordings}, {total / 60:.1f} minutes to be sent{more}")
    return Exit.OK


def _sent(known: Header, selection: Selection) -> float | None:
    if known.seconds is None:
        return None
    return known.seconds * (known.channels if selection.separate else 1)


def _state(job: Job) -> str:
    if job.problem is not None:
        return "failed"
    return "skipped" if job.is_done else "planned"


def _line(job: Job, sent: float | None) -> str:
    places = ", ".join(str(path) for path in job.outputs.values()) or "standard output"
    if job.problem is not None:
        return f"{job.source.label}: {job.problem}"
    if job.is_done:
        return f"{job.source.label} -> {places} (already there)"
    length = "unknown length" if sent is None else stamp(round(sent))[:-4]
    return f"{job.source.label} -> {places} ({length})"


def _json(job: Job, sent: float | None) -> str:
    return json.dumps(
        {
            "source": job.source.label,
            "status": _state(job),
            "outputs": {form: str(path) for form, path in job.outputs.items()},
            "sent_seconds": None if sent is None else round(sent, 3),
            "error": None if job.problem is None else str(job.problem),
        },
        ensure_ascii=False,
    )
