"""The options of `transcribe`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from pulse_plugins.cli import target
from pulse_plugins.cli.exits import CommandError, Exit
from pulse_plugins.cli.media.selection import RawEncoding, Selection
from pulse_plugins.cli.transcribe import dry_run, outputs
from pulse_plugins.cli.transcribe.documents import Format
from pulse_plugins.cli.transcribe.memory import hashed
from pulse_plugins.cli.transcribe.outputs import Job, Planner
from pulse_plugins.cli.transcribe.progress import Bars
from pulse_plugins.cli.transcribe.recognition import (
    FILE_LIMITS,
    FILE_RETRY,
    FILE_TIMEOUTS,
    Recognizer,
)
from pulse_plugins.cli.transcribe.report import Report
from pulse_plugins.cli.transcribe.sources import Finder, Source
from pulse_plugins.cli.transcribe.work import Outcome, Plan, Work
from pulse_plugins.core.config.dialects import DialectName

_READ = "What is read"
_WRITTEN = "What is written"
_TELEPHONE = 8000  # Hz
_LABEL = 24  # columns of a label, so that a line of captions has room for text beside it

Channels = Literal["mix", "separate"]


_FORMATS: dict[str, Format] = {
    "text": "text",
    "txt": "text",
    "json": "json",
    "srt": "srt",
    "vtt": "vtt",
}


def command(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="Files, folders, http(s) and file URLs, or - for standard input.",
            metavar="SOURCE",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="A folder, which gets one file for each recording and mirrors sub-folders; or "
            "for one recording a file that ends in .txt, .json, .srt or .vtt. Transcripts that "
            "exist already are not made again. Without -o, or with -o -, transcripts are "
            "printed.",
            rich_help_panel=_WRITTEN,
        ),
    ] = None,
    forms: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            "-f",
            metavar="|".join(_FORMATS),
            help="The format; repeat it with -o for several, or join them: -f srt,json. By "
            "default the suffix of -o decides, else it is text.",
            rich_help_panel=_WRITTEN,
        ),
    ] = None,
    times: Annotated[
        bool,
        typer.Option(
            "--times", help="Begin each line of text with its time.", rich_help_panel=_WRITTEN
        ),
    ] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Transcribe every recording again, and overwrite files that exist.",
            rich_help_panel=_WRITTEN,
        ),
    ] = False,
    dry: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="List the recordings, their outputs and the minutes that would be sent.",
            rich_help_panel=_WRITTEN,
        ),
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print one JSON object a line for each recording, with its transcript.",
            rich_help_panel=_WRITTEN,
        ),
    ] = False,
    channels: Annotated[
        Channels,
        typer.Option(
            "--channels",
            help="Mix the channels, or transcribe each one for itself (each channel is billed).",
            rich_help_panel=_READ,
        ),
    ] = "mix",
    labels: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            help="The name of a separate channel; repeat it for each: --label Agent --label Guest.",
            rich_help_panel=_READ,
        ),
    ] = None,
    speakers: Annotated[
        bool,
        typer.Option(
            "--speakers",
            help="Ask the service to tell speakers apart, and show them.",
            rich_help_panel=_READ,
        ),
    ] = False,
    track: Annotated[
        int | None,
        typer.Option(
            "--track",
            min=1,
            help="The audio track, counted from 1; by default the file's own default track.",
            rich_help_panel=_READ,
        ),
    ] = None,
    start: Annotated[
        str,
        typer.Option(
            "--start",
            metavar="TIME",
            help="Where reading begins, as seconds or h:mm:ss. Times in transcripts count from the "
            "start of the recording.",
            rich_help_panel=_READ,
        ),
    ] = "0",
    duration: Annotated[
        str | None,
        typer.Option(
            "--duration",
            metavar="TIME",
            help="How much audio is read, as seconds or h:mm:ss.",
            rich_help_panel=_READ,
        ),
    ] = None,
    encoding: Annotated[
        RawEncoding | None,
        typer.Option(
            "--encoding",
            help="Read bare samples of this encoding, without the header of a file.",
            rich_help_panel=_READ,
        ),
    ] = None,
    rate: Annotated[
        int | None,
        typer.Option(
            "--rate",
            min=1000,
            max=768_000,
            help="Sampling rate of recordings without a header, in Hz; 8000 by default.",
            rich_help_panel=_READ,
        ),
    ] = None,
    rest: Annotated[
        bool,
        typer.Option("--rest", help="Send each recording as one request instead of a stream."),
    ] = False,
    jobs: Annotated[
        int,
        typer.Option(
            "--jobs",
            "-j",
            min=1,
            max=100,
            help="How many recordings are sent at once. Your plan limits the number of streams.",
        ),
    ] = 4,
    url: target.Url = target.DEFAULT_URL,
    language: target.Language = "en",
    dialect: target.Dialect = "pulse",
    settings: target.Settings = None,
) -> int:
    """Transcribe recordings to text, captions or JSON.

    Every container that FFmpeg knows can be read, from telephone WAV to video. Results appear as
    each recording ends. The command can be stopped at any time: with [bold]-o[/], the next run
    does what is missing.

    [bold]Examples[/]

    pulse-plugins transcribe call.mp3

    pulse-plugins transcribe movie.mkv -o movie.srt

    pulse-plugins transcribe recordings/ -o transcripts/ -f srt -f json -j 8

    pulse-plugins transcribe call.wav --channels separate --label Agent --label Caller

    pulse-plugins transcribe call.wav --url ws://127.0.0.1:8765   (without a key, see `serve`)
    """
    if rate is not None and encoding is None:
        raise CommandError("--rate is for samples without a header: add --encoding", Exit.USAGE)
    if output == Path("-"):
        output = None
    run = Run(
        arguments=tuple(sources),
        output=output,
        formats=outputs.chosen_formats(output, _forms(forms or ())),
        selection=Selection(
            track=track,
            start=seconds("--start", start),
            duration=_length(duration),
            separate=channels == "separate",
            encoding=encoding,
            rate=rate or _TELEPHONE,
        ),
        labels=_labels(labels or (), channels),
        service=Service(
            url, language, dialect, (*(settings or ()), *(("diarize=true",) if speakers else ()))
        ),
        times=times,
        force=force,
        rest=rest,
        jobs=jobs,
        as_json=as_json,
    )
    return run.dry() if dry else run.all()


@dataclass(frozen=True, slots=True)
class Service:
    """Which server is asked, and for what: the options that all commands share."""

    url: str
    language: str
    dialect: DialectName
    settings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One call of the command, with its options read."""

    arguments: tuple[str, ...]
    output: Path | None
    formats: tuple[Format, ...]
    selection: Selection
    labels: tuple[str, ...]
    service: Service
    times: bool
    force: bool
    rest: bool
    jobs: int
    as_json: bool

    def all(self) -> Exit:
        """Transcribe what is missing."""
        service = self.service
        wanted = target.options(
            url=service.url,
            language=service.language,
            dialect=service.dialect,
            settings=list(service.settings),
            limits=FILE_LIMITS,
            timeouts=FILE_TIMEOUTS,
            retry=FILE_RETRY,
        )
        recognizer = Recognizer(wanted, self.labels)
        with Finder(raw=self.selection.encoding is not None) as finder:
            found = finder.find(self.arguments)
            planned, planner = self._planned(found.sources)
            outputs.check_writable(planned)
            form = self.formats[0] if self.output is None else None
            report = Report(service.url, form, len(planned), times=self.times, as_json=self.as_json)
            if found.remark:
                report.remark(found.remark)
            plan = Plan(
                recognizer.by_request if self.rest else recognizer.by_stream,
                self.selection,
                wanted.sample_rate,
                self.times,
                planner.remember if planner else None,
            )
            try:
                self._work(planned, plan, report)
            finally:  # also after Ctrl-C: what is done is done
                report.summary()
        return report.code

    def _work(self, planned: list[Job], plan: Plan, report: Report) -> None:
        for job in planned:
            if job.problem is not None:
                report.tell(Outcome(job, "failed", error=job.problem))
            elif job.is_done:
                report.tell(Outcome(job, "skipped"))
        todo = [job for job in planned if job.problem is None and not job.is_done]
        with Bars(quiet=self.as_json) as bars:
            asyncio.run(Work(plan, bars, report.tell).all(todo, self.jobs))

    def dry(self) -> Exit:
        """List what would be done."""
        with Finder(raw=self.selection.encoding is not None) as finder:
            found = finder.find(self.arguments)
            planned, _ = self._planned(found.sources)
            return dry_run.show(planned, self.selection, found.remark, as_json=self.as_json)

    def _planned(self, found: list[Source]) -> tuple[list[Job], Planner | None]:
        if self.output is None:
            if len(self.formats) > 1:
                raise CommandError("several formats need a folder: add -o", Exit.USAGE)
            if self.formats == ("srt",) and len(found) > 1 and not self.as_json:
                raise CommandError(
                    "captions of several recordings cannot share one SRT: add -o", Exit.USAGE
                )
            return [Job(source) for source in found], None
        where = outputs.target(self.output, found, self.arguments)
        planner = Planner(where, self.formats, self._fingerprint(), force=self.force)
        return planner.plan(found), planner

    def _fingerprint(self) -> str:
        """A hash of every option that shapes the transcript."""
        service = self.service
        return hashed(
            {
                "url": service.url,
                "language": service.language,
                "dialect": service.dialect,
                "settings": sorted(service.settings),
                "selection": str(self.selection),
                "labels": self.labels,
                "times": self.times,
                "rest": self.rest,
            }
        )


