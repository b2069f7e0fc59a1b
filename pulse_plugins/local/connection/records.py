"""What a server remembers of its connections, so that a test can ask and wait."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Literal

# A client that never stops must not fill the memory with what is remembered of it.
MAX_CONTROLS = 1000


@dataclass(frozen=True, slots=True)
class ControlRecord:
    """A text message of the client.

    Attributes:
        type: Its `type`, or "" where it has none.
        at_byte: How many bytes of audio had come before it.
    """

    type: str
    at_byte: int


@dataclass(slots=True)
class ConnectionRecord:
    """One handshake and what became of it. It holds no key and no words.

    Attributes:
        number: Counted from 1, refused handshakes included.
        path: The URL's path.
        query: The parameters, without credentials.
        headers: The request's headers in lower case, without those that may hold a secret.
        key_hash: The first digits of the key's SHA-256, or "" without a key.
        session_id: What the messages of the connection are marked with.
        refused: The HTTP status that the handshake was answered with, or None.
        bytes_received: Of audio.
        audio_seconds: Decoded so far.
        controls: The last `MAX_CONTROLS` text messages, in order.
        words: Heard so far.
        interims: Messages sent.
        finals: Messages sent.
        notes: One sentence for each parameter that the service treats in an unexpected way.
        faults: Those that happened, in their compact form.
        close_code: Of the server or the client, whoever came first; 1006 without a close frame.
        closed: Whether it is over.
    """

    number: int
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    key_hash: str = ""
    session_id: str = ""
    refused: int | None = None
    bytes_received: int = 0
    audio_seconds: float = 0.0
    controls: deque[ControlRecord] = field(default_factory=lambda: deque(maxlen=MAX_CONTROLS))
    words: int = 0
    interims: int = 0
    finals: int = 0
    notes: tuple[str, ...] = ()
    faults: list[str] = field(default_factory=list)
    close_code: int | None = None
    closed: bool = False

    @property
    def has_key(self) -> bool:
        """Whether a key was given."""
        return bool(self.key_hash)

    def count(self, control: str) -> int:
        """How many text messages of this type came."""
        return sum(each.type == control for each in self.controls)

    def to_json(self) -> dict[str, object]:
        """The record as JSON values, for the control endpoint."""
        return asdict(self) | {"controls": [asdict(each) for each in self.controls]}


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """Something that happened on a connection, for a display of the server.

    Attributes:
        kind: `connected`, `refused`, `final`, `closed` and `upload` say what they mean; `changed`
            means that a number of the record changed.
        record: The connection's. That of an upload has the number 0.
        text: The transcript of a final, or the status that an upload is answered with.
    """

    kind: Literal["connected", "refused", "final", "closed", "upload", "changed"]
    record: ConnectionRecord
    text: str = ""


def hash_key(key: str) -> str:
    """Tells two keys apart without keeping either."""
    return sha256(key.encode()).hexdigest()[:12] if key else ""
