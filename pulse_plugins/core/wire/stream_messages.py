"""Messages of a stream: JSON text to typed structs.

No other part of the engine knows a JSON key. `parse` decodes a message into a struct in one step.
If a field has an unexpected type, the message is read again field by field, the unreadable fields
are named in `problems`, and the other fields are used. Where documents disagree on a name
(`transcript` and `transcription`, utterance `text` and `transcript`), both names are read.

Source: docs/protocol.md, sections 4.2 to 4.5.
"""

from __future__ import annotations

import json
from typing import Any, TypeAlias

import msgspec

from pulse_plugins.core.base.errors import PulseError, from_message
from pulse_plugins.core.base.text import printable
from pulse_plugins.core.wire.error_fields import read_error

_MOST_SESSION_ID = 128  # characters; the service's ids have at most 36


class WireWord(msgspec.Struct, frozen=True):
    """One entry of `words`; times are seconds from the connection's first audio byte."""

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
    """An interim or a final; two dialects send it without a `type`.

    Attributes:
        session_id: Printable and bounded, because it goes into events and logs.
        full_transcript: All finals of the connection so far, from servers that send it.
        problems: Names of fields that could not be read.
    """

    session_id: str | None = None
    transcript: str | None = None
    transcription: str | None = None
    full_transcript: str | None = None
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
        """The text of the segment, without the space that separates some finals."""
        return (self.transcript or self.transcription or "").strip()


class _Envelope(Transcript, frozen=True):
    """Any message: a transcript and the fields that tell which message it is."""

    type: str | None = None
    status: Any = None
    error: Any = None
    errors: Any = None
    error_code: Any = None
    code: Any = None
    status_code: Any = None
    message: Any = None
    timestamp: float | None = None


class SpeechMark(msgspec.Struct, frozen=True):
    """`speech_started` or `speech_ended`; the timestamp is seconds from the first audio byte."""

    started: bool
    timestamp: float | None


class Pong(msgspec.Struct, frozen=True):
    """The answer to a keepalive."""


class ErrorReport(msgspec.Struct, frozen=True):
    """An error message inside the stream, after which a server may close or go on.

    The class of `error` tells what it is about: `AuthenticationError`, `PaymentRequiredError` and
    `AccessDeniedError` for the account; `RegionError` for the language; `RateLimitError` for too
    many streams; `RequestRejectedError` for an option; and `ServerError` for everything else. A
    timeout, after which the legacy server goes on, has the code `error_timeout` (N2).
    """

    error: PulseError


class Unreadable(msgspec.Struct, frozen=True):
    """Not a message of this protocol; `reason` holds none of the content."""

    reason: str


Message: TypeAlias = Transcript | SpeechMark | Pong | ErrorReport | Unreadable

_decode = msgspec.json.Decoder(_Envelope).decode


def parse(data: str | bytes) -> Message:
    """Read one WebSocket message; never raises.

    JSON in a binary message is read too: a server whose JSON library writes bytes sends it so.
    """
    try:
        return _classify(_decode(data), ())
    except (msgspec.DecodeError, UnicodeError):  # of types as well as of syntax
        return _parse_by_field(data)
    except RecursionError:
        return _not_json(data)


def _not_json(data: str | bytes) -> Unreadable:
    return Unreadable("not_json" if isinstance(data, str) else "binary")


def _parse_by_field(data: str | bytes) -> Message:
    try:
        # Some servers write NaN for an unknown number. The fast path refuses NaN.
        fields = json.loads(data, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return _not_json(data)
    if not isinstance(fields, dict):
        return Unreadable("not_an_object")
    problems: list[str] = []
    lists = {name: fields.pop(name) for name in _ENTRIES if isinstance(fields.get(name), list)}
    given = {key: raw for key, raw in fields.items() if raw is not None or key not in _FLAGS}
    values = _readable(given, _FIELD_TYPES, "", problems)
    for name, entries in lists.items():
        read = (_entry(raw, _ENTRIES[name], name, problems) for raw in entries)
        values[name] = [entry for entry in read if entry is not None]
    return _classify(_Envelope(**values), tuple(problems))


def _entry(
    raw: object, kind: type[WireWord] | type[WireUtterance], name: str, problems: list[str]
) -> Any:
    """Read one word or utterance, without its unreadable fields; None: there is no text."""
    if isinstance(raw, dict):
        values = _readable(raw, _ENTRY_TYPES[kind], f"{name}.", problems)
        if kind is WireUtterance or "word" in values:
            return kind(**values)
    problems.append(name)
    return None


def _readable(
    fields: dict[str, Any], types: dict[str, Any], prefix: str, problems: list[str]
) -> dict[str, Any]:
    """The fields that can be read as their types; the names of the others go to `problems`."""
    values = {}
    for name, kind in types.items():
        if name not in fields:
            continue
        try:
            values[name] = msgspec.convert(fields[name], kind, strict=False)
        except (msgspec.ValidationError, UnicodeError, RecursionError):
            problems.append(f"{prefix}{name}")
    return values


def _classify(envelope: _Envelope, problems: tuple[str, ...]) -> Message:
    kind = envelope.type
    has_text = envelope.transcript is not None or envelope.transcription is not None
    # Interims come first, because nearly all messages are interims.
    if has_text and kind not in _OTHER_TYPES and envelope.status != "error":
        session = envelope.session_id
        if not problems and (
            session is None or (len(session) <= _MOST_SESSION_ID and session.isprintable())
        ):
            return envelope
        return _mended(envelope, problems)
    # The rule of section 4.5 for error messages.
    is_bare_error = envelope.error is not None and not has_text
    if kind == "error" or envelope.status == "error" or is_bare_error:
        return ErrorReport(_error(envelope))
    if kind in ("speech_started", "speech_ended"):
        return SpeechMark(kind == "speech_started", envelope.timestamp)
    if kind == "pong":
        return Pong()
    if envelope.is_last or envelope.is_final:
        return _mended(envelope, problems)
    return Unreadable("unknown_type" if not problems else "bad_fields")


def _mended(envelope: _Envelope, problems: tuple[str, ...]) -> Transcript:
    """A transcript whose session id is safe to show, with the names of unreadable fields."""
    session = envelope.session_id and printable(envelope.session_id, _MOST_SESSION_ID)
    named = tuple(dict.fromkeys(problems))
    return msgspec.structs.replace(envelope, session_id=session, problems=named)


def _error(envelope: _Envelope) -> PulseError:
    fields = {name: getattr(envelope, name) for name in _ERROR_FIELDS}
    found = read_error(fields)
    return from_message(found.detail, error_code=found.code, parameter=found.parameter)


def _types(kind: type[msgspec.Struct]) -> dict[str, Any]:
    return {each.name: each.type for each in msgspec.structs.fields(kind)}


_FIELD_TYPES = {name: kind for name, kind in _types(_Envelope).items() if name != "problems"}
_ENTRIES: dict[str, type[WireWord] | type[WireUtterance]] = {
    "words": WireWord,
    "utterances": WireUtterance,
}
_ENTRY_TYPES = {kind: _types(kind) for kind in _ENTRIES.values()}
_FLAGS = frozenset({"is_final", "is_last", "from_finalize", "speech_final"})
_OTHER_TYPES = frozenset({"error", "speech_started", "speech_ended", "pong"})
_ERROR_FIELDS = ("error", "message", "errors", "error_code", "code", "status_code")