def seconds(option: str, text: str) -> float:
    """Read a time such as `90`, `1:30` or `0:01:30.5`.

    Raises:
        CommandError: It is none.
    """
    parts = text.split(":")
    try:
        total = 0.0
        for part in parts:
            total = total * 60 + float(part)
    except ValueError:
        total = -1.0
    if len(parts) > 3 or not 0 <= total < float("inf"):
        raise CommandError(
            f"{option} {text}: write seconds, or a time such as 1:30 or 0:01:30", Exit.USAGE
        )
    return total


def _length(text: str | None) -> float | None:
    """Read `--duration`."""
    if text is None:
        return None
    found = seconds("--duration", text)
    if not found:
        raise CommandError(f"--duration {text}: it must be longer than 0", Exit.USAGE)
    return found


def _forms(given: Sequence[str]) -> list[Format]:
    """Read `--format`, which can be repeated and can hold several with commas."""
    names = [name.strip().lower() for each in given for name in each.split(",")]
    unknown = next((name for name in names if name not in _FORMATS), None)
    if unknown is not None:
        raise CommandError(
            f"--format {unknown}: use {', '.join(_FORMATS)}; commas join several", Exit.USAGE
        )
    return [_FORMATS[name] for name in names]


def _labels(given: list[str] | tuple[str, ...], channels: Channels) -> tuple[str, ...]:
    if given and channels != "separate":
        raise CommandError("--label names a channel: add --channels separate", Exit.USAGE)
    names = tuple(" ".join(label.split()) for label in given)
    if any(not 0 < len(name) <= _LABEL for name in names):
        raise CommandError(f"--label takes 1 to {_LABEL} letters", Exit.USAGE)
    return names
