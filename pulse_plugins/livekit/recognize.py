"""`STT.recognize`: sends frames to the pre-recorded endpoint and makes one event of the answer."""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Literal

import aiohttp
from livekit import rtc
from livekit.agents import APIConnectOptions, utils
from livekit.agents.stt import SpeechEvent, SpeechEventType
from livekit.agents.utils import AudioBuffer

from pulse_plugins.core.audio.converter import FrameConverter
from pulse_plugins.core.audio.formats import AudioFormat
from pulse_plugins.core.base.errors import PulseError
from pulse_plugins.core.base.events import Final
from pulse_plugins.core.client.batch import PulseBatch
from pulse_plugins.core.wire.batch_messages import BatchTranscript
from pulse_plugins.livekit.audio_input import InputClock
from pulse_plugins.livekit.options import Settings, with_job_proxy
from pulse_plugins.livekit.reports import api_error
from pulse_plugins.livekit.speech_data import SpeechDataBuilder


async def recognize(
    buffer: AudioBuffer,
    settings: Settings,
    connection: APIConnectOptions,
    session: aiohttp.ClientSession | None,
) -> SpeechEvent:
    """Transcribe a recording in one attempt. The framework makes further attempts.

    Args:
        buffer: A frame or several, of any formats.
        settings: The settings. The pre-recorded endpoint uses those that it knows.
        connection: `timeout` bounds the connection; the answer may take as long as the audio.
        session: The user's HTTP session. None: the session of the job, or a new one.

    Raises:
        APIError: The service or the network failed, or the audio is empty or too large.
    """
    frames = buffer if isinstance(buffer, list) else [buffer]
    recording = await asyncio.to_thread(wav, frames)
    options = with_job_proxy(settings.options)
    options = options.changed(
        timeouts=replace(options.timeouts, connect=max(connection.timeout, 0.05))
    )
    model: Literal["pulse", "pulse-pro"] = "pulse"
    if settings.model == "pulse-pro":
        model, options = "pulse-pro", options.changed(dialect="live", stream_path=None)
    if session is None:
        with suppress(RuntimeError):  # there is none outside a job
            session = utils.http_context.http_session()
    try:
        async with PulseBatch(options, model=model, attempts=1, session=session) as batch:
            transcript = await batch.transcribe(recording, content_type="audio/wav")
    except PulseError as error:
        raise api_error(error) from None
    build = SpeechDataBuilder(options, InputClock(), words=settings.word_timestamps)
    return SpeechEvent(
        SpeechEventType.FINAL_TRANSCRIPT,
        request_id=transcript.request_id or utils.shortuuid(),
        alternatives=[build.whole(_final(transcript))],
    )


def wav(frames: Sequence[rtc.AudioFrame]) -> bytes:
    """Frames as a mono WAV file at the first frame's rate; b"" without audio."""
    if not frames:
        return b""
    target = AudioFormat("linear16", frames[0].sample_rate)
    pieces: list[bytes] = []
    converter: FrameConverter | None = None
    for frame in frames:
        source = AudioFormat("linear16", frame.sample_rate, frame.num_channels)
        if converter is None or converter.source != source:
            if converter is not None:
                pieces.append(converter.flush())
            converter = FrameConverter(source, target)
        pieces.append(converter.convert(frame.data.tobytes()))
    if converter is not None:
        pieces.append(converter.flush())
    samples = b"".join(pieces)
    if not samples:
        return b""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(target.sample_rate)
        writer.writeframes(samples)
    return file.getvalue()


def _final(transcript: BatchTranscript) -> Final:
    words = transcript.words
    return Final(
        transcript.text,
        words[0].start if words else 0.0,
        words[-1].end if words else transcript.duration or 0.0,
        words,
        language=transcript.language,
        utterances=transcript.utterances,
        emotion=dict(transcript.emotions) or None,
        gender=transcript.gender,
    )
