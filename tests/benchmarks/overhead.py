"""What a plugin itself costs: CPU per audio second above a speech-to-text that does nothing.

    python tests/benchmarks/overhead.py            # 1, 20 and 60 streams, two rounds
    python tests/benchmarks/overhead.py --quick    # 20 streams, one round

Every contender runs in a process of its own, one after the other, interleaved over the rounds; the
server, which says an interim three times a second and answers finalize, is another process whose
time is not counted. Audio comes in real time, 20 ms a frame, with the end of a turn every three
seconds. `process_time` of the contender's process is what is measured.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing as mp
import statistics
import time
from contextlib import AsyncExitStack, suppress
from multiprocessing.queues import Queue

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from pulse_plugins.local.scripted import speak
from tests.benchmarks import report
from tests.benchmarks.contenders import CONTENDERS, FRAME_SECONDS, Contender, hush

RATE = 16_000
SECONDS = 6.0  # of audio a stream
TURN = 3.0  # seconds
WARM = 2 * TURN  # seconds of audio before: a call lasts minutes, its first buffers are no measure
_INTERIM_BYTES = RATE * 2 // 3
_SPREAD = 1.0  # seconds: calls do not begin at the same moment
_SETTLE = 1.0  # seconds until everybody is connected
FAMILIES = ("pipecat", "livekit")
KINDS = ("null", "ours", "official")


def server(ports: Queue[int]) -> None:
    """A Pulse server that costs little and always says the same."""
    asyncio.run(_serve(ports))


async def _serve(ports: Queue[int]) -> None:
    async def answer(socket: ServerConnection) -> None:
        heard = 0
        with suppress(ConnectionClosed):
            async for message in socket:
                if isinstance(message, bytes):
                    before, heard = heard, heard + len(message)
                    if heard // _INTERIM_BYTES > before // _INTERIM_BYTES:
                        words = " ".join(["word"] * (1 + heard // _INTERIM_BYTES % 9))
                        await socket.send(_said(words, is_final=False))
                elif "finalize" in message:
                    await socket.send(_said("so it is", is_final=True, from_finalize=True))
                elif "keepalive" in message:
                    await socket.send('{"type":"pong"}')
                else:
                    await socket.send(_said("", is_final=True, is_last=True))

    async with serve(answer, "127.0.0.1", 0, compression=None) as made:
        ports.put(next(iter(made.sockets)).getsockname()[1])
        await asyncio.Future()


def _said(text: str, **flags: bool) -> str:
    message = {"type": "transcription", "session_id": "s", "transcript": text, "is_last": False}
    return json.dumps({**message, "language": "en", **flags})


def contend(name: str, port: int, streams: int, results: Queue[float]) -> None:
    """CPU milliseconds per audio second of one contender, in this process."""
    hush()
    results.put(asyncio.run(_contend(name, port, streams)))


async def _contend(name: str, port: int, streams: int) -> float:
    audio = speak(range(16), RATE, tail_seconds=TURN).tobytes()[: round(TURN * RATE) * 2]
    async with AsyncExitStack() as stack:
        calls = [
            await stack.enter_async_context(CONTENDERS[name](f"ws://127.0.0.1:{port}", RATE))
            for _ in range(streams)
        ]
        await asyncio.sleep(_SETTLE)
        await _speak_all(calls, audio, WARM)
        began = time.process_time()
        await _speak_all(calls, audio, SECONDS)
        spent = time.process_time() - began
    return 1000 * spent / streams / SECONDS


async def _speak_all(calls: list[Contender], audio: bytes, seconds: float) -> None:
    async with asyncio.TaskGroup() as group:
        for number, each in enumerate(calls):
            offset = number / len(calls) * _SPREAD
            group.create_task(_speak(each, audio, seconds, offset))


async def _speak(contender: Contender, audio: bytes, seconds: float, offset: float) -> None:
    size = round(RATE * FRAME_SECONDS) * 2
    began = time.monotonic() + offset
    for number in range(round(seconds / FRAME_SECONDS)):
        at = number * size % len(audio)
        await contender.push(audio[at : at + size])
        if (number + 1) * size % len(audio) == 0:
            await contender.end_of_speech()
        await asyncio.sleep(max(0.0, began + (number + 1) * FRAME_SECONDS - time.monotonic()))


def measure(streams: list[int], rounds: int) -> dict[tuple[str, int], list[float]]:
    """Milliseconds of CPU per audio second of every contender, round by round."""
    context = mp.get_context("spawn")
    ports: Queue[int] = context.Queue()
    results: Queue[float] = context.Queue()
    serving = context.Process(target=server, args=(ports,), daemon=True)
    serving.start()
    port = ports.get(timeout=30)
    found: dict[tuple[str, int], list[float]] = {}
    for _ in range(rounds):
        for count in streams:
            for family in FAMILIES:
                for kind in KINDS:
                    name = f"{family} {kind}"
                    process = context.Process(target=contend, args=(name, port, count, results))
                    process.start()
                    found.setdefault((name, count), []).append(results.get(timeout=120))
                    process.join()
    serving.terminate()
    return found


def table(found: dict[tuple[str, int], list[float]], streams: list[int]) -> str:
    """Ratios first: ours to the official plugin, each above the null of the same round."""
    rows = []
    for family in FAMILIES:
        for count in streams:
            null, ours, official = (found[f"{family} {kind}", count] for kind in KINDS)
            own = [a - b for a, b in zip(ours, null, strict=True)]
            theirs = [a - b for a, b in zip(official, null, strict=True)]
            ratio = statistics.median(own) / statistics.median(theirs)
            rows.append([family, count, ratio, *map(_spread, (own, theirs, null))])
    return report.table(
        [
            "in",
            "streams",
            "ours / official",
            "ours, ms",
            "official, ms",
            "the framework alone, ms",
        ],
        rows,
    )


def _spread(values: list[float]) -> str:
    middle = f"{statistics.median(values):.2f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.2f} to {max(values):.2f})"


def main() -> None:
    """Run it and print the table."""
    arguments = report.arguments(str(__doc__), quick="20 streams and one round")
    streams, rounds = ([20], 1) if arguments.quick else ([1, 20, 60], 2)
    found = measure(streams, rounds)
    text = table(found, streams)
    path = report.write(
        "overhead",
        "The plugins' own CPU per audio second",
        [text],
        {f"{name}, {count} streams": values for (name, count), values in found.items()},
        folder=arguments.out,
    )
    print(f"{text}\n\n{path}")  # noqa: T201
    if arguments.publish:
        report.paste(report.README, "overhead", text)


if __name__ == "__main__":
    main()
