"""The server's side of the wire: what it says and what it understands, as the documents show it.

Written from the service's documents alone. It shares no code with the client's
`pulse_plugins.core.wire.stream_messages`, because a shared codec would share its misreadings.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal, TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
DialectName: TypeAlias = Literal["live", "pulse", "legacy", "direct"]

PATHS: dict[str, DialectName] = {
    "/waves/v1/stt/live": "live",
    "/waves/v1/pulse/get_text": "pulse",
    "/api/v1/pulse/get_text": "legacy",
    "/transcribe": "direct",
}
BATCH_PATHS: dict[str, DialectName] = {
    "/waves/v1/stt/": "live",
    "/waves/v1/pulse/get_text": "pulse",
    "/api/v1/pulse/get_text": "legacy",
}


@dataclass(frozen=True, slots=True)
class WireWord:
    """One word of a final; times in seconds from the connection's first audio.

    Attributes:
        speaker: The number of the speaker from 0 on; None leaves both speaker fields out.
        speaker_confidence: 0.0 to 1.0.
    """

    word: str
    start: float
    end: float
    confidence: float
    speaker: int | None = None
    speaker_confidence: float = 0.0

    def to_json(self) -> dict[str, Json]:
        """As an element of `words`."""
        word: dict[str, Json] = {
            "word": self.word,
            "start": round(self.start, 3),
            "end": round(self.end, 3),
            "confidence": round(self.confidence, 3),
        }
        if self.speaker is not None:
            word |= {
                "speaker": self.speaker,
                "speaker_confidence": round(self.speaker_confidence, 2),
            }
        return word


@dataclass(frozen=True, slots=True)
class Utterance:
    """One sentence of a final; times in seconds from the connection's first audio."""

    text: str
    start: float
    end: float
    speaker: int | None = None

    def to_json(self) -> dict[str, Json]:
        """As an element of `utterances`; the key is `text` in every schema of the service."""
        sentence: dict[str, Json] = {
            "text": self.text,
            "start": round(self.start, 3),
            "end": round(self.end, 3),
        }
        if self.speaker is not None:
            sentence["speaker"] = self.speaker
        return sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """One message about the open segment. None leaves a field out.

    Attributes:
        typed: The message names its `type` and `status` and repeats the text as `transcription`.
            The legacy endpoint never does this.
    """

    session_id: str
    text: str
    is_final: bool = False
    is_last: bool = False
    from_finalize: bool | None = None
    language: str | None = None
    languages: Sequence[str] | None = None
    words: Sequence[WireWord] | None = None
    utterances: Sequence[Utterance] | None = None
    full_transcript: str | None = None
    redacted_entities: Sequence[str] | None = None
    emotion: Mapping[str, float] | None = None
    gender: str | None = None
    typed: bool = True

    def encode(self, dialect: DialectName) -> str:
        """The JSON text, with the fields that the endpoint sends.

        The references show `type`, `status` and `transcription` on `live` only. A fixture that the
        vendor wrote, a third-party test of the live service and another client show them on
        `pulse/get_text` too.
        """
        typed = self.typed and dialect != "legacy"
        message: dict[str, Json] = {}
        if typed:
            message |= {"type": "transcription", "status": "success"}
        message |= {"session_id": self.session_id, "transcript": self.text}
        if typed:
            message["transcription"] = self.text
        message |= {"is_final": self.is_final, "is_last": self.is_last}
        if self.from_finalize is not None and dialect != "legacy":
            message["from_finalize"] = self.from_finalize
        more: dict[str, Json] = {
            "full_transcript": self.full_transcript,
            "language": self.language,
            "languages": _listed(self.languages or ([self.language] if self.language else None)),
            "words": None if self.words is None else [word.to_json() for word in self.words],
            "utterances": None if self.utterances is None else self._sentences(),
            "redacted_entities": _listed(self.redacted_entities),
            "emotion": None if self.emotion is None else dict(self.emotion),
            "gender": self.gender,
        }
        return _encode(message | {name: value for name, value in more.items() if value is not None})

    def _sentences(self) -> list[Json]:
        return [each.to_json() for each in self.utterances or ()]


def _listed(texts: Sequence[str] | None) -> list[Json] | None:
    return None if texts is None else list(texts)


def speech_edge(kind: str, session_id: str, seconds: float) -> str:
    """A `speech_started` or `speech_ended` message; seconds from the first audio."""
    return _encode({"type": kind, "session_id": session_id, "timestamp": round(seconds, 3)})


PONG = '{"type":"pong"}'


def error(
    dialect: DialectName, message: str, error_code: str | None = None, *, coded: bool = False
) -> str:
    """An error inside the stream.

    Args:
        dialect: `direct` sends `error` alone; every other endpoint sends a typed message.
        message: One sentence.
        error_code: The service's word for programs, or None.
        coded: Send `error` and `code` instead, as a program of the vendor's cookbook expects.
    """
    if coded:
        return _encode({"error": message, "code": error_code or "INTERNAL_ERROR"})
    if dialect == "direct":
        return _encode({"error": message})
    body: dict[str, Json] = {"type": "error", "status": "error", "message": message}
    if error_code is not None:
        body["error_code"] = error_code
    return _encode(body)


# The vendor's own streaming samples expect this message on the legacy path and go on.
TIMED_OUT = '{"status":"error","message":"Request timed out while waiting for audio"}'

# A client must survive each of these: not JSON, not text, not an object, and wrong types.
GARBAGE: tuple[str | bytes, ...] = (
    "this is not JSON {",
    b"\x00\xff\xfe\x01",
    "[1,2,3]",
    "null",
    '{"type":"brand_new_message","payload":{"deep":[[[]]]}}',
    '{"type":"transcription","transcript":null,"is_final":"yes","words":7}',
)


class Control(Enum):
    """What a client's text message asks for."""

    FINALIZE = "finalize"
    CLOSE = "close"
    KEEPALIVE = "keepalive"
    UNKNOWN = "unknown"


_CLOSING: dict[DialectName, str] = {
    "live": "close_stream",
    "pulse": "close_stream",
    "legacy": "end",
    "direct": "close_stream",
}


def read_control(text: str, dialect: DialectName) -> Control:
    """What a text message means in a dialect; anything else, however odd, is UNKNOWN."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return Control.UNKNOWN
    kind = message.get("type") if isinstance(message, dict) else None
    if kind == _CLOSING[dialect]:
        return Control.CLOSE
    if kind == "finalize" and dialect != "legacy":
        return Control.FINALIZE
    if kind == "keepalive" and dialect == "live":
        return Control.KEEPALIVE
    return Control.UNKNOWN


def _encode(message: dict[str, Json]) -> str:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))
