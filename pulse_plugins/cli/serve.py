"""`serve`: a local Pulse server, for development and for rehearsing failures."""

from __future__ import annotations

import asyncio
import json
import signal
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pulse_plugins.cli import target
from pulse_plugins.cli.exits import CommandError, Exit
from pulse_plugins.local.connection.driver import decoder_rate
from pulse_plugins.local.faults import parse
from pulse_plugins.local.recognizers.contract import Recognizer, load
from pulse_plugins.local.server import PulseServer
from pulse_plugins.local.settings import ServerOptions

_USUAL_RATE = 16_000  # Hz; what most clients send


def command(
    host: Annotated[
        str, typer.Option("--host", help="Address; one that others reach needs a good reason.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", "-p", min=0, max=65535, help="0 takes a free one.")
    ] = 8765,
    recognizer: Annotated[
        str,
        typer.Option(
            "--recognizer",
            "-r",
            help="pocketsphinx (real English speech), scripted (words hidden in the audio of "
            "tests), or package.module:factory for one of your own.",
        ),
    ] = "pocketsphinx",
    language_model: Annotated[
        str | None,
        typer.Option(
            "--language-model",
            help="For pocketsphinx: bookings, which ships, or an n-gram file. A small model of "
            "what your callers say hears far better than general English.",
        ),
    ] = None,
    grammar: Annotated[
        Path | None,
        typer.Option("--grammar", exists=True, dir_okay=False, help="A JSGF file instead."),
    ] = None,
    dictionary: Annotated[
        Path | None,
        typer.Option("--dictionary", exists=True, dir_okay=False, help="Its pronunciations."),
    ] = None,
    decoders: Annotated[
        int, typer.Option("--decoders", min=1, help="Streams that pocketsphinx hears at once.")
    ] = 4,
    faults: Annotated[
        list[str] | None,
        typer.Option(
            "--fault",
            "-f",
            metavar="KIND[=N][@WHEN]",
            help="What goes wrong and when, as often as you like: drop@audio=3.2, "
            "close=1011@word=7, refuse=503@connection=2, stall=5@finalize=1, late_final=2, "
            "garbage, error, blackhole. WHEN: audio (seconds), word, finalize, closing, "
            "connection, times (0: always).",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            "-s",
            metavar="NAME=VALUE",
            help="Any habit of the server, as often as you like: -s latency_final=0.4 "
            "-s concurrency=2. --list names them.",
        ),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--dialect-strict", help="Refuse parameters that the endpoint's documents do not name."
        ),
    ] = False,
    control: Annotated[
        bool,
        typer.Option("--control", help="Take faults over HTTP: POST /_control/faults."),
    ] = False,
    listed: Annotated[bool, typer.Option("--list", help="List what --set takes, and end.")] = False,
    as_json: target.Json = False,
) -> int:
    """Run a Pulse server on this machine: all its endpoints on one port.

    It is faithful in what goes over the wire, not in how well it understands. What it cannot do
    honestly: it never tells speakers, emotion or gender; languages that the recognizer does not
    know, URL bodies and webhooks are refused.

    [bold]Examples[/]

    pulse-plugins serve

    pulse-plugins serve --port 0 --language-model bookings -f drop@audio=3 -s latency_final=0.4

    pulse-plugins serve -r mypackage.asr:make
    """
    if listed:
        return _list()
    for fault in faults or ():
        parse(fault)  # refused before anything is started
    files = {"language_model": language_model, "grammar": grammar, "dictionary": dictionary}
    own: dict[str, object] = {}
    if recognizer == "pocketsphinx":
        own = {**files, "decoders": decoders}
    elif any(files.values()):
        raise CommandError("models and grammars are for --recognizer pocketsphinx", Exit.USAGE)
    if any(setting.partition("=")[0].strip() == "recognizer" for setting in settings or ()):
        raise CommandError("the recognizer is chosen with --recognizer", Exit.USAGE)
    more = {"strict": True} if strict else {}
    if control:
        more["control"] = True
    made = load(recognizer, **own)
    options = ServerOptions.from_strings(settings or (), recognizer=made, **more)
    server = PulseServer(options, faults=faults or (), host=host, port=port)
    return asyncio.run(_run(server, made, as_json=as_json))


async def _run(server: PulseServer, recognizer: Recognizer, *, as_json: bool) -> int:
    stopped = asyncio.Event()
    with suppress(NotImplementedError, RuntimeError):  # not on Windows, and in no other thread
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    try:
        await _warm(recognizer)
        async with server:
            _tell(server, as_json=as_json)
            await stopped.wait()
    finally:
        await recognizer.close()
    return Exit.OK


async def _warm(recognizer: Recognizer) -> None:
    """Open a decoder once: what is broken shows before anybody calls, and no caller waits for it.

    Raises:
        CommandError: It cannot hear.
    """
    try:
        language = "en" if "en" in recognizer.languages else min(recognizer.languages)
        rate = decoder_rate(_USUAL_RATE, recognizer.sample_rates)
        decoder = await recognizer.open(sample_rate=rate, language=language, keywords={})
        await decoder.close()
    except Exception as error:  # the recognizer can be anybody's
        problem = f"{type(error).__name__}: {error}"
        raise CommandError(
            f"the recognizer does not start: {problem}", Exit.CONFIGURATION
        ) from error


def _tell(server: PulseServer, *, as_json: bool) -> None:
    if as_json:
        line = {"event": "listening", "url": server.url, "http": server.http_url}
        print(json.dumps(line), flush=True)
    else:
        console = Console(highlight=False)
        console.print(
            f"A stand-in for the Pulse service, on [bold]{server.url}[/]. Ctrl-C ends it."
        )
        console.print(f'  PulseOptions(base_url="{server.url}")', style="dim")
        for fault in server.faults.armed:
            console.print(f"  [yellow]will go wrong:[/] {escape(str(fault))}")


def _list() -> int:
    table = Table("name", "default", box=None)
    for each in fields(ServerOptions):
        if each.name != "recognizer":
            table.add_row(each.name, str(each.default))
    Console().print(table)
    return Exit.OK
