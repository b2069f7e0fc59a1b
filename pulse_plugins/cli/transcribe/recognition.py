"""One recording to a transcript: over streams, or as requests; one for each separate channel."""

from __future__ import annotations

import asyncio
import io
import wave
from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pulse_plugins.cli.exits import CommandError
from pulse_plugins.cli.media.recording import Recording
from pulse_plugins.cli.media.selection import Piece
from pulse_plugins.cli.transcribe.timeline import Timeline
from pulse_plugins.cli.transcribe.transcript import Segment, Transcript
from pulse_plugins.cli.transcribe.untimed import has_times, spread
from pulse_plugins.core.audio.formats import AudioFormat
from pulse_plugins.core.base.events import AudioLost, Final, Utterance, Word
from pulse_plugins.core.base.text import plain
from pulse_plugins.core.client.batch import PulseBatch
from pulse_plugins.core.client.stream import PulseStream
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.config.retry import RetryPolicy
from pulse_plugins.core.config.timing import Limits, Timeouts
from pulse_plugins.core.wire.batch_messages import BatchTranscript

Advance = Callable[[float], None]  # told the seconds of the recording that were sent
Samples = NDArray[np.int16]
Timed = TypeVar("Timed", Word, Utterance)

# A file goes out as fast as the server takes it, so answers are late by the audio that waits there.
FILE_LIMITS = Limits(replay_seconds=900.0)
FILE_TIMEOUTS = Timeouts(close=180.0, stall=60.0)
# Somebody waits at a terminal: a server that is not there is told soon, and one that is gone later.
FILE_RETRY = RetryPolicy(max_attempts=10)


@dataclass(frozen=True, slots=True)
class Heard:
    """What the service made of one channel, on the clock of what was sent."""

    finals: list[Final]
    service: dict[str, object]


class Recognizer:
    """Sends recordings to the service.

    Args:
        options: The options of each request.
        labels: Names for separate channels; others are called `Channel 1` and so on.
    """

    def __init__(self, options: PulseOptions, labels: Sequence[str] = ()) -> None:
        self.options = options
        self._labels = labels

    async def by_stream(self, recording: Recording, advance: Advance) -> Transcript:
        """Send a recording through streams, as fast as the server takes it.

        Raises:
            CommandError: The recording cannot be read, or part of it was lost.
            PulseError: A stream failed for good.
        """
        timeline = Timeline()
        async with aclosing(recording.pieces()) as pieces:
            first = await anext(pieces)  # a recording that cannot be read costs no connection
            audio = _with_silence(first, pieces, timeline, self.options.sample_rate)
            channels = first.samples.shape[1]
            heard = await self._streamed(recording, audio, channels, advance)
        return self._transcript(recording, timeline, heard)

    async def by_request(self, recording: Recording, advance: Advance) -> Transcript:
        """Send a recording in one request for each channel, as WAV, which every server reads.

        Raises:
            CommandError: The recording cannot be read.
            PulseError: A request failed for good.
        """
        timeline, rate = Timeline(), self.options.sample_rate
        async with aclosing(recording.pieces()) as pieces:
            first = await anext(pieces)
            audio = _with_silence(first, pieces, timeline, rate)
            channels = first.samples.shape[1]
            parts = [_columns(samples, channels) async for samples in audio]
        bodies = [
            _wav(np.concatenate([part[at] for part in parts]), rate) for at in range(channels)
        ]
        async with PulseBatch(self.options) as batch:
            asked = [
                self._requested(batch, body, timeline.sent, _share(advance, channels))
                for body in bodies
            ]
            heard = await _all(asked)
        return self._transcript(recording, timeline, heard)

    async def _streamed(
        self, recording: Recording, audio: AsyncIterator[Samples], channels: int, advance: Advance
    ) -> list[Heard]:
        rate = self.options.sample_rate
        name = recording.name
        source = AudioFormat("linear16", rate)

        async def feed(streams: Sequence[PulseStream]) -> None:
            try:
                async for samples in audio:
                    parts = _columns(samples, channels)
                    sends = (s.send(p.tobytes()) for s, p in zip(streams, parts, strict=True))
                    await asyncio.gather(*sends)
                    advance(len(samples) / rate)
            finally:
                for stream in streams:
                    stream.end()

        async with AsyncExitStack() as stack:
            streams = [
                await stack.enter_async_context(
                    PulseStream(self.options, source=source, name=f"{name} {number}")
                )
                for number in range(1, channels + 1)
            ]
            feeding = asyncio.create_task(feed(streams))
            try:
                heard = await _all([_listen(stream, name) for stream in streams])
                await feeding
            except BaseException:
                feeding.cancel()
                await asyncio.gather(feeding, return_exceptions=True)
                raise
        return heard

    async def _requested(
        self, batch: PulseBatch, body: bytes, length: float, advance: Advance
    ) -> Heard:
        told = 0.0

        def progress(sent: int, whole: int | None) -> None:
            nonlocal told
            done = length * sent / (whole or len(body))
            advance(done - told)  # a retry goes back
            told = done

        answer = await batch.transcribe(body, content_type="audio/wav", progress=progress)
        return Heard(list(_finals(answer, length)), _said(answer))

    def _transcript(
        self, recording: Recording, timeline: Timeline, heard: Sequence[Heard]
    ) -> Transcript:
        segments = [
            Segment(self._placed(final, timeline), self._label(channel, len(heard)))
            for channel, each in enumerate(heard)
            for final in spread(each.finals, timeline.sent)
        ]
        services = [each.service for each in heard]
        service = services[0] if len(services) == 1 else {"channels": services}
        notes = recording.notes
        if not segments and not any("silent" in note for note in notes):
            notes = (*notes, "no words were heard in it")
        if not all(has_times(final) for each in heard for final in each.finals):
            notes = (*notes, "the server gave no word times: times are estimated from the text")
        return Transcript(
            tuple(sorted(segments, key=lambda segment: segment.final.start)),
            seconds=recording.end,
            sent=timeline.sent * len(heard),
            language=self.options.language,
            service=service,
            notes=notes,
        )

    def _label(self, channel: int, channels: int) -> str | None:
        if channel < len(self._labels):
            return self._labels[channel]
        return f"Channel {channel + 1}" if channels > 1 else None

    def _placed(self, final: Final, timeline: Timeline) -> Final:
        """A final on the clock of the recording."""
        placed = replace(
            final,
            start=timeline.recorded(final.start),
            end=timeline.recorded(final.end),
            words=tuple(_moved(word, timeline) for word in final.words),
            utterances=tuple(_moved(each, timeline) for each in final.utterances),
        )
        if not self.options.redacts:
            return placed
        # The service's utterances were seen to hold clear text while the transcript is redacted.
        text = plain(final.text)
        kept = tuple(each for each in placed.utterances if plain(each.text) in text)
        return replace(placed, utterances=kept)


