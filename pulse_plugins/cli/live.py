"""`live`: captions of a microphone, or of a file at the speed at which it was spoken."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from pulse_plugins.cli import target
from pulse_plugins.cli.exits import CommandError, Exit
from pulse_plugins.cli.explain import explained
from pulse_plugins.cli.interrupts import first_interrupt
from pulse_plugins.cli.media.recording import pcm
from pulse_plugins.cli.terminal import safe_line
from pulse_plugins.core.audio.formats import AudioFormat
from pulse_plugins.core.base.events import (
    AudioLost,
    Connected,
    Event,
    Final,
    Interim,
    Reconnecting,
    Recovered,
)
from pulse_plugins.core.client.stream import PulseStream
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.config.retry import RetryPolicy

_BLOCK = 0.05  # seconds of sound at a time
_WAITING = 100  # blocks that may wait for the event loop; more is a machine that cannot keep up


def command(
    file: Annotated[
        Path | None,
        typer.Option(
            "--file", exists=True, dir_okay=False, help="Transcribe this recording in real time."
        ),
    ] = None,
    device: Annotated[
        str | None, typer.Option("--device", help="The name or number of a microphone.")
    ] = None,
    url: target.Url = target.DEFAULT_URL,
    language: target.Language = "en",
    dialect: target.Dialect = "pulse",
    settings: target.Settings = None,
    as_json: target.Json = False,
) -> int:
    """Show captions while somebody speaks.

    Grey text may still change; other text is final. Ctrl-C ends the recording and waits for the
    last words; a second Ctrl-C does not wait.

    [bold]Examples[/]

    pulse-plugins live

    pulse-plugins live --file call.wav --url ws://127.0.0.1:8765
    """
    if file and device is not None:
        raise CommandError("--device names a microphone: leave out --file", Exit.USAGE)
    wanted = target.options(
        url=url,
        language=language,
        dialect=dialect,
        settings=settings,
        retry=RetryPolicy(max_attempts=10),
    )
    sound = _paced(file, wanted.sample_rate) if file else _microphone(device, wanted.sample_rate)
    with explained(url):
        return asyncio.run(_captions(sound, wanted, as_json=as_json))


async def _captions(sound: AsyncIterator[bytes], options: PulseOptions, *, as_json: bool) -> int:
    async def feed(stream: PulseStream) -> None:
        try:
            async for piece in sound:
                stream.push(piece)
        finally:
            stream.end()

    interrupted = False

    def finish() -> None:
        nonlocal interrupted
        interrupted = True
        feeding.cancel()  # which ends the stream's input, and its last words come

    # Captions that are piped are not wrapped: only a terminal has a width.
    piped = not sys.stdout.isatty()
    console = Console(highlight=False, quiet=as_json, emoji=False, soft_wrap=piped)
    notes = Console(stderr=True, highlight=False, quiet=as_json, emoji=False, soft_wrap=True)
    source = AudioFormat("linear16", options.sample_rate)
    async with PulseStream(options, source=source, name="live") as stream:
        feeding = asyncio.create_task(feed(stream))
        try:
            with (
                first_interrupt(finish),
                Live("", console=console, transient=True, refresh_per_second=12) as screen,
            ):
                show = _tell if as_json else _Screen(screen, notes if piped else console).show
                async for event in stream:
                    show(event)
        finally:
            feeding.cancel()
            ended = await asyncio.gather(feeding, return_exceptions=True)
    for error in ended:
        if isinstance(error, Exception):
            raise error
    return Exit.INTERRUPTED if interrupted else Exit.OK


class _Screen:
    """Captions on a terminal or a pipe, and what happens to the connection."""

    def __init__(self, live: Live, notes: Console) -> None:
        self._live = live
        self._notes = notes
        self._is_lost = False

    def show(self, event: Event) -> None:
        """Show an event; an outage is shown once, however often a connection is tried."""
        match event:
            case Interim():
                self._live.update(Text(safe_line(event.text), style="bright_black"))
            case Final() if event.text:
                self._live.update("")
                self._live.console.print(Text(safe_line(event.text)))
            case Reconnecting() if not self._is_lost:
                self._is_lost = True
                self._note(f"no connection ({event.reason}): trying again", "yellow")
            case Connected():
                self._is_lost = False
            case Recovered():
                text = f"connected again; {event.replayed:.1f} s sent a second time"
                self._note(text, "yellow")
            case AudioLost():
                self._note(f"{event.duration:.1f} s of audio lost", "bold red")

    def _note(self, text: str, style: str) -> None:
        self._notes.print(Text(safe_line(text), style=style))


def _tell(event: Event) -> None:
    match event:
        case Interim() | Final() | Connected() | Recovered() | AudioLost():
            fields = asdict(event)
        case Reconnecting():
            fields = {"attempt": event.attempt, "reason": event.reason, "delay": event.delay}
        case _:
            fields = {}
    print(json.dumps({"event": type(event).__name__, **fields}, default=str), flush=True)


async def _paced(file: Path, rate: int) -> AsyncIterator[bytes]:
    """A file's audio at the speed at which it was spoken."""
    began, sent, size = time.monotonic(), 0, round(_BLOCK * rate) * 2
    async for piece in pcm(str(file), rate):
        for start in range(0, len(piece), size):
            block = piece[start : start + size]
            sent += len(block)
            await asyncio.sleep(max(0.0, began + sent / 2 / rate - time.monotonic()))
            yield block


def _sounddevice() -> ModuleType:
    try:
        sounddevice = import_module("sounddevice")
    except ModuleNotFoundError as error:
        missing = "sounddevice: python -m pip install sounddevice"
        raise _no_microphone(missing) from error
    except OSError as error:
        raise _no_microphone("PortAudio: install libportaudio2") from error
    return sounddevice


def _no_microphone(what: str) -> CommandError:
    return CommandError(f"the microphone needs {what}, or use --file", Exit.CONFIGURATION)


def _microphone(device: str | None, rate: int) -> AsyncIterator[bytes]:
    """The audio of a microphone, which is tried before any connection is opened."""
    sounddevice = _sounddevice()
    named = int(device) if device and device.isdigit() else device
    with _refusals(sounddevice):
        sounddevice.check_input_settings(named, channels=1, dtype="int16", samplerate=rate)
    return _recorded(sounddevice, named, rate)


@contextmanager
def _refusals(sounddevice: ModuleType) -> Iterator[None]:
    try:
        yield
    except (sounddevice.PortAudioError, ValueError) as error:
        raise CommandError(
            f"no microphone: {error}; `python -m sounddevice` lists the devices",
            Exit.CONFIGURATION,
        ) from error


async def _recorded(
    sounddevice: ModuleType, device: int | str | None, rate: int
) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    blocks: asyncio.Queue[bytes] = asyncio.Queue(_WAITING)
    dropped = 0

    def put(block: bytes) -> None:
        nonlocal dropped
        if blocks.full():
            blocks.get_nowait()  # the oldest: captions stay with the speaker
            dropped += 1
        blocks.put_nowait(block)

    def heard(data: bytes, *_: object) -> None:
        loop.call_soon_threadsafe(put, bytes(data))

    with _refusals(sounddevice):
        stream = sounddevice.RawInputStream(
            samplerate=rate,
            blocksize=round(_BLOCK * rate),
            channels=1,
            dtype="int16",
            device=device,
            callback=heard,
        )
    try:
        with stream:
            while True:
                yield await blocks.get()
    finally:
        if dropped:
            seconds = f"{dropped * _BLOCK:.1f} s"
            typer.echo(f"{seconds} of the microphone were dropped: the machine is slow", err=True)
