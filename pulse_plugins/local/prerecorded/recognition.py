"""An upload to a transcript: the same segments, formatting and redaction as on a stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

from pulse_plugins.local.connection.machine import Connection, Cut
from pulse_plugins.local.output.voice import Voice
from pulse_plugins.local.prerecorded import uploads
from pulse_plugins.local.prerecorded.body import Body
from pulse_plugins.local.prerecorded.uploads import Upload, mono
from pulse_plugins.local.recognizers.contract import Decoder, Recognizer
from pulse_plugins.local.recognizers.vad import SpeechDetector
from pulse_plugins.local.settings import ServerOptions
from pulse_plugins.local.wire.encodings import SAMPLE_RATES, Samples
from pulse_plugins.local.wire.messages import DialectName, Json
from pulse_plugins.local.wire.parameters import Parameters, read
from pulse_plugins.local.wire.refusals import RefusedError

_SLICE_SECONDS = 0.1  # of audio that is recognized before others have their turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What an upload asks for.

    Attributes:
        parameters: Those that streams have too.
        age: Estimate the speaker's age. The service's changelog removed the parameter in May 2026.
        raw: The query names an encoding, so that the body may be bare samples.
        pro: The model is `pulse-pro`, whose answers hold more fields.
        webhook: Where to send the answer, or "".
    """

    parameters: Parameters
    age: bool = False
    raw: bool = False
    pro: bool = False
    webhook: str = ""


def request_of(
    dialect: DialectName, query: Mapping[str, str], recognizer: Recognizer, options: ServerOptions
) -> Request:
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
    asked.setdefault("word_timestamps", "false")
    if asked.get("sample_rate", "") not in {str(rate) for rate in SAMPLE_RATES}:
        asked.pop("sample_rate", None)
    asked.pop("keywords", None)  # for streams only
    found = read(dialect, asked, languages=recognizer.languages, region=options.region)
    if found.language_error:
        raise RefusedError(400, found.language_error, "LANGUAGE_NOT_ENABLED_IN_REGION")
    return Request(
        parameters=found,
        age=asked.get("age_detection") == "true",
        raw="encoding" in asked,
        pro=model == "pulse-pro",
        webhook=asked.get("webhook_url", ""),
    )


class AbandonedError(Exception):
    """The client does not wait for the answer any more."""


@dataclass(slots=True)
class Transcript:
    """What was recognized in an upload.

    Attributes:
        seconds: Of audio.
        text: All finals, joined.
        words: As they stand in the answer.
        utterances: As they stand in the answer.
        redacted: The placeholders in the text; None without redaction.
        voice: The measurements behind speakers, gender, age and emotions; None where none of these
            was asked for.
        emotions: Of the whole recording.
    """

    seconds: float = 0.0
    text: str = ""
    words: list[Json] = field(default_factory=list)
    utterances: list[Json] = field(default_factory=list)
    redacted: list[Json] | None = None
    voice: Voice | None = None
    emotions: dict[str, float] | None = None


async def transcribe(
    body: Body,
    request: Request,
    recognizer: Recognizer,
    options: ServerOptions,
    *,
    wanted: Callable[[], bool],
) -> Transcript:
    """Recognize an upload.

    Args:
        body: A file, or samples in the encoding that was named.
        request: What `request_of` read.
        recognizer: Opens the decoder.
        options: The server's.
        wanted: Returns whether the client still waits. It is called for each 0.1 s of audio.

    Raises:
        RefusedError: The body holds no audio that can be read, or too much.
        AbandonedError: The answer is no longer wanted.
    """
    asked = request.parameters
    if not body.size:
        raise RefusedError(400, "no audio in the request", "NoAudio")
    upload = await asyncio.to_thread(
        uploads.read,
        body,
        asked,
        recognizer.sample_rates,
        raw=request.raw,
        both=asked.diarize,
        timeout=options.decode_timeout,
    )
    with closing(upload.pieces):
        if upload.seconds > options.max_audio_seconds:
            raise _too_long(options.max_audio_seconds)
        work = _Recognition(upload, request, options, wanted)
        return await work.run(recognizer)


class _Recognition:
    """A whole recording, segment by segment."""

    def __init__(
        self, upload: Upload, request: Request, options: ServerOptions, wanted: Callable[[], bool]
    ) -> None:
        asked = replace(
            request.parameters,
            sentence_timestamps=True,
            finalize_on_words=False,
            full_transcript=True,
            dialect="live",
        )
        self._samples = 0
        self._upload = upload
        self._asked = asked
        self._limit = options.max_audio_seconds
        self._wanted = wanted
        plain = replace(
            options, quirks=frozenset(), last_message="with_words", full_transcript="asked"
        )
        self._connection = Connection(asked, plain, "batch")
        self._speech = SpeechDetector(upload.rate, silence_ms=asked.endpointing_timeout * 1000)
        simulated = asked.diarize or asked.gender or asked.emotion or request.age
        self._voice = Voice(upload.rate) if simulated else None

    async def run(self, recognizer: Recognizer) -> Transcript:
        """The words, sentences and text."""
        asked, connection, pieces = self._asked, self._connection, self._upload.pieces
        decoder = await recognizer.open(
            sample_rate=self._upload.rate, language=asked.recognized_as, keywords=asked.keywords
        )
        try:
            while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
                self._samples += len(piece)
                if self._samples > self._limit * self._upload.rate:
                    raise _too_long(self._limit)
                await self._hear(piece, decoder)
            await self._finish(decoder, Cut.CLOSE)
        finally:
            await decoder.close()
        finals: list[dict[str, Any]] = [
            json.loads(each.data) for each in connection.messages() if each.is_final
        ]
        words = [word for final in finals for word in final.get("words") or ()]
        redacts = self._asked.redact_pii or self._asked.redact_pci
        redacted = [each for final in finals for each in final.get("redacted_entities") or ()]
        return Transcript(
            seconds=self._samples / self._upload.rate,
            text=finals[-1]["full_transcript"] if finals else "",
            words=words,
            utterances=[each for final in finals for each in final.get("utterances") or ()],
            redacted=redacted if redacts else None,
            voice=self._voice,
            emotions=None if self._voice is None else self._voice.emotions_of_all(),
        )

    async def _hear(self, piece: Samples, decoder: Decoder) -> None:
        size = round(_SLICE_SECONDS * self._upload.rate)
        for start in range(0, len(piece), size):
            if not self._wanted():
                raise AbandonedError
            part = piece[start : start + size]
            samples = mono(part)
            if self._voice is not None:
                self._voice.feed(samples)
                if part.ndim == 2:
                    self._voice.feed_channels(part)
            edges = self._speech.feed(samples)
            latest = await decoder.feed(samples)
            self._connection.heard(edges, self._speech.silence)
            if latest is not None:
                self._connection.interim(latest)
            if (cut := self._connection.due()) is not None:
                await self._finish(decoder, cut)
            await asyncio.sleep(0)

    async def _finish(self, decoder: Decoder, cut: Cut) -> None:
        words = await decoder.finish_segment()
        if self._voice is not None and self._asked.diarize:
            words = self._voice.label(words)
        self._connection.finished(words, cut)


def _too_long(limit: float) -> RefusedError:
    return RefusedError(413, f"the audio is longer than {limit:g} s (max_audio_seconds)")
