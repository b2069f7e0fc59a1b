"""What the pre-recorded endpoint answers, as a typed transcript or as an error.

Source: protocol page, section 6. Documents disagree on names and types of the fields, so what
cannot be read costs only itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from pulse_plugins.core.base.errors import PulseError, ServerError, from_message, from_status
from pulse_plugins.core.base.events import Utterance, Word


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchTranscript:
    """What the service says about a recording; times in seconds from its start.

    Attributes:
        text: All of it; "" while `status` is `processing`, before a webhook is called.
        words: Empty unless `word_timestamps` is on.
        utterances: Sentences; empty unless `word_timestamps` is on.
        language: Detected, where the model says so.
        gender: Of the speaker, with `gender_detection`.
        emotions: Name to probability, with `emotion_detection`.
        age: Where the service still estimates it.
        duration: Seconds of audio.
        metadata: As it came.
        request_id: For questions to the service's support.
        status: `success`, or `processing` when a webhook gets the result.
        extra: Fields that this class does not know.
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
    status: int, body: bytes, *, request_id: str | None = None, retry_after: float | None = None
) -> BatchTranscript:
    """The transcript in an answer.

    Args:
        status: The HTTP status.
        body: The whole body.
        request_id: From the `x-request-id` header; one in the body goes first.
        retry_after: Seconds from the `Retry-After` header.

    Raises:
        PulseError: The answer is a refusal, or cannot be read.
    """
    try:
        fields: object = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        fields = None
    answer: dict[str, Any] = fields if isinstance(fields, dict) else {}
    request_id = _text(answer.get("request_id")) or request_id
    try:
        if status != 200:
            raise from_status(
                status,
                detail=_detail(answer)[:500],
                error_code=_code(answer),
                retry_after=retry_after,
            )
        heard = "transcription" in answer or "transcript" in answer
        if answer.get("status") == "error" or ("error" in answer and not heard):
            raise from_message(_detail(answer)[:500], error_code=_code(answer))
        if not heard and answer.get("status") != "processing":
            raise ServerError("the service's answer is no transcript", code="unreadable")
    except PulseError as error:
        if request_id:
            error.add_note(f"request id, for the service's support: {request_id}")
        raise
    return _transcript(answer, request_id)


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
        language=_text(answer.get("language")),
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


def _detail(answer: dict[str, Any]) -> str:
    """What the server wrote: `error`, then `message`, then `errors`, protocol page section 6."""
    found = next((answer[key] for key in ("error", "message", "errors") if answer.get(key)), "")
    return found if isinstance(found, str) else str(found)


def _code(answer: dict[str, Any]) -> str:
    """The word for programs; documents call it by either name."""
    return _text(answer.get("error_code") or answer.get("code")) or ""


def _objects(value: object) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: object) -> float | None:
    """A number, also one written as text; documents and servers differ."""
    try:
        return float(value) if isinstance(value, int | float | str) else None
    except (ValueError, OverflowError):
        return None


def _label(value: object) -> str | None:
    return str(value) if isinstance(value, int | str) else None
