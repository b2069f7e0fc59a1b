"""How fast frames are converted, and how long the first import of the package takes.

    pulse-plugins bench conversion
    pulse-plugins bench conversion --quick    # each beginning once

Ten seconds of audio in frames of 20 ms, each beside what the framework itself would use for it:
Pipecat's stream resampler (soxr) and mu-law decoder, LiveKit's resampler (in Rust). The engine
converts a packet at a time, five such frames; that is beside it. Times real time of CPU, median of
five. Imports are of a fresh interpreter in which the framework is loaded already;
the time to the first audio is a process's from its start until it has taken a frame, beside that of
a speech-to-text which does nothing (and has imported the engine, as the harness does).
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from pulse_plugins.core.audio.converter import FrameConverter
from pulse_plugins.core.audio.formats import AudioFormat, encode
from pulse_plugins.local.recognizers.scripted import speak
from tests.benchmarks import report
from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.service import server_process

SECONDS = 10.0
ROUNDS = 5
PACKET = 5  # frames
TARGET = AudioFormat("linear16", 16_000)
SOURCES = {
    "48 kHz stereo to 16 kHz": AudioFormat("linear16", 48_000, 2),
    "24 kHz to 16 kHz": AudioFormat("linear16", 24_000),
    "mu-law 8 kHz to linear16": AudioFormat("mulaw", 8_000),
}
_IMPORT = (
    "import sys, time; import {framework}; began = time.perf_counter(); import {package}; "
    "print(time.perf_counter() - began)"
)
IMPORTS = {
    "pulse_plugins.pipecat": "pipecat.services.stt_service, pipecat.pipeline.worker, aiohttp",
    "pulse_plugins.livekit": "livekit.agents",
}

_FIRST = (
    "import asyncio; from tests.benchmarks.contender import hush; hush()\n"
    "from tests.benchmarks.contenders import CONTENDERS\n"
    "async def run():\n"
    "    contender = CONTENDERS[{name!r}]('ws://127.0.0.1:{port}', 16_000)\n"
    "    async with contender:\n"
    "        await contender.push(bytes(640))\n"
    "        import time; print(time.time())\n"
    "asyncio.run(run())"
)
STARTS = ("engine", "pipecat", "livekit")

Convert = Callable[[bytes], object]


def frames(source: AudioFormat) -> list[bytes]:
    """The audio, 20 ms a frame."""
    voice = speak(range(32), source.sample_rate)[: round(SECONDS * source.sample_rate)]
    samples = voice.astype("float64").repeat(source.channels)
    data = encode(samples, source.encoding)
    size = source.bytes_per_second // 50
    return [data[at : at + size] for at in range(0, len(data), size)]


def ours(source: AudioFormat) -> Convert:
    """The engine's converter."""
    target = TARGET if source.encoding == "linear16" else AudioFormat("linear16", 8_000)
    return FrameConverter(source, target).convert


def pipecats(source: AudioFormat) -> Convert | None:
    """What a Pipecat service would call; it has no way for several channels."""
    from pipecat.audio.utils import create_stream_resampler, ulaw_to_pcm

    if source.channels > 1:
        return None
    resampler, rate = create_stream_resampler(), source.sample_rate

    def resample(data: bytes) -> object:
        if source.encoding == "mulaw":
            return _run(ulaw_to_pcm(data, rate, rate, resampler))
        return _run(resampler.resample(data, rate, TARGET.sample_rate))

    return resample


def _run(work: object) -> object:
    """A coroutine that never waits."""
    try:
        work.send(None)  # type: ignore[attr-defined]
    except StopIteration as done:
        return done.value
    raise RuntimeError("it waited")


def livekits(source: AudioFormat) -> Convert | None:
    """What the framework's own `push_frame` would call; it has no G.711."""
    from livekit import rtc

    if source.encoding != "linear16":
        return None
    resampler = rtc.AudioResampler(
        source.sample_rate, TARGET.sample_rate, num_channels=source.channels
    )
    return lambda data: resampler.push(bytearray(data))


def speed(convert: Convert, pieces: list[bytes]) -> float:
    """Times real time, once."""
    began = time.process_time()
    for piece in pieces:
        convert(piece)
    return SECONDS / (time.process_time() - began)


def rows() -> Iterator[list[object]]:
    """A line for each source: ours and both frameworks', in times real time."""
    for title, source in SOURCES.items():
        pieces = frames(source)
        packets = [b"".join(pieces[at : at + PACKET]) for at in range(0, len(pieces), PACKET)]
        speeds = []
        for make, given in (
            (ours, packets),
            (ours, pieces),
            (pipecats, pieces),
            (livekits, pieces),
        ):
            made = [make(source) for _ in range(ROUNDS)]
            found = [speed(each, given) for each in made if each is not None]
            speeds.append(statistics.median(found) if found else None)
        yield [title, *speeds]


def imports(times: int) -> Iterator[list[object]]:
    """Milliseconds of each adapter's import above its framework's own."""
    for package, framework in IMPORTS.items():
        code = _IMPORT.format(framework=framework, package=package)
        yield [package, 1000 * statistics.median([_told(code) for _ in range(times)])]


def starts(times: int) -> Iterator[list[object]]:
    """Milliseconds from a process's start to its first audio, ours and a null's."""
    with server_process() as (port, _):
        for name in STARTS:
            ours, null = (
                [_first(kind, port) for _ in range(times)] if kind in CONTENDERS else []
                for kind in ((name, "") if name == "engine" else (f"{name} ours", f"{name} null"))
            )
            yield [name, *(statistics.median(taken) if taken else None for taken in (ours, null))]


def _first(name: str, port: int) -> float:
    began = time.time()
    return 1000 * (_told(_FIRST.format(name=name, port=port)) - began)


def _told(code: str) -> float:
    """What a fresh interpreter prints last."""
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    return float(done.stdout.splitlines()[-1])


async def run(times: int) -> list[str]:
    """The tables; LiveKit's resampler wants a running loop."""
    return [
        report.table(
            ["times real time", "ours, a packet", "ours, a frame", "Pipecat's", "LiveKit's"], rows()
        ),
        report.table(["import above the framework's own", "ms"], imports(times)),
        report.table(["process start to first audio, ms", "ours", "null"], starts(times)),
    ]


def main() -> None:
    """Run it and print the tables."""
    arguments = report.arguments(str(__doc__), quick="each beginning once")
    tables = asyncio.run(run(1 if arguments.quick else 3))
    path = report.write("conversion", "Conversion and import", tables, {}, folder=arguments.out)
    print("\n\n".join([*tables, str(path)]))  # noqa: T201
    if arguments.publish:
        report.publish("conversion", "\n\n".join(tables))


if __name__ == "__main__":
    main()
