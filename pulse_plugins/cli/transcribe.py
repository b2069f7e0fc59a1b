"""`transcribe`: recordings to text, many at once, and only those that are not done."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from pulse_plugins.cli import captions, media, outputs, target
from pulse_plugins.cli.exits import CommandError, Exit, code_of
from pulse_plugins.cli.threads import in_thread
from pulse_plugins.cli.transcription import (
    FILE_LIMITS,
    FILE_RETRY,
    FILE_TIMEOUTS,
    Advance,
    Transcript,
    by_request,
    by_stream,
)
from pulse_plugins.core.base.errors import PulseError, RequestRejectedError
from pulse_plugins.core.config.options import PulseOptions


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened to one source."""

    source: str
    output: Path | None = None
    skipped: bool = False
    transcript: Transcript | None = None
    error: BaseException | None = None

    def as_json(self) -> str:
        """A line for machines."""
        done = self.transcript
        return json.dumps(
            {
                "source": self.source,
                "status": "failed" if self.error else "skipped" if self.skipped else "done",
                "output": str(self.output) if self.output else None,
                "seconds": round(done.seconds, 3) if done else None,
                "words": sum(len(f.text.split()) for f in done.finals) if done else None,
                "error": str(self.error) if self.error else None,
            }
        )


def command(
    sources: Annotated[
        list[str],
        typer.Argument(help="Files, directories or http(s) URLs.", metavar="FILE|DIR|URL..."),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            file_okay=False,
            help="A directory: one file for each recording, written whole or not at all; what is "
            "there already is skipped. Without it transcripts go to standard output.",
        ),
    ] = None,
    form: Annotated[
        captions.Format, typer.Option("--format", "-f", help="What is written.")
    ] = "text",
    rest: Annotated[
        bool, typer.Option("--rest", help="Send whole files instead of streams.")
    ] = False,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=1, max=100, help="At once; your plan has a limit.")
    ] = 4,
    force: Annotated[bool, typer.Option("--force", help="Also what is done already.")] = False,
    url: target.Url = target.DEFAULT_URL,
    language: target.Language = "en",
    dialect: target.Dialect = "pulse",
    settings: target.Settings = None,
    as_json: target.Json = False,
) -> int:
    """Transcribe recordings.

    Any container that FFmpeg knows, from telephone WAV to video. Stop it whenever you like: with
    [bold]--output[/], a second run does what is missing.

    [bold]Examples[/]

    pulse-plugins transcribe call.mp3

    pulse-plugins transcribe recordings/ -o transcripts/ -f srt -j 8

    pulse-plugins transcribe call.wav --url ws://127.0.0.1:8765   (against `pulse-plugins serve`)
    """
    found = media.find(sources)
    wanted = target.options(
        url=url,
        language=language,
        dialect=dialect,
        settings=settings,
        limits=FILE_LIMITS,
        timeouts=FILE_TIMEOUTS,
        retry=FILE_RETRY,
    )
    planned = outputs.plan(found, output, captions.SUFFIX[form]) if output else {}
    done = [s for s in found if s in planned and not force and outputs.is_done(s, planned[s])]
    todo = [source for source in found if source not in done]
    outcomes = [Outcome(source, planned[source], skipped=True) for source in done]
    with _bars(quiet=as_json) as bars:
        work = _Work(wanted, by_request if rest else by_stream, form, planned, bars)
        outcomes += asyncio.run(work.all(todo, jobs))
    return _tell(outcomes, form, output is None, as_json=as_json)


class _Work:
    """Many recordings at once; one that fails does not stop the others."""

    def __init__(
        self,
        wanted: PulseOptions,
        read: Callable[[str, PulseOptions, Advance], Awaitable[Transcript]],
        form: captions.Format,
        planned: dict[str, Path],
        bars: Progress,
    ) -> None:
        self._wanted = wanted
        self._read = read
        self._form = form
        self._planned = planned
        self._bars = bars
        self._refused: PulseError | None = None

    async def all(self, sources: list[str], jobs: int) -> list[Outcome]:
        """Do these, `jobs` at a time; the outcomes are in the sources' order."""
        gate = asyncio.Semaphore(jobs)
        whole = self._bars.add_task("all", total=len(sources), visible=len(sources) > 1)

        async def one(source: str) -> Outcome:
            async with gate:
                outcome = await self._one(source)
            self._bars.advance(whole)
            return outcome

        return list(await asyncio.gather(*(one(source) for source in sources)))

    async def _one(self, source: str) -> Outcome:
        output = self._planned.get(source)
        if self._refused is not None:  # the key or an option is refused: so will the next one be
            return Outcome(source, error=self._refused)
        bar = self._bars.add_task(escape(Path(source).name), total=None)
        try:
            self._bars.update(bar, total=await in_thread(partial(media.duration, source)))
            transcript = await self._read(
                source, self._wanted, lambda seconds: self._bars.advance(bar, seconds)
            )
            if output is not None:
                text = captions.render(
                    transcript.finals, self._form, source=source, seconds=transcript.seconds
                )
                await asyncio.to_thread(outputs.write, output, text)
            return Outcome(source, output, transcript=transcript)
        except RequestRejectedError as error:
            self._refused = error
            return Outcome(source, error=error)
        except (CommandError, PulseError, OSError) as error:
            return Outcome(source, error=error)
        finally:
            self._bars.remove_task(bar)


def _bars(*, quiet: bool) -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=quiet or not console.is_terminal,
    )


def _tell(
    outcomes: list[Outcome], form: captions.Format, to_terminal: bool, *, as_json: bool
) -> Exit:
    """Show what came out, and give the exit code: that of the first failure."""
    notes = Console(stderr=True)
    head = ""
    for outcome in outcomes:
        if as_json:
            print(outcome.as_json())
        elif outcome.error is not None:
            where = f"{outcome.source}: "
            text = str(outcome.error).removeprefix(where)
            notes.print(f"[bold red]error:[/] {escape(where + text)}", soft_wrap=True)
        elif outcome.transcript is not None and to_terminal:
            transcript = outcome.transcript
            text = captions.render(
                transcript.finals, form, source=outcome.source, seconds=transcript.seconds
            )
            print(text.removeprefix(head), end="")
            head = captions.VTT_HEAD  # standard output is one file, and begins once
    failed = [outcome.error for outcome in outcomes if outcome.error is not None]
    skipped = sum(outcome.skipped for outcome in outcomes)
    if not as_json and (len(outcomes) > 1 or not to_terminal):
        done = len(outcomes) - len(failed) - skipped
        notes.print(f"{done} done, {skipped} already there, {len(failed)} failed")
    if not failed:
        return Exit.OK
    codes = {code_of(error) for error in failed}
    return codes.pop() if len(codes) == 1 else Exit.FAILED
