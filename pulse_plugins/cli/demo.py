"""`demo`: a recorded call through a real Pipecat pipeline and a real LiveKit agent session."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from pulse_plugins.cli import calls, target
from pulse_plugins.cli.calls import Call, Player
from pulse_plugins.cli.cutting import Wire
from pulse_plugins.cli.exits import CommandError, Exit, needs
from pulse_plugins.cli.hearing import Hearing, Result, table
from pulse_plugins.core.options import CLOUD_URL, PulseOptions

Framework = Literal["pipecat", "livekit", "both"]
Model = Literal["plain", "call"]
Run = Callable[[Hearing, PulseOptions], Awaitable[None]]


def command(
    file: Annotated[
        Path | None,
        typer.Argument(help="A recording of your own.", exists=True, dir_okay=False),
    ] = None,
    framework: Annotated[
        Framework, typer.Option("--framework", help="Which pipeline hears it.")
    ] = "both",
    drop: Annotated[
        bool, typer.Option("--drop", help="Cut the connection in the middle of a sentence.")
    ] = False,
    cloud: Annotated[
        bool,
        typer.Option("--cloud", help="Use the service and SMALLEST_API_KEY, no local server."),
    ] = False,
    recording: Annotated[
        str, typer.Option("--recording", help="A call that ships: booking, change or human.")
    ] = "booking",
    telephone: Annotated[
        bool, typer.Option("--telephone", help="The call as 8 kHz mu-law, as a telephone has it.")
    ] = False,
    language_model: Annotated[
        Model,
        typer.Option(
            "--language-model",
            help="The local recognizer knows general English (plain), or how callers speak to a "
            "restaurant's agent (call).",
        ),
    ] = "call",
    as_json: target.Json = False,
) -> int:
    """See speech become a transcript, live, in both frameworks, without a key or a network.

    A recorded call is played in real time into a Pipecat pipeline with its Silero VAD and turn
    strategies, then into a LiveKit agent session with its bundled VAD. Both listen with this
    package's plugin, which talks to a local Pulse server with a real recognizer. The recognizer
    is small and is [bold]not[/] the service's: its word errors say nothing about Pulse.

    [bold]Examples[/]

    pulse-plugins demo

    pulse-plugins demo --framework pipecat --drop

    pulse-plugins demo call.mp3 --language-model plain
    """
    if cloud and drop:
        raise CommandError("--drop cuts a wire on this machine; it is not for --cloud", Exit.USAGE)
    _quiet()
    return asyncio.run(
        _demo(
            ("pipecat", "livekit") if framework == "both" else (framework,),
            file=file,
            recording=recording,
            telephone=telephone,
            language_model=language_model,
            cloud=cloud,
            drop=drop,
            as_json=as_json,
        )
    )


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
    runs = {name: _load(name) for name in frameworks}  # a missing framework shows before the work
    if file is None:
        call = calls.shipped(recording, 8000 if telephone else 16_000)
    else:
        call = await calls.of_file(file)
    results = []
    async with _server(language_model, cloud=cloud) as url:
        for name, run in runs.items():
            results.append(
                await _one(name, run, call, url, telephone=telephone, drop=drop, as_json=as_json)
            )
    if as_json:
        for result in results:
            print(result.as_json())
    else:
        Console().print(table(results))
    return Exit.OK if all(result.words for result in results) else Exit.FAILED


async def _one(
    name: str, run: Run, call: Call, url: str, *, telephone: bool, drop: bool, as_json: bool
) -> Result:
    player = Player(call)
    async with AsyncExitStack() as stack:
        cutting = None
        hearing = stack.enter_context(Hearing(name, call, player, as_json))
        if drop:
            wire = await stack.enter_async_context(Wire(url))
            url = wire.url
            cutting = asyncio.create_task(_cut(wire, hearing))
        encoding: Literal["mulaw", "linear16"] = "mulaw" if telephone else "linear16"
        options = PulseOptions(base_url=url, encoding=encoding, sample_rate=call.rate)
        try:
            await run(hearing, options)
        finally:
            if cutting is not None:
                cutting.cancel()
                await asyncio.gather(cutting, return_exceptions=True)
        return hearing.result()


async def _cut(wire: Wire, hearing: Hearing) -> None:
    """Cut the wire in the middle of the last sentence."""
    await hearing.player.until(hearing.call.middle)
    wire.cut()
    hearing.note("the connection is cut")


def _load(framework: str) -> Run:
    with needs(framework, f"the demo with {framework}"):
        run: Run = import_module(f"pulse_plugins.cli.demo_{framework}").run
    return run


@asynccontextmanager
async def _server(language_model: Model, *, cloud: bool) -> AsyncIterator[str]:
    """The cloud, or a local server for as long as it is needed."""
    if cloud:
        yield CLOUD_URL
        return
    with needs("local", "the local server"):
        from pulse_plugins.local.pocketsphinx import PocketSphinxRecognizer
        from pulse_plugins.local.server import PulseServer
    recognizer = PocketSphinxRecognizer(
        language_model="bookings" if language_model == "call" else None
    )
    async with PulseServer(recognizer) as server:
        yield server.url


def _quiet() -> None:
    """The frameworks' logs would stand in the transcript's way."""
    logging.getLogger().setLevel(logging.WARNING)
    if find_spec("loguru") is not None:  # Pipecat's
        import_module("loguru").logger.remove()
