"""A recorded session as one file that a person can read: a line of JSON for each event.

    {"pulse_session": 1, "words": true}
    {"connection": 1, "at": 0.0, "opened": {"path": "/waves/v1/stt/live", "query": {…}}}
    {"connection": 1, "at": 0.4, "sent_audio": 12800, "messages": 20}
    {"connection": 1, "at": 0.4, "sent": "…"}
    {"connection": 1, "at": 0.7, "got": "…"}
    {"connection": 1, "at": 0.9, "closed": 1000, "by": "server"}

`at` counts seconds from the beginning of the connection. `sent` and `got` hold a text message of
the client and of the server, as it stood on the wire. `refused` with `status` and `body` stands
for a handshake that was refused, and `upload` for a request to the pre-recorded endpoint. No line
holds a key. Without words, every letter of a text is an x and every digit a 0, so that lengths,
spaces and marks stay.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.core.config.keys import LOCAL_API_KEY
from pulse_plugins.local.wire.messages import Json

VERSION = 1
# Fields whose texts say nothing of what was said, and so stay in a recording without words.
_SAFE = frozenset(
    "type status session_id language languages error_code code request_id redacted_entities gender "
    "path filename".split()
)
_SAFE_PARAMETERS = frozenset(
    "model language encoding sample_rate word_timestamps sentence_timestamps full_transcript "
    "diarize redact_pii redact_pci format punctuate capitalize itn_normalize numerals "
    "no_format_delay vad_events vad endpointing endpointing_timeout eou_timeout_ms max_words "
    "finalize_on_words emotion_detection gender_detection age_detection".split()
)


def masked(text: str) -> str:
    """A text without its words: letters are x, digits are 0, the rest stays."""
    return "".join(
        "0" if each.isdigit() else ("X" if each.isupper() else "x") if each.isalpha() else each
        for each in text
    )


def without_words(text: str) -> str:
    """A message whose texts are masked, in the same form; what is not JSON is masked as a whole."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return masked(text)
    return json.dumps(_masked_value(message), ensure_ascii=False, separators=(",", ":"))


def _masked_value(value: Any, name: str = "") -> Any:
    match value:
        case dict():
            return {key: _masked_value(each, key) for key, each in value.items()}
        case list():
            return [_masked_value(each, name) for each in value]
        case str() if name not in _SAFE:
            return masked(value)
        case _:
            return value


class SessionWriter:
    """Writes the events of all connections of a recorder, in the order in which they happen."""

    def __init__(self, file: IO[str], *, words: bool = True, audio: bool = False) -> None:
        """Begin a file.

        Args:
            file: Where the lines go; it stays open.
            words: False masks all texts.
            audio: Keep the audio too, as base64.
        """
        self._file = file
        self._words = words
        self._keep_audio = audio
        self._secrets: set[str] = set()
        self._runs: dict[int, tuple[float, int, int, list[bytes]]] = {}
        self._write({"pulse_session": VERSION, "words": words})

    def hide(self, secret: str) -> None:
        """Never write this text, wherever it comes from.

        The key that stands for no key is a word that callers may say, so it is written.
        """
        if secret and secret != LOCAL_API_KEY:
            self._secrets.add(secret)

    def opened(self, connection: int, path: str, query: dict[str, str]) -> None:
        """A handshake was accepted."""
        event: dict[str, Json] = {"path": path, "query": self._query(query)}
        self._event(connection, 0.0, {"opened": event})

    def refused(self, connection: int, at: float, status: int, body: str) -> None:
        """A handshake was refused."""
        self._event(connection, at, {"refused": status, "body": self._text(body)})

    def sent_audio(self, connection: int, at: float, data: bytes) -> None:
        """The client sent audio; messages that follow each other share a line."""
        _, size, count, pieces = self._runs.get(connection, (at, 0, 0, []))
        if self._keep_audio:
            pieces.append(data)
        self._runs[connection] = (at, size + len(data), count + 1, pieces)

    def sent(self, connection: int, at: float, text: str) -> None:
        """The client sent a text message."""
        self._event(connection, at, {"sent": self._text(text)})

    def got(self, connection: int, at: float, message: str | bytes) -> None:
        """The server sent a message."""
        if isinstance(message, str):
            self._event(connection, at, {"got": self._text(message)})
        else:
            self._event(connection, at, {"got_bytes": base64.b64encode(message).decode()})

    def closed(self, connection: int, at: float, code: int, by: str) -> None:
        """The connection is over; `by` is `server` or `client`."""
        self._event(connection, at, {"closed": code, "by": by})

    def upload(self, path: str, query: dict[str, str], size: int, status: int, answer: str) -> None:
        """An upload was answered."""
        event: dict[str, Json] = {
            "path": path,
            "query": self._query(query),
            "bytes": size,
            "status": status,
            "answer": self._text(answer),
        }
        self._write({"upload": event})

    def _query(self, query: dict[str, str]) -> dict[str, Json]:
        if self._words:
            return dict(query)
        return {
            name: value if name in _SAFE_PARAMETERS else masked(value)
            for name, value in query.items()
        }

    def _text(self, text: str) -> str:
        return text if self._words else without_words(text)

    def _event(self, connection: int, at: float, event: dict[str, Json]) -> None:
        run = self._runs.pop(connection, None)
        if run is not None:
            when, size, count, pieces = run
            line: dict[str, Json] = {"sent_audio": size, "messages": count}
            if self._keep_audio:
                line["audio"] = base64.b64encode(b"".join(pieces)).decode()
            self._write({"connection": connection, "at": round(when, 3), **line})
        self._write({"connection": connection, "at": round(at, 3), **event})

    def _write(self, line: dict[str, Json]) -> None:
        text = json.dumps(line, ensure_ascii=False)
        for secret in self._secrets:
            text = text.replace(json.dumps(secret)[1:-1], "***")
        self._file.write(text + "\n")
        self._file.flush()


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server did, and how far the client was before.

    Attributes:
        at: Seconds from the beginning of the connection.
        audio: Bytes of audio that the client had sent.
        controls: How many `finalize` and closing messages the client had sent.
        message: A message of the server; None closes the connection.
        code: The close code of the server, where `message` is None.
    """

    at: float
    audio: int
    controls: int
    message: str | bytes | None = None
    code: int = 1000


@dataclass(slots=True)
class RecordedConnection:
    """One connection of a recorded session.

    Attributes:
        path: The URL's path.
        query: The parameters.
        status: 101, or that of a refused handshake.
        body: Of a refused handshake.
        answers: What the server did, in order.
        audio: The client's audio, where the recorder kept it.
    """

    path: str = ""
    query: dict[str, str] = field(default_factory=dict)
    status: int = 101
    body: str = ""
    answers: list[Answer] = field(default_factory=list)
    audio: bytes = b""


@dataclass(frozen=True, slots=True)
class RecordedUpload:
    """One request to the pre-recorded endpoint, and its answer."""

    path: str
    status: int
    answer: str


@dataclass(slots=True)
class RecordedSession:
    """All connections and uploads of a file, in order."""

    connections: list[RecordedConnection] = field(default_factory=list)
    uploads: list[RecordedUpload] = field(default_factory=list)


ASKING = frozenset({"finalize", "close_stream", "end"})


def control_type(text: str) -> str:
    """The `type` of a client's message, or ""."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    kind = message.get("type") if isinstance(message, dict) else None
    return kind if isinstance(kind, str) else ""


