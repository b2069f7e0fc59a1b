"""Answers of the pre-recorded endpoint: a typed transcript, or an error.

Documents disagree on names and types of the fields, so a field that cannot be read is left out and
the others are used.

Source: docs/protocol.md, section 6.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from pulse_plugins.core.base.errors import (
    PulseError,
    RegionError,
    ServerError,
    from_message,
    from_status,
)
from pulse_plugins.core.base.events import Utterance, Word
from pulse_plugins.core.base.text import label, printable
from pulse_plugins.core.wire.error_fields import read_error


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchTranscript:
    """The transcript of a recording; times are seconds from its start.

    Attributes:
        text: The whole text; "" while `status` is `processing`, before a webhook is called.
        words: Empty unless `word_timestamps` is on.
        utterances: Sentences; empty unless `word_timestamps` is on.
        language: The detected language, from models that detect it.
        gender: The speaker's gender, with `gender_detection`.
        emotions: Each emotion's probability, with `emotion_detection`.
        age: The speaker's age, from deployments that estimate it.
        duration: Seconds of audio.
        metadata: The service's own object of that name.
        request_id: Name it when you ask the service's support.
        status: `success`, or `processing` when a webhook will get the result.
        extra: Fields of the answer that are not named above.
    """

    text: str
    words: tuple[Word, ...] = ()
    utterances: tuple[Utterance, ...] = ()
    language: str | None = None
    gender: object = None
    emotions: Mapping[str, float] = field(default_factory=dict)
    age: object = None
    duration: float | None = None
    metadata: Mapping[str, object] = field(default_factory=dict)
    request_id: str | None = None
    status: str = "success"
    extra: Mapping[str, object] = field(default_factory=dict)


def read(
    status: int,
    body: bytes,
    *,
    language: str = "",
    request_id: str | None = None,
    retry_after: float | None = None,
) -> BatchTranscript:
    """Read the transcript in an answer.

    Args:
        status: The HTTP status.
        body: The whole body.
        language: The language that was asked for, for advice on a refusal.
        request_id: The `x-request-id` header; an id in the body is preferred.
        retry_after: Seconds from the `Retry-After` header.

    Raises:
        PulseError: The answer is a refusal, or cannot be read.
    """
    try:
        # Not msgspec: some servers write NaN for an unknown number.
        fields: object = json.loads(body, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        fields = None
    answer: dict[str, Any] = fields if isinstance(fields, dict) else {}
    request_id = printable(_text(answer.get("request_id")) or request_id or "", 128) or None
    error = _error(status, answer, language, retry_after)
    if error is None:
        return _transcript(answer, request_id)
    if request_id:
        error.add_note(f"request id, for the service's support: {request_id}")
    raise error


def _error(
    status: int, answer: dict[str, Any], language: str, retry_after: float | None
) -> PulseError | None:
    found = read_error(answer)
    if status != 200:
        return from_status(
            status,
            detail=found.detail,
            error_code=found.code,
            parameter=found.parameter,
            language=language,
            retry_after=retry_after,
        )
    has_text = "transcription" in answer or "transcript" in answer
    if answer.get("status") == "error" or ("error" in answer and not has_text):
        error = from_message(found.detail, error_code=found.code, parameter=found.parameter)
        return error.about(language) if isinstance(error, RegionError) else error
    if not has_text and answer.get("status") != "processing":
        return ServerError("the service's answer is no transcript", code="unreadable")
    return None


_KNOWN = frozenset(
    "transcription transcript words utterances language gender emotions age audio_length "
    "metadata request_id status".split()
)


def _transcript(answer: dict[str, Any], request_id: str | None) -> BatchTranscript:
    metadata = answer.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    emotions = answer.get("emotions")
    duration = _number(metadata.get("duration"))
    return BatchTranscript(
        text=(_text(answer.get("transcription")) or _text(answer.get("transcript")) or "").strip(),
        words=tuple(
            Word(
                text=_text(each.get("word")) or "",
                start=_number(each.get("start")) or 0.0,
                end=_number(each.get("end")) or 0.0,
                confidence=_number(each.get("confidence")),
                speaker=_label(each.get("speaker")),
                speaker_confidence=_number(each.get("speaker_confidence")),
            )
            for each in _objects(answer.get("words"))
        ),
        utterances=tuple(
            Utterance(
                text=_text(each.get("text")) or _text(each.get("transcript")) or "",
                start=_number(each.get("start")) or 0.0,
                end=_number(each.get("end")) or 0.0,
                speaker=_label(each.get("speaker")),
            )
            for each in _objects(answer.get("utterances"))
        ),
        language=label(_text(answer.get("language"))),
        gender=answer.get("gender"),
        emotions={
            name: value
            for name, raw in (emotions.items() if isinstance(emotions, dict) else ())
            if (value := _number(raw)) is not None
        },
        age=answer.get("age"),
        duration=duration if duration is not None else _number(answer.get("audio_length")),
        metadata=metadata,
        request_id=request_id,
        status=_text(answer.get("status")) or "success",
        extra={name: value for name, value in answer.items() if name not in _KNOWN},
    )


def _objects(value: object) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: object) -> float | None:
    """Read a finite number, which some servers write as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) else None


def _label(value: object) -> str | None:
    """A speaker, which documents write as a number or as `speaker_0`."""
    return None if isinstance(value, bool) or not isinstance(value, int | str) else label(value)
