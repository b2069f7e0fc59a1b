"""`demo`: a recorded call through a Pipecat pipeline and a LiveKit agent session."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from pulse_plugins.cli import calls, target
from pulse_plugins.cli.calls import Call, Player
from pulse_plugins.cli.exits import CommandError, Exit, code_of, needs
from pulse_plugins.cli.explain import explain
from pulse_plugins.cli.hearing import Hearing, Result, table
from pulse_plugins.cli.imports import is_installed
from pulse_plugins.core.base.errors import PulseError
from pulse_plugins.core.base.events import Connected, Event, Reconnecting
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.config.urls import CLOUD_URL
from pulse_plugins.core.observe.hooks import ObservedStream, follow, unfollow

if TYPE_CHECKING:
    from pulse_plugins.local.server import PulseServer

Framework = Literal["pipecat", "livekit", "both"]
Model = Literal["general", "bookings"]
Run = Callable[[Hearing, PulseOptions], Coroutine[None, None, None]]


def command(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="A recording of your own, which is played instead.", exists=True, dir_okay=False
        ),
    ] = None,
    framework: Annotated[
        Framework | None,
        typer.Option(
            "--framework",
            help="The framework that gets the call. Without this option, the call is played "
            "through each framework that is installed.",
            show_default=False,
        ),
    ] = None,
    drop: Annotated[
        bool, typer.Option("--drop", help="Cut the connection in the middle of a sentence.")
    ] = False,
    cloud: Annotated[
        bool,
        typer.Option(
            "--cloud", help="Use the service and SMALLEST_API_KEY instead of a local server."
        ),
    ] = False,
    recording: Annotated[
        str,
        typer.Option(
            "--recording",
            help="The recording of the package that is played: booking, change or human.",
        ),
    ] = "booking",
    telephone: Annotated[
        bool,
        typer.Option("--telephone", help="Send the call as 8 kHz mu-law, as telephone lines do."),
    ] = False,
    language_model: Annotated[
        Model,
        typer.Option(
            "--language-model",
            help="What the local recognizer knows: general English, or how callers book a table, "
            "as with `serve --language-model bookings`.",
        ),
    ] = "bookings",
    as_json: target.Json = False,
) -> int:
    """Play a recorded call through Pipecat and LiveKit Agents, without a key or a network.

    The command plays the call in real time into a Pipecat pipeline with its Silero VAD and turn
    strategies, then into a LiveKit agent session with its bundled VAD. Both use the plugin of this
    package, which connects to a local Pulse server like that of [bold]serve[/]. The local server
    has a small recognizer of its own, so its word errors say nothing about Pulse.

    [bold]Examples[/]

    pulse-plugins demo

    pulse-plugins demo --framework pipecat --drop

    pulse-plugins demo call.mp3 --language-model general
    """
    if cloud and drop:
        raise CommandError(
            "--drop cuts connections of the local server only: leave out --cloud", Exit.USAGE
        )
    if cloud:
        target.check_key(CLOUD_URL, instead="leave out --cloud")
    _quiet()
    return asyncio.run(
        _demo(
            chosen_frameworks(framework),
            file=file,
            recording=recording,
            telephone=telephone,
            language_model=language_model,
            cloud=cloud,
            drop=drop,
            as_json=as_json,
        )
    )


def chosen_frameworks(wanted: Framework | None) -> tuple[str, ...]:
    """The frameworks that get the call.

    If none is installed, both are returned, so that the error names what to install for both.
    """
    if wanted in ("pipecat", "livekit"):
        return (wanted,)
    both = ("pipecat", "livekit")
    modules = {"pipecat": "pipecat", "livekit": "livekit.agents"}
    found = tuple(name for name in both if is_installed(modules[name]))
    return found if found and wanted is None else both


async def _demo(
    frameworks: tuple[str, ...],
    *,
    file: Path | None,
    recording: str,
    telephone: bool,
    language_model: Model,
    cloud: bool,
    drop: bool,
    as_json: bool,
) -> int:
    extras = ",".join((*frameworks, *(() if cloud else ("local",))))
    runs = {name: _load(name, extras) for name in frameworks}  # before any work
    if not cloud:
        with needs(extras, "the demo"):  # named together: one command installs them
            import_module("pulse_plugins.local.server")
    if file is None:
        call = calls.shipped(recording, 8000 if telephone else 16_000)
    else:
        call = await calls.of_file(file)
    results = []
    async with _server(language_model, cloud=cloud) as server:
        for name, run in runs.items():
            stage = _Stage(server, drop=drop, telephone=telephone, as_json=as_json)
            results.append(await stage.play(name, run, call))
    if as_json:
        for result in results:
            print(result.as_json())
    else:
        Console().print(table(results))
    return Exit.OK if all(result.words for result in results) else Exit.FAILED


@dataclass(frozen=True, slots=True)
class _Stage:
    """How a call is played.

    Attributes:
        server: The local server, or None: the cloud.
        drop: Cut the connection in the middle of the last sentence.
        telephone: Send mu-law.
        as_json: Show JSON lines.
    """

    server: PulseServer | None
    drop: bool
    telephone: bool
    as_json: bool

    async def play(self, framework: str, run: Run, call: Call) -> Result:
        """Play the call through one framework.

        Raises:
            CommandError: There was no connection, and so no word came.
            BrokenPipeError: Nobody reads the output any more.
        """
        options = PulseOptions(
            base_url=CLOUD_URL if self.server is None else self.server.url,
            encoding="mulaw" if self.telephone else "linear16",
            sample_rate=call.rate,
        )
        with Hearing(framework, call, Player(call), self.as_json) as hearing:
            trouble = _Trouble(hearing)
            follow(trouble.of)
            playing = asyncio.create_task(run(hearing, options))
            leaving = asyncio.create_task(hearing.left.wait())
            cutting = asyncio.create_task(self._cut(hearing))
            try:
                await asyncio.wait((playing, leaving), return_when=asyncio.FIRST_COMPLETED)
            finally:
                unfollow(trouble.of)
                for task in (playing, leaving, cutting):
                    task.cancel()
                await asyncio.gather(playing, leaving, cutting, return_exceptions=True)
        if hearing.left.is_set():
            raise BrokenPipeError
        playing.result()
        result = hearing.result()
        if trouble.error is not None and not result.words:
            why = explain(trouble.error, str(options.base_url))
            raise CommandError(why, code_of(trouble.error))
        return result

    async def _cut(self, hearing: Hearing) -> None:
        """Let the server cut the connection, and show when it has done so."""
        if not self.drop or self.server is None:
            return
        before = len(self.server.faults.happened)
        self.server.faults.add([f"drop@audio={hearing.call.middle:.2f}"])
        await self.server.wait_for(
            lambda server: len(server.faults.happened) > before, timeout=3600
        )
        hearing.note("the connection is cut")


class _Trouble:
    """Watches the stream of a call.

    Attributes:
        error: Why the stream has no connection, or None.
    """

    def __init__(self, hearing: Hearing) -> None:
        self.error: PulseError | None = None
        self._hearing = hearing
        self._stream: ObservedStream | None = None

    def of(self, stream: ObservedStream) -> _Trouble:
        """Watch this stream."""
        self._stream = stream
        return self

    def happened(self, event: Event) -> None:
        """Remember the newest error until a connection is open, and show that it goes on."""
        match event:
            case Reconnecting(attempt=attempt, error=error):
                if attempt == 2:
                    self._hearing.note(f"no connection ({event.reason}): trying again")
                self.error = error
            case Connected():
                self.error = None

    def asked(self, request_id: int) -> None:
        """A finalize was requested, which is no trouble."""

    def ended(self) -> None:
        """Remember why the stream failed."""
        if self._stream is not None and self._stream.error is not None:
            self.error = self._stream.error


def _load(framework: str, extras: str) -> Run:
    with needs(extras, "the demo"):
        run: Run = import_module(f"pulse_plugins.cli.demo_{framework}").run
    return run


@asynccontextmanager
async def _server(language_model: Model, *, cloud: bool) -> AsyncIterator[PulseServer | None]:
    """Run a local server inside the block; the cloud needs none."""
    if cloud:
        yield None
        return
    with needs("local", "the local server"):
        from pulse_plugins.local.recognizers.pocketsphinx import PocketSphinxRecognizer
        from pulse_plugins.local.server import PulseServer
        from pulse_plugins.local.settings import ServerOptions
    recognizer = PocketSphinxRecognizer(
        language_model="bookings" if language_model == "bookings" else None
    )
    try:
        await recognizer.warm()  # a model takes a second to load; a caller would hear that
        async with PulseServer(ServerOptions(recognizer=recognizer)) as server:
            yield server
    finally:
        await recognizer.close()


def _quiet() -> None:
    """Turn off the frameworks' logs, which would be printed between the transcripts."""
    logging.getLogger().setLevel(logging.WARNING)
    # Without a handler, Python prints warnings, and LiveKit's have tracebacks.
    logging.getLogger("livekit").addHandler(logging.NullHandler())
    if find_spec("loguru") is not None:  # Pipecat's
        import_module("loguru").logger.remove()
