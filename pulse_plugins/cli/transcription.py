"""One recording to finals: over a stream, or as one request."""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass

from pulse_plugins.cli import media
from pulse_plugins.cli.exits import CommandError
from pulse_plugins.core.audio.formats import AudioFormat
from pulse_plugins.core.base.events import AudioLost, Final
from pulse_plugins.core.client.batch import PulseBatch
from pulse_plugins.core.client.stream import PulseStream
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.config.retry import RetryPolicy
from pulse_plugins.core.config.timing import Limits, Timeouts
from pulse_plugins.core.wire.batch_messages import BatchTranscript

Advance = Callable[[float], None]  # told the seconds of audio that were sent

# A file goes out as fast as the server takes it, so answers are late by the audio that waits there.
FILE_LIMITS = Limits(replay_seconds=900.0, release_seconds=300.0)
FILE_TIMEOUTS = Timeouts(close=180.0, stall=60.0)
# Somebody waits at a terminal: a server that is not there is told soon, and one that is gone later.
FILE_RETRY = RetryPolicy(max_first_attempts=3, max_attempts=10)


@dataclass(frozen=True, slots=True)
class Transcript:
    """What one recording came to.

    Attributes:
        finals: The segments, in order; none is empty.
        seconds: How long the audio is.
    """

    finals: tuple[Final, ...]
    seconds: float


async def by_stream(source: str, options: PulseOptions, advance: Advance) -> Transcript:
    """Send a recording through a stream, as fast as the server takes it.

    Raises:
        CommandError: It cannot be read, or part of it was lost.
        PulseError: The stream failed for good.
    """
    async with aclosing(media.pcm(source, options.sample_rate)) as pieces:
        first = await anext(pieces, b"")  # one that cannot be read costs no connection
        return await _by_stream(source, first, pieces, options, advance)


async def _by_stream(
    source: str,
    first: bytes,
    pieces: AsyncIterator[bytes],
    options: PulseOptions,
    advance: Advance,
) -> Transcript:
    rate = options.sample_rate
    finals: list[Final] = []
    lost = 0.0

    async def feed(stream: PulseStream) -> None:
        try:
            await stream.send(first)
            advance(len(first) / 2 / rate)
            async for piece in pieces:
                await stream.send(piece)
                advance(len(piece) / 2 / rate)
        finally:
            stream.end()

    async with PulseStream(options, source=AudioFormat("linear16", rate), name=source) as stream:
        feeding = asyncio.create_task(feed(stream))
        try:
            async for event in stream:
                match event:
                    case Final() if event.text:
                        finals.append(event)
                    case AudioLost():
                        lost += event.duration
        except BaseException:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
            raise
        await feeding
        seconds = stream.stream_time
    if lost:
        raise CommandError(f"{source}: {lost:.1f} of {seconds:.1f} seconds were not heard")
    return Transcript(tuple(finals), seconds)


async def by_request(source: str, options: PulseOptions, advance: Advance) -> Transcript:
    """Send a recording in one request, as WAV: every server reads that.

    Raises:
        CommandError: It cannot be read.
        PulseError: The request failed for good.
    """
    rate = options.sample_rate
    samples = b"".join([piece async for piece in media.pcm(source, rate)])
    length = len(samples) / 2 / rate
    told = 0.0

    def progress(sent: int, whole: int | None) -> None:
        nonlocal told
        done = length * sent / (whole or len(body))
        advance(done - told)  # a retry goes back
        told = done

    body = _wav(samples, rate)
    async with PulseBatch(options) as batch:
        answer = await batch.transcribe(body, content_type="audio/wav", progress=progress)
    return Transcript(tuple(_segments(answer, length)), length)


def _segments(answer: BatchTranscript, length: float) -> Iterator[Final]:
    """An answer's sentences, or all of it as one segment where it tells none."""
    if not answer.utterances:
        if answer.text:
            yield Final(answer.text, 0.0, length, answer.words, language=answer.language)
        return
    for each in answer.utterances:
        inside = tuple(word for word in answer.words if each.start <= word.start < each.end)
        yield Final(each.text, each.start, each.end, inside, speaker=each.speaker)


def _wav(samples: bytes, rate: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(samples)
    return file.getvalue()
