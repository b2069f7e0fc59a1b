"""`record`: a proxy in front of a Pulse server that writes a session as one file."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import IO, Annotated

import typer
from rich.markup import escape

from pulse_plugins.cli import target
from pulse_plugins.cli.exits import CommandError, Exit, listening
from pulse_plugins.cli.terminal import Output, print_line
from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.local.sessions.log import SessionWriter
from pulse_plugins.local.sessions.recorder import Recorder


def command(
    file: Annotated[Path, typer.Argument(help="The file to write; it must not exist.")],
    url: Annotated[
        str, typer.Option("--url", "-u", help="The Pulse server to connect to.")
    ] = "wss://api.smallest.ai",
    host: Annotated[
        str, typer.Option("--host", help="Address to bind; the default serves this machine only.")
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option("--port", "-p", min=0, max=65535, help="Port to bind; 0 takes a free port."),
    ] = 8766,
    no_words: Annotated[
        bool,
        typer.Option(
            "--no-words",
            help="Mask what was said: x replaces each letter, and 0 each digit.",
        ),
    ] = False,
    audio: Annotated[
        bool, typer.Option("--audio", help="Keep the audio too, so that the file holds voices.")
    ] = False,
    as_json: target.Json = False,
) -> int:
    """Record what a client and a Pulse server say to each other.

    Point the client's base URL at the recorder. The client sends its own key, which goes to the
    server and never into the file. Ctrl-C ends the recording.

    [bold]Examples[/]

    pulse-plugins record session.jsonl

    pulse-plugins record session.jsonl --url ws://127.0.0.1:8765 --no-words

    pulse-plugins serve --replay session.jsonl
    """
    if audio and no_words:
        raise CommandError(
            "--audio and --no-words exclude each other, because the audio holds the words",
            Exit.USAGE,
        )
    try:
        written = open(file, "x", encoding="utf-8", opener=_private)  # noqa: SIM115
    except FileExistsError:
        raise CommandError(f"{file} exists; name a new file", Exit.USAGE) from None
    with written:
        try:
            return asyncio.run(_run(written, url, host, port, not no_words, audio, as_json))
        except (CommandError, ConfigurationError):  # nothing was recorded
            file.unlink()
            raise


def _private(path: str, flags: int) -> int:
    """Open a file that only its owner can read."""
    return os.open(path, flags, 0o600)


async def _run(
    file: IO[str], url: str, host: str, port: int, words: bool, audio: bool, as_json: bool
) -> int:
    stopped = asyncio.Event()
    with suppress(NotImplementedError, RuntimeError):  # not on Windows, and in no other thread
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    writer = SessionWriter(file, words=words, audio=audio)
    async with AsyncExitStack() as stack:
        with listening(host, port):
            recorder = await stack.enter_async_context(Recorder(url, writer, host=host, port=port))
        if as_json:
            print_line(json.dumps({"event": "listening", "url": recorder.url}))
        else:
            console = Output()
            where = f"[bold]{recorder.url}[/], in front of {escape(url)}"
            console.print(f"Recording on {where}. Ctrl-C ends it.")
            console.print(f'  PulseOptions(base_url="{recorder.url}")', style="dim")
        await stopped.wait()
    return Exit.OK
