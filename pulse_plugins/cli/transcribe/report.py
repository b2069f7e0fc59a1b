"""Results on standard output and what is to be said of them on standard error."""

from __future__ import annotations

import json
from collections import Counter

from rich.console import Console
from rich.text import Text

from pulse_plugins.cli.exits import Exit, code_of
from pulse_plugins.cli.explain import explain
from pulse_plugins.cli.terminal import safe, safe_line
from pulse_plugins.cli.transcribe import captions
from pulse_plugins.cli.transcribe.documents import VTT_HEAD, Format, document, render
from pulse_plugins.cli.transcribe.transcript import Transcript
from pulse_plugins.cli.transcribe.work import Outcome, Status

_SUMMARY: dict[Status, str] = {
    "done": "done",
    "skipped": "already there",
    "failed": "failed",
    "not_tried": "not tried",
}


class Report:
    """Tells outcomes as they come.

    Args:
        url: The server, for errors.
        form: What is printed; None: transcripts are written to files.
        count: How many recordings there are.
        times: Whether lines of text begin with their time.
        as_json: Print one JSON object for each recording, and nothing on standard error.
    """

    def __init__(
        self, url: str, form: Format | None, count: int, *, times: bool, as_json: bool
    ) -> None:
        self._url = url
        self._form = form
        self._count = count
        self._times = times
        self._as_json = as_json
        self._notes = Console(stderr=True, soft_wrap=True, highlight=False, emoji=False)
        self._seen: Counter[Status] = Counter()
        self._codes: set[Exit] = set()

    def tell(self, outcome: Outcome) -> None:
        """Take the next outcome."""
        self._seen[outcome.status] += 1
        if outcome.error is not None:
            self._codes.add(code_of(outcome.error))
        if self._as_json:
            print(json.dumps(self._line(outcome), ensure_ascii=False), flush=True)
            return
        name = outcome.job.source.label
        if outcome.error is not None:
            self._say("error", "bold red", f"{name}: {self._why(outcome)}")
        if outcome.transcript is not None:
            if outcome.job.is_renamed:
                places = ", ".join(str(path) for path in outcome.job.outputs.values())
                self._say("note", "yellow", f"{name}: another recording has its name: {places}")
            for note in outcome.transcript.notes:
                self._say("note", "yellow", f"{name}: {note}")
            if self._form is not None:
                self._print(outcome.transcript, self._form, name)

    def remark(self, text: str) -> None:
        """Say something of the whole run."""
        if not self._as_json:
            self._say("note", "yellow", text)

    def summary(self) -> None:
        """Say how many recordings came to what."""
        if self._as_json or (self._count < 2 and self._form is not None):
            return
        left = self._count - self._seen.total()
        parts = [f"{self._seen[each]} {_SUMMARY[each]}" for each in ("done", "skipped", "failed")]
        if waiting := self._seen["not_tried"] + left:
            parts.append(f"{waiting} not tried")
        self._notes.print(Text(", ".join(parts)))

    @property
    def code(self) -> Exit:
        """The exit code: that of all failures if they agree, else 1."""
        if not self._codes:
            return Exit.OK
        return next(iter(self._codes)) if len(self._codes) == 1 else Exit.FAILED

    def _why(self, outcome: Outcome) -> str:
        assert outcome.error is not None
        text = explain(outcome.error, self._url)
        return text.removeprefix(f"{outcome.job.source.label}: ")

    def _say(self, kind: str, style: str, text: str) -> None:
        self._notes.print(Text.assemble((f"{kind}: ", style), safe_line(text)))

    def _print(self, transcript: Transcript, form: Format, name: str) -> None:
        """Print a transcript; several of them on one output are told apart by their names."""
        several = self._count > 1
        first = self._seen["done"] == 1
        match form:
            case "vtt" if several:
                head = VTT_HEAD if first else ""
                note = f"NOTE {' '.join(name.split()).replace('-->', '→')}\n\n"
                text = head + note + captions.vtt(transcript.segments)
            case "text" if several:
                text = ("" if first else "\n") + f"==> {safe_line(name)} <==\n"
                text += render(transcript, form, source=name, times=self._times)
            case _:
                text = render(transcript, form, source=name, times=self._times)
        print(safe(text), end="", flush=True)

    def _line(self, outcome: Outcome) -> dict[str, object]:
        """One recording for machines: the same fields in every line."""
        job = outcome.job
        name = job.source.label
        transcript = outcome.transcript or Transcript((), 0.0)
        line = document(transcript, name)
        if outcome.transcript is None:
            line |= {"seconds": None, "sent_seconds": None, "language": None, "text": None}
        return {
            **{field: line.pop(field) for field in ("schema", "source")},
            "status": outcome.status,
            "outputs": {form: str(path) for form, path in job.outputs.items()},
            "error": None if outcome.error is None else self._why(outcome),
            **line,
        }