def _moved(each: Timed, timeline: Timeline) -> Timed:
    return replace(each, start=timeline.recorded(each.start), end=timeline.recorded(each.end))


async def _listen(stream: PulseStream, name: str) -> Heard:
    """The finals of one stream, until its end.

    Raises:
        CommandError: Part of the audio was lost.
        PulseError: The stream failed for good.
    """
    finals: list[Final] = []
    lost = 0.0
    async for event in stream:
        match event:
            case Final() if event.text:
                finals.append(event)
            case AudioLost():
                lost += event.duration
    if lost:
        raise CommandError(
            f"{name}: {lost:.1f} of {stream.stream_time:.1f} seconds were lost with the connection"
        )
    sessions = dict.fromkeys(final.session_id for final in finals if final.session_id)
    return Heard(finals, {"session_ids": list(sessions)})


async def _all(jobs: Sequence[Coroutine[None, None, Heard]]) -> list[Heard]:
    """The results in order; the first failure ends the others."""
    tasks = [asyncio.ensure_future(job) for job in jobs]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _with_silence(
    first: Piece, pieces: AsyncIterator[Piece], timeline: Timeline, rate: int
) -> AsyncIterator[Samples]:
    """The samples that are sent: holes of the recording are short silences."""
    piece: Piece | None = first
    while piece is not None:
        silence = timeline.add(piece.time, len(piece.samples) / rate)
        if silence:
            yield np.zeros((round(silence * rate), piece.samples.shape[1]), np.int16)
        yield piece.samples
        piece = await anext(pieces, None)


def _columns(samples: Samples, channels: int) -> list[Samples]:
    """One array a channel, also where a recording changes the number of its channels."""
    found = samples.shape[1]
    if found != channels:
        mix = samples.astype(np.int32).mean(axis=1).round().astype(np.int16)
        silence = np.zeros(len(samples), np.int16)
        return [mix, *([silence] * (channels - 1))]
    return [np.ascontiguousarray(samples[:, at], "<i2") for at in range(channels)]


def _share(advance: Advance, channels: int) -> Advance:
    return lambda seconds: advance(seconds / channels)


def _finals(answer: BatchTranscript, length: float) -> Iterator[Final]:
    """An answer's sentences, or all of it as one segment where they do not add up to its text."""
    said = "".join(plain(each.text) for each in answer.utterances)
    languages = (answer.language,) if answer.language else ()
    if not answer.utterances or said != plain(answer.text):
        if answer.text:
            yield Final(
                answer.text,
                answer.words[0].start if answer.words else 0.0,
                answer.words[-1].end if answer.words else length,
                answer.words,
                language=answer.language,
                languages=languages,
                utterances=answer.utterances,
            )
        return
    starts = [each.start for each in answer.utterances[1:]]
    for number, each in enumerate(answer.utterances):
        # A word belongs to the last utterance that began before the word's middle.
        words = tuple(
            word
            for word in answer.words
            if bisect_right(starts, (word.start + word.end) / 2) == number
        )
        yield Final(
            each.text,
            each.start,
            each.end,
            words,
            language=answer.language,
            languages=languages,
            speaker=each.speaker,
            utterances=(each,),
        )


def _said(answer: BatchTranscript) -> dict[str, object]:
    """What an answer tells of the whole recording."""
    return {
        "request_id": answer.request_id,
        "metadata": dict(answer.metadata),
        "duration": answer.duration,
        "language": answer.language,
        "emotions": dict(answer.emotions),
        "gender": answer.gender,
        "age": answer.age,
        "extra": dict(answer.extra),
    }


def _wav(samples: Samples, rate: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(samples.astype("<i2", copy=False).tobytes())
    return file.getvalue()
