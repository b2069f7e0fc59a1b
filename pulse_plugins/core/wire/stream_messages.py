"""Wire JSON to typed messages: forgiving in, so that one bad field never costs the other ones.

Nothing else of the client knows a JSON key. The fast path decodes straight into a struct; a
message that does not fit its types is read again field by field, and what cannot be read is named
in `problems`. Sources: protocol page, sections 4.2 to 4.5; where documents disagree on a name
(`transcript` / `transcription`, utterance `text` / `transcript`) either is read.
"""

from __future__ import annotations

import json
from typing import Any, TypeAlias

import msgspec

from pulse_plugins.core.base.errors import PulseError, from_message


class WireWord(msgspec.Struct, frozen=True):
    """One entry of `words`; times in seconds from the connection's first audio byte."""

    word: str
    start: float | None = None
    end: float | None = None
    confidence: float | None = None
    speaker: int | str | None = None
    speaker_confidence: float | None = None


class WireUtterance(msgspec.Struct, frozen=True):
    """One entry of `utterances`."""

    text: str | None = None
    transcript: str | None = None
    start: float = 0.0
    end: float = 0.0
    speaker: int | str | None = None


class Transcript(msgspec.Struct, frozen=True):
    """An interim or a final; the type field is absent in two dialects."""

    session_id: str | None = None
    transcript: str | None = None
    transcription: str | None = None
    is_final: bool = False
    is_last: bool = False
    from_finalize: bool = False
    speech_final: bool = False
    language: str | None = None
    languages: list[str] | None = None
    words: list[WireWord] | None = None
    utterances: list[WireUtterance] | None = None
    redacted_entities: list[str] | None = None
    emotion: Any = None
    gender: Any = None
    problems: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The segment's text without the separator space that some finals carry."""
        return (self.transcript or self.transcription or "").strip()


class _Envelope(Transcript, frozen=True):
    """A transcript plus the fields that tell which message it is."""

    type: str | None = None
    status: Any = None
    error: Any = None
    errors: Any = None
    error_code: Any = None
    message: Any = None
    timestamp: float | None = None


class SpeechMark(msgspec.Struct, frozen=True):
    """`speech_started` or `speech_ended`, in seconds from the first audio byte."""

    started: bool
    timestamp: float | None


class Pong(msgspec.Struct, frozen=True):
    """The answer to a keepalive."""


class ErrorReport(msgspec.Struct, frozen=True):
    """An error message inside the stream."""

    error: PulseError


class Unreadable(msgspec.Struct, frozen=True):
    """Not a message of this protocol; `reason` holds none of its content."""

    reason: str


Message: TypeAlias = Transcript | SpeechMark | Pong | ErrorReport | Unreadable

_decode = msgspec.json.Decoder(_Envelope).decode


def parse(data: str | bytes) -> Message:
    """The message in one WebSocket frame; never raises."""
    if not isinstance(data, str):
        return Unreadable("binary")
    try:
        return _classify(_decode(data), ())
    except (msgspec.DecodeError, UnicodeError):  # of types as well as of syntax
        return _parse_by_field(data)
    except RecursionError:
        return Unreadable("not_json")


def _parse_by_field(data: str) -> Message:
    try:
        # More lenient than the fast path: a server that writes NaN means that it does not know.
        fields = json.loads(data, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return Unreadable("not_json")
    if not isinstance(fields, dict):
        return Unreadable("not_an_object")
    problems: list[str] = []
    values: dict[str, Any] = {}
    for name, kind in _FIELD_TYPES.items():
        if name not in fields:
            continue
        value = fields[name]
        if value is None and name in _FLAGS:
            continue
        if name in ("words", "utterances") and isinstance(value, list):
            entry = WireWord if name == "words" else WireUtterance
            values[name] = [e for raw in value if (e := _entry(raw, entry, name, problems))]
            continue
        try:
            values[name] = msgspec.convert(value, kind, strict=False)
        except (msgspec.ValidationError, UnicodeError, RecursionError):
            problems.append(name)
    return _classify(_Envelope(**values), tuple(problems))


def _entry(
    raw: object, kind: type[WireWord] | type[WireUtterance], name: str, problems: list[str]
) -> Any:
    """One word or utterance, without those of its fields that cannot be read."""
    if isinstance(raw, dict):
        # Of other keys msgspec would want UTF-8, which a lone surrogate is not.
        kept = {key: value for key, value in raw.items() if key in kind.__struct_fields__}
        while True:
            try:
                return msgspec.convert(kept, kind, strict=False)
            except msgspec.ValidationError as error:
                bad = str(error).rpartition("$.")[2].rstrip("`")
                if kept.pop(bad, None) is None:
                    break
                problems.append(f"{name}.{bad}")
            except (UnicodeError, RecursionError):
                break
    problems.append(name)
    return None


def _classify(envelope: _Envelope, problems: tuple[str, ...]) -> Message:
    kind = envelope.type
    has_text = envelope.transcript is not None or envelope.transcription is not None
    if (
        kind == "error"
        or envelope.status == "error"
        or (envelope.error is not None and not has_text)
    ):
        return ErrorReport(_error(envelope))
    if kind in ("speech_started", "speech_ended"):
        return SpeechMark(kind == "speech_started", envelope.timestamp)
    if kind == "pong":
        return Pong()
    if has_text or envelope.is_last or envelope.is_final:
        if not problems:
            return envelope
        return msgspec.structs.replace(envelope, problems=tuple(dict.fromkeys(problems)))
    return Unreadable("unknown_type" if not problems else "bad_fields")


def _error(envelope: _Envelope) -> PulseError:
    # Read `error`, then `message`, then `errors`: protocol page, sections 4.5 and 6.
    for value in (envelope.error, envelope.message, envelope.errors):
        if value:
            detail = value if isinstance(value, str) else str(value)
            break
    else:
        detail = ""
    code = envelope.error_code if isinstance(envelope.error_code, str) else ""
    return from_message(detail[:500], error_code=code)


_FIELD_TYPES: dict[str, Any] = {
    each.name: each.type for each in msgspec.structs.fields(_Envelope) if each.name != "problems"
}
_FLAGS = frozenset({"is_final", "is_last", "from_finalize", "speech_final"})
