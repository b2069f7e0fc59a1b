"""The pre-recorded endpoint: one upload, one answer.

Bodies by URL are refused: this server opens no connections of its own. Webhooks likewise.
Emotions, gender and speakers are not guessed, and so never in the answer.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pulse_plugins.local.connection.machine import Connection, Cut
from pulse_plugins.local.prerecorded import uploads
from pulse_plugins.local.recognizers.contract import Decoder, Recognizer
from pulse_plugins.local.recognizers.vad import SpeechDetector
from pulse_plugins.local.settings import ServerOptions
from pulse_plugins.local.wire.encodings import SAMPLE_RATES
from pulse_plugins.local.wire.messages import DialectName, Json
from pulse_plugins.local.wire.parameters import Parameters, read
from pulse_plugins.local.wire.refusals import RefusedError

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
        text = "model is missing or invalid: use pulse or pulse-pro"
        raise RefusedError(400, text, parameter="model")
    if model == "pulse-pro":
        if asked.get("language", "en").partition("-")[0] != "en":
            raise RefusedError(400, "pulse-pro is English only", parameter="language")
        asked["model"] = "pulse"
    if asked.get("webhook_url"):
        raise RefusedError(400, "webhooks are not served by this local server")
    asked.setdefault("word_timestamps", "false")
    if asked.get("sample_rate", "") not in {str(rate) for rate in SAMPLE_RATES}:
        asked.pop("sample_rate", None)
    found = read(dialect, asked, languages=recognizer.languages, region=options.region)
    if found.language_error:
        raise RefusedError(400, found.language_error, "LANGUAGE_NOT_ENABLED_IN_REGION")
    return replace(found, full_transcript=True)


class AbandonedError(Exception):
    """Nobody waits for the answer any more."""


async def transcribe(
    body: bytes,
    asked: Parameters,
    recognizer: Recognizer,
    options: ServerOptions,
    *,
    raw: bool,
    wanted: Callable[[], bool],
) -> dict[str, Json]:
    """Recognize an upload.

    Args:
        body: A file, or samples in `asked.encoding` where no container is recognized.
        asked: What `parameters` read.
        recognizer: Whom to ask.
        options: The server's.
        raw: Whether the query named an encoding, so that the body may be bare samples.
        wanted: Whether somebody still waits; asked again and again.

    Raises:
        RefusedError: The body holds no audio that can be read, or too much.
        AbandonedError: The answer is no longer wanted.
    """
    if not body:
        raise RefusedError(400, "no audio in the request", "NoAudio")
    upload = await asyncio.to_thread(uploads.read, body, asked, recognizer.sample_rates, raw=raw)
    if upload.seconds > options.max_audio_seconds:
        raise _too_long(options.max_audio_seconds)
    work = _Recognition(upload.rate, asked, options, wanted)
    words, utterances, text = await work.run(upload.pieces, recognizer)
    duration = work.samples / upload.rate
    return {
        "status": "success",
        "transcription": text,
        "audio_length": round(duration, 3),
        "words": words if asked.word_timestamps else [],
        "utterances": utterances if asked.word_timestamps else [],
        "metadata": {"duration": round(duration, 3), "fileSize": len(body)},
    }


class _Recognition:
    """A whole recording, segment by segment."""

    def __init__(
        self, rate: int, asked: Parameters, options: ServerOptions, wanted: Callable[[], bool]
    ) -> None:
        asked = replace(asked, sentence_timestamps=True, finalize_on_words=False, dialect="live")
        self.samples = 0
        self._rate = rate
        self._asked = asked
        self._limit = options.max_audio_seconds
        self._wanted = wanted
        self._connection = Connection(asked, replace(options, quirks=frozenset()), "batch")
        self._speech = SpeechDetector(rate, silence_ms=asked.endpointing_timeout * 1000)

    async def run(
        self, pieces: Iterator[NDArray[np.int16]], recognizer: Recognizer
    ) -> tuple[list[Json], list[Json], str]:
        """The words, sentences and text."""
        asked, connection = self._asked, self._connection
        decoder = await recognizer.open(
            sample_rate=self._rate, language=asked.recognized_as, keywords=asked.keywords
        )
        try:
            while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
                self.samples += len(piece)
                if self.samples > self._limit * self._rate:
                    raise _too_long(self._limit)
                await self._hear(piece, decoder)
            connection.finished(await decoder.finish_segment(), Cut.CLOSE)
        finally:
            await decoder.close()
        finals = [json.loads(each.data) for each in connection.messages() if each.is_final]
        words = [word for final in finals for word in final.get("words") or ()]
        utterances = [each for final in finals for each in final.get("utterances") or ()]
        return words, utterances, finals[-1]["full_transcript"] if finals else ""

    async def _hear(self, piece: NDArray[np.int16], decoder: Decoder) -> None:
        size = round(_SLICE_SECONDS * self._rate)
        for start in range(0, len(piece), size):
            if not self._wanted():
                raise AbandonedError
            samples = piece[start : start + size]
            edges = self._speech.feed(samples)
            latest = await decoder.feed(samples)
            self._connection.heard(edges, self._speech.silence)
            if latest is not None:
                self._connection.interim(latest)
            if (cut := self._connection.due()) is not None:
                self._connection.finished(await decoder.finish_segment(), cut)
            await asyncio.sleep(0)


def _too_long(limit: float) -> RefusedError:
    return RefusedError(413, f"the audio is longer than {limit:g} s (max_audio_seconds)")
