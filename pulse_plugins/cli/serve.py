"""`serve`: a local Pulse server, for development and for rehearsing failures."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from pulse_plugins.cli import serving, target
from pulse_plugins.cli.exits import CommandError, Exit, listening
from pulse_plugins.cli.terminal import Output, print_line
from pulse_plugins.core.base.errors import PulseError
from pulse_plugins.local.faults import parse
from pulse_plugins.local.recognizers.contract import Recognizer, load
from pulse_plugins.local.server import PulseServer
from pulse_plugins.local.sessions.replay import ReplayServer
from pulse_plugins.local.settings import ServerOptions
from pulse_plugins.local.wire.encodings import decoder_rate

_RECOGNIZER = "pocketsphinx"
_USUAL_RATE = 16_000  # Hz; what most clients send


def command(
    host: Annotated[
        str,
        typer.Option(
            "--host",
            help="Address to bind. The default, 127.0.0.1, accepts connections from this machine "
            "only.",
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option("--port", "-p", min=0, max=65535, help="Port to bind; 0 takes a free port."),
    ] = 8765,
    recognizer: Annotated[
        str,
        typer.Option(
            "--recognizer",
            "-r",
            help="pocketsphinx (real English speech), scripted (words hidden in the audio of "
            "tests), or package.module:factory for your own recognizer.",
        ),
    ] = _RECOGNIZER,
    language_model: Annotated[
        str | None,
        typer.Option(
            "--language-model",
            help="For pocketsphinx: bookings, which ships, or an n-gram file. A small model of "
            "what your callers say makes far fewer mistakes than general English.",
        ),
    ] = None,
    grammar: Annotated[
        Path | None,
        typer.Option(
            "--grammar", exists=True, dir_okay=False, help="For pocketsphinx: a JSGF grammar."
        ),
    ] = None,
    dictionary: Annotated[
        Path | None,
        typer.Option(
            "--dictionary",
            exists=True,
            dir_okay=False,
            help="For pocketsphinx: the pronunciations of the words.",
        ),
    ] = None,
    decoders: Annotated[
        int, typer.Option("--decoders", min=1, help="Streams that pocketsphinx recognizes at once.")
    ] = 4,
    faults: Annotated[
        list[str] | None,
        typer.Option(
            "--fault",
            "-f",
            metavar="KIND[=N][@WHEN]",
            help="A fault and its moment, such as drop@audio=3.2, close=1011@word=7 or "
            "refuse=503@connection=2. The option can be repeated. --list explains all faults.",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            "-s",
            metavar="NAME=VALUE",
            help="A setting of the server, such as -s latency_final=0.4 or "
            "-s from_finalize=never. The option can be repeated. --list explains all settings.",
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
        typer.Option("--control", help="Accept faults over HTTP: POST /_control/faults."),
    ] = False,
    replay: Annotated[
        Path | None,
        typer.Option(
            "--replay",
            exists=True,
            dir_okay=False,
            help="Answer from a file that `pulse-plugins record` wrote. No recognizer is used.",
        ),
    ] = None,
    paced: Annotated[
        bool, typer.Option("--paced", help="With --replay: wait as the recorded server did.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Print finals too, which show what was said.")
    ] = False,
    listed: Annotated[
        bool, typer.Option("--list", help="Explain every setting and fault, and exit.")
    ] = False,
    as_json: target.Json = False,
) -> int:
    """Run a Pulse server on this machine: all its endpoints on one port.

    The server imitates the messages of the service, and not the quality of its recognition. It
    prints a line for each call. Simple rules simulate speakers, gender, age and emotions, and small
    lists find the names to redact. Languages that the recognizer does not know are refused.

    [bold]Examples[/]

    pulse-plugins serve

    pulse-plugins serve --port 0 --language-model bookings -f drop@audio=3 -s latency_final=0.4

    pulse-plugins serve -r mypackage.asr:make

    pulse-plugins serve --replay session.jsonl
    """
    if listed:
        serving.explain()
        return Exit.OK
    if replay is not None:
        models = (language_model, grammar, dictionary)
        _only_replay((faults, settings, strict, control, verbose, *models), recognizer)
        replaying = ReplayServer(replay, host=host, port=port, paced=paced)
        return asyncio.run(_replay(replaying, host, port, as_json=as_json))
    if paced:
        raise CommandError("--paced is for --replay", Exit.USAGE)
    for fault in faults or ():
        parse(fault)  # refused before anything is started
    files = {"language_model": language_model, "grammar": grammar, "dictionary": dictionary}
    own: dict[str, object] = {}
    if recognizer == _RECOGNIZER:
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
    watch = serving.printer(verbose=verbose, as_json=as_json)
    server = PulseServer(options, faults=faults or (), host=host, port=port, watch=watch)
    return asyncio.run(_run(server, made, host, port, as_json=as_json))


def _only_replay(others: Sequence[object], recognizer: str) -> None:
    """Refuse options beside `--replay` that would have no effect."""
    if any(others) or recognizer != _RECOGNIZER:
        raise CommandError(
            "--replay answers from the file alone: it goes with --host, --port, --paced and --json",
            Exit.USAGE,
        )


async def _run(
    server: PulseServer, recognizer: Recognizer, host: str, port: int, *, as_json: bool
) -> int:
    stopped = _stopped_by_signal()
    try:
        await _warm(recognizer)
        async with AsyncExitStack() as stack:
            with listening(host, port):
                await stack.enter_async_context(server)
            _tell(server, as_json=as_json)
            for fault in server.faults.armed if not as_json else ():
                Output().print(f"  [yellow]will go wrong:[/] {escape(str(fault))}")
            await stopped.wait()
    finally:
        await recognizer.close()
    return Exit.OK


async def _replay(server: ReplayServer, host: str, port: int, *, as_json: bool) -> int:
    stopped = _stopped_by_signal()
    async with AsyncExitStack() as stack:
        with listening(host, port):
            await stack.enter_async_context(server)
        _tell(server, as_json=as_json)
        await stopped.wait()
    return Exit.OK


def _stopped_by_signal() -> asyncio.Event:
    """An event that SIGTERM sets; it works before the command says that it listens."""
    stopped = asyncio.Event()
    with suppress(NotImplementedError, RuntimeError):  # not on Windows, and in no other thread
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    return stopped


async def _warm(recognizer: Recognizer) -> None:
    """Open a decoder once, so that a broken recognizer is found before the server listens.

    Raises:
        CommandError: The recognizer does not start.
    """
    try:
        language = "en" if "en" in recognizer.languages else min(recognizer.languages)
        rate = decoder_rate(_USUAL_RATE, recognizer.sample_rates)
        decoder = await recognizer.open(sample_rate=rate, language=language, keywords={})
        await decoder.close()
    except Exception as error:  # the recognizer can be anybody's
        kind = "" if isinstance(error, PulseError) else f"{type(error).__name__}: "
        problem = f"{kind}{error}"
        raise CommandError(
            f"the recognizer does not start: {problem}", Exit.CONFIGURATION
        ) from error


def _tell(server: PulseServer | ReplayServer, *, as_json: bool) -> None:
    if as_json:
        line = {"event": "listening", "url": server.url, "http": server.http_url}
        print_line(json.dumps(line))
        return
    console = Output()
    console.print(f"A local Pulse server listens on [bold]{server.url}[/]. Ctrl-C ends it.")
    console.print(f'  PulseOptions(base_url="{server.url}")', style="dim")
