"""The pre-recorded endpoint: one upload, one answer.

Bodies by URL are refused: this server opens no connections of its own. Webhooks likewise.
Emotions, gender and speakers are not guessed, and so never in the answer.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import soxr
from numpy.typing import NDArray

from pulse_plugins.local.connection import Connection, Cut
from pulse_plugins.local.encodings import ENCODINGS, SAMPLE_RATES, WireAudio
from pulse_plugins.local.link import decoder_rate
from pulse_plugins.local.messages import DialectName, Json
from pulse_plugins.local.parameters import Parameters, RefusedError, read
from pulse_plugins.local.recognizer import Recognizer
from pulse_plugins.local.settings import ServerOptions
from pulse_plugins.local.vad import SpeechDetector

_SLICE_SECONDS = 0.1


def parameters(
    dialect: DialectName, query: Mapping[str, str], recognizer: Recognizer, options: ServerOptions
) -> Parameters:
    """Read the query of an upload; the model may be `pulse-pro` here, in English.

    Raises:
        RefusedError: With the status and text for the answer.
    """
    asked = dict(query)
    model = asked.get("model", "")
    if dialect == "live" and model not in ("pulse", "pulse-pro"):
        raise RefusedError(400, "model is missing or invalid: use pulse or pulse-pro")
    if model == "pulse-pro":
        if asked.get("language", "en").partition("-")[0] != "en":
            raise RefusedError(400, "pulse-pro is English only")
        asked["model"] = "pulse"
    if asked.get("webhook_url"):
        raise RefusedError(400, "webhooks are not served by this local server")
    asked.setdefault("word_timestamps", "false")
    if asked.get("encoding") not in ENCODINGS:
        asked.pop("encoding", None)
    if asked.get("sample_rate", "") not in {str(rate) for rate in SAMPLE_RATES}:
        asked.pop("sample_rate", None)
    found = read(dialect, asked, languages=recognizer.languages, region=options.region)
    if found.language_error:
        raise RefusedError(400, found.language_error, "LANGUAGE_NOT_ENABLED_IN_REGION")
    return replace(found, full_transcript=True)


async def transcribe(
    body: bytes,
    asked: Parameters,
    recognizer: Recognizer,
    options: ServerOptions,
    *,
    raw: bool,
) -> dict[str, Json]:
    """Recognize an upload.

    Args:
        body: A file, or samples in `asked.encoding` where no container is recognized.
        asked: What `parameters` read.
        recognizer: Whom to ask.
        options: The server's.
        raw: Whether the query named an encoding, so that the body may be bare samples.

    Raises:
        RefusedError: The body holds no audio that can be read.
    """
    rate = decoder_rate(asked.sample_rate, recognizer.sample_rates)
    if not body:
        raise RefusedError(400, "no audio in the request", "NoAudio")
    samples, rate = await asyncio.to_thread(_samples, body, asked, rate, recognizer, raw)
    words, utterances, text = await _recognize(samples, rate, asked, recognizer, options)
    duration = len(samples) / rate
    return {
        "status": "success",
        "transcription": text,
        "audio_length": round(duration, 3),
        "words": words if asked.word_timestamps else [],
        "utterances": utterances if asked.word_timestamps else [],
        "metadata": {"duration": round(duration, 3), "fileSize": len(body)},
    }


def _samples(
    body: bytes, asked: Parameters, rate: int, recognizer: Recognizer, raw: bool
) -> tuple[NDArray[np.int16], int]:
    decoded = _decode_file(body)
    if decoded is None:
        if not raw:
            raise RefusedError(400, "the audio cannot be decoded", "AudioDecodeError")
        wire = WireAudio(asked.encoding, asked.sample_rate, rate)
        try:
            return np.concatenate((*wire.feed(body), wire.flush())), rate
        except ValueError as error:
            raise RefusedError(400, str(error), "AudioDecodeError") from error
    samples, native = decoded
    rate = decoder_rate(native, recognizer.sample_rates)
    if native != rate:
        samples = np.asarray(soxr.resample(samples, native, rate), np.int16)
    return samples, rate


def _decode_file(body: bytes) -> tuple[NDArray[np.int16], int] | None:
    """Mono samples and their rate; None where no container is recognized."""
    import soundfile

    try:
        samples, rate = soundfile.read(io.BytesIO(body), dtype="int16", always_2d=True)
        return samples.mean(axis=1).astype(np.int16), int(rate)
    except soundfile.LibsndfileError:
        pass
    try:
        import av
    except ImportError:
        return None
    try:
        with av.open(io.BytesIO(body), "r") as container:
            resampler = av.AudioResampler(format="s16", layout="mono", rate=48_000)
            pieces = [
                piece.to_ndarray().reshape(-1)
                for frame in container.decode(audio=0)
                for piece in resampler.resample(frame)
            ]
            return np.concatenate(pieces).astype(np.int16), 48_000
    except (av.FFmpegError, IndexError, ValueError):
        return None


async def _recognize(
    samples: NDArray[np.int16],
    rate: int,
    asked: Parameters,
    recognizer: Recognizer,
    options: ServerOptions,
) -> tuple[list[Json], list[Json], str]:
    """The words, sentences and text of a whole recording, segment by segment."""
    asked = replace(asked, sentence_timestamps=True, finalize_on_words=False, dialect="live")
    connection = Connection(asked, replace(options, quirks=frozenset()), "batch")
    speech = SpeechDetector(rate, silence_ms=asked.endpointing_timeout * 1000)
    decoder = await recognizer.open(
        sample_rate=rate, language=asked.recognized_as, keywords=asked.keywords
    )
    try:
        size = round(_SLICE_SECONDS * rate)
        for start in range(0, len(samples), size):
            piece = samples[start : start + size]
            edges = speech.feed(piece)
            latest = await decoder.feed(piece)
            connection.heard(edges, speech.silence)
            if latest is not None:
                connection.interim(latest)
            if (cut := connection.due()) is not None:
                connection.finished(await decoder.finish_segment(), cut)
            await asyncio.sleep(0)
        connection.finished(await decoder.finish_segment(), Cut.CLOSE)
    finally:
        await decoder.close()
    finals = [json.loads(each.data) for each in connection.messages() if each.is_final]
    words = [word for final in finals for word in final.get("words") or ()]
    utterances = [each for final in finals for each in final.get("utterances") or ()]
    return words, utterances, finals[-1]["full_transcript"] if finals else ""