def read(path: str | Path) -> RecordedSession:
    """Read a recorded session.

    Raises:
        ConfigurationError: The file cannot be read, or is not a recorded session.
    """
    session = RecordedSession()
    found: dict[int, RecordedConnection] = {}
    progress: dict[int, tuple[int, int]] = {}
    try:
        for number, line in _lines(path):
            if number == 1 and line.get("pulse_session") != VERSION:
                raise ConfigurationError(f"{path}: not a recorded session of version {VERSION}")
            if "upload" in line:
                made = line["upload"]
                session.uploads.append(RecordedUpload(made["path"], made["status"], made["answer"]))
            elif "connection" in line:
                which = line["connection"]
                if which not in found:
                    found[which] = RecordedConnection()
                    session.connections.append(found[which])
                progress[which] = _take(found[which], line, progress.get(which, (0, 0)))
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from error
    except UnicodeError:
        raise ConfigurationError(f"{path}: not a recorded session, because it is no text") from None
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(f"{path}: not a recorded session: {_why(error)}") from error
    return session


def _why(error: KeyError | TypeError | ValueError) -> str:
    """What is wrong with a line, without the names of Python's errors."""
    match error:
        case json.JSONDecodeError():
            return "a line is not JSON"
        case KeyError():
            return f"a line has no field {error}"
        case _:
            return str(error)


def _lines(path: str | Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with open(path, encoding="utf-8") as file:
        for number, text in enumerate(file, 1):
            line = json.loads(text)
            if not isinstance(line, dict):
                raise TypeError(f"line {number} is no object")
            yield number, line


def _take(
    made: RecordedConnection, line: dict[str, Any], progress: tuple[int, int]
) -> tuple[int, int]:
    """Add one line; how many bytes and controls the client has sent after it."""
    audio, controls = progress
    at = float(line["at"])
    if "opened" in line:
        made.path, made.query = line["opened"]["path"], line["opened"]["query"]
    elif "refused" in line:
        made.status, made.body = int(line["refused"]), line["body"]
    elif "sent_audio" in line:
        audio += int(line["sent_audio"])
        made.audio += base64.b64decode(line.get("audio", ""))
    elif "sent" in line:
        controls += control_type(line["sent"]) in ASKING
    elif "got" in line:
        made.answers.append(Answer(at, audio, controls, str(line["got"])))
    elif "got_bytes" in line:
        made.answers.append(Answer(at, audio, controls, base64.b64decode(line["got_bytes"])))
    elif line.get("by") == "server":
        made.answers.append(Answer(at, audio, controls, None, int(line["closed"])))
    return audio, controls
