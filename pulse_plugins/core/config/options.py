"""What a stream is asked to do: every option once, checked once, written to the query once.

A field's metadata carries its wire name, its range and where it works; validation, the query and
the reference page are all read from there. Nothing here opens a connection.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from math import inf
from numbers import Real
from types import NoneType
from typing import Any, Literal, TypeAlias
from urllib.parse import urlencode, urlsplit, urlunsplit

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.core.base.languages import normalize
from pulse_plugins.core.config.advice import advise_on_boosts, advise_on_redaction
from pulse_plugins.core.config.dialects import Dialect, DialectName, dialect
from pulse_plugins.core.config.retry import RetryPolicy
from pulse_plugins.core.config.validation import (
    check_headers,
    check_query,
    check_types,
    check_url,
    clean_key,
)

ENV_API_KEY = "SMALLEST_API_KEY"
CLOUD_URL = "wss://api.smallest.ai"
LOCAL_API_KEY = "local"  # what a server that is not the cloud is shown when no key was given

Encoding = Literal["linear16", "linear32", "alaw", "mulaw", "opus", "ogg_opus"]
ENCODINGS: tuple[Encoding, ...] = ("linear16", "linear32", "alaw", "mulaw", "opus", "ogg_opus")
SAMPLE_RATES = (8000, 16000, 22050, 24000, 44100, 48000)  # Hz; the service does not resample
OPUS_RATES = (8000, 16000, 24000, 48000)  # Hz; what the codec itself knows
MAX_KEYWORDS = 10_000  # per session, protocol page section 2.3
MAX_KEYWORD_BOOST = 20.0  # beyond it the transcript is wrecked
STREAMING_MODELS = ("pulse", "pulse-2")

Keywords: TypeAlias = str | Mapping[str, float | None] | Iterable[str | tuple[str, float]]


def _wire(
    name: str,
    default: Any,
    doc: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] | None = None,
) -> Any:
    metadata = {"wire": name, "low": low, "high": high, "choices": choices, "doc": doc}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on what a stream keeps, and on how many of them there are.

    Attributes:
        replay_seconds: Audio kept for a replay; beyond it the oldest is given up and reported.
        release_seconds: Quiet audio that a server heard this long ago is not kept any longer.
        backlog_seconds: `PulseStream.send` waits while more than this is not yet on the wire.
        message_bytes: A longer message from the server ends the connection.
        max_streams: A stream waits in line while this process has so many for its key; None: no
            limit. Set it to what the plan allows, divided by the number of processes.
        queue_seconds: The longest wait in line; then the stream fails with `QueueTimeoutError`.
    """

    replay_seconds: float = 60.0
    release_seconds: float = 15.0
    backlog_seconds: float = 10.0
    message_bytes: int = 4 * 1024 * 1024
    max_streams: int | None = None
    queue_seconds: float = 30.0

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ConfigurationError: A bound is no number, or too small to work with.
        """
        check_types(self, endless=True)
        if not 1.0 <= self.replay_seconds < inf:
            raise ConfigurationError("Limits: replay_seconds must be at least 1, and bounded")
        if min(self.release_seconds, self.backlog_seconds) <= 0 or self.message_bytes < 1024:
            raise ConfigurationError("Limits: every bound must be positive")
        if self.queue_seconds <= 0 or (self.max_streams is not None and self.max_streams < 1):
            raise ConfigurationError("Limits: max_streams and queue_seconds must be positive")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long to wait for what, in seconds.

    Attributes:
        connect: For a handshake.
        finalize: For the answer to a finalize; then the newest interim is promoted.
        finalize_grace: The same, when all speech before the finalize is already in finals.
        close: For the last words after the end of the input, reconnecting included; the time to
            send what is unsent by then comes on top.
        close_grace: The same, when nothing seems left to hear and the server says nothing more.
        stall: Speech was sent and nothing has come back for this long: the connection is dead.
        max_outage: Without a working connection for this long, a server that refuses us is
            given up; an unreachable one is tried on.
        ping_interval: Between two WebSocket pings.
        ping_timeout: For the answer to a ping.
        keepalive: Without audio for this long, a keepalive or a little silence goes out.
        switch: For the open words when options change, before the new connection takes over.
    """

    connect: float = 10.0
    finalize: float = 2.0
    finalize_grace: float = 0.3
    close: float = 5.0
    close_grace: float = 2.0
    stall: float = 6.0
    max_outage: float = 60.0
    ping_interval: float = 5.0
    ping_timeout: float = 8.0
    keepalive: float = 5.0
    switch: float = 1.0

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ConfigurationError: A time is no number, or not positive.
        """
        check_types(self, endless=True)
        for each in fields(self):
            if getattr(self, each.name) <= 0:
                raise ConfigurationError(f"Timeouts: {each.name} must be positive")


@dataclass(frozen=True, slots=True, kw_only=True)
class PulseOptions:
    """Everything that configures a stream; immutable, and valid once it exists.

    Attributes without a wire name are the client's own. An option left at None is not sent, so
    that the service's default applies; `language` and `word_timestamps` are always sent, because
    the documents disagree on their defaults and the engine places finals by word times.

    Raises:
        ConfigurationError: An option cannot work; the text says what to change.
    """

    api_key: str | None = field(default=None, repr=False)
    base_url: str | tuple[str, ...] = CLOUD_URL
    dialect: DialectName = "pulse"
    stream_path: str | None = None

    model: str = _wire("model", "pulse", "recognition model", choices=STREAMING_MODELS)
    language: str = _wire("language", "en", "language code, or a group code that detects")
    encoding: Encoding = _wire("encoding", "linear16", "what the bytes are", choices=ENCODINGS)
    sample_rate: int = _wire("sample_rate", 16000, "Hz of the bytes on the wire")
    external_session_id: str | None = _wire(
        "external_session_id", None, "the call's own id, up to 128 of A-Z a-z 0-9 _ - ."
    )
    endpointing: bool | None = _wire("endpointing", None, "the server's VAD cuts finals")
    endpointing_timeout_ms: int | None = _wire(
        "endpointing_timeout", None, "the VAD's silence window", low=1, high=10_000
    )
    eou_timeout_ms: int | None = _wire(
        "eou_timeout_ms", None, "the decoder's silence timer", low=100, high=10_000
    )
    finalize_on_words: bool | None = _wire("finalize_on_words", None, "long speech is cut")
    max_words: int | None = _wire("max_words", None, "words after which it is cut", low=1)
    vad_events: bool | None = _wire("vad_events", None, "speech_started and speech_ended")
    vad_threshold: float | None = _wire("vad_threshold", None, "undocumented", low=0, high=1)
    vad_min_speech_ms: int | None = _wire("vad_min_speech_ms", None, "undocumented", low=0)
    word_timestamps: bool = _wire("word_timestamps", True, "words with times on finals")
    sentence_timestamps: bool | None = _wire("sentence_timestamps", None, "utterances on finals")
    full_transcript: bool | None = _wire("full_transcript", None, "cumulative text, unreliable")
    format: bool | None = _wire("format", None, "master switch of the formatting")
    punctuate: bool | None = _wire("punctuate", None, "punctuation")
    capitalize: bool | None = _wire("capitalize", None, "capital letters")
    itn_normalize: bool | None = _wire("itn_normalize", None, "spoken to written, on finals")
    no_format_delay: bool | None = _wire("no_format_delay", None, "do not hold numbers back")
    numerals: bool | str | None = _wire("numerals", None, "digits, the legacy way")
    keywords: Keywords | None = _wire("keywords", None, "words to favour, with a boost 0 to 20")
    diarize: bool | None = _wire("diarize", None, "speakers")
    redact_pii: bool | None = _wire("redact_pii", None, "placeholders for personal data")
    redact_pci: bool | None = _wire("redact_pci", None, "placeholders for payment data")
    emotion_detection: bool | None = _wire("emotion_detection", None, "emotion, pulse-2 only")
    gender_detection: bool | None = _wire("gender_detection", None, "gender, pulse-2 only")

    extra: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    proxy: str | None = field(default=None, repr=False)
    packet_ms: int = 100
    replay_speed: float = 8.0
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    limits: Limits = field(default_factory=Limits)
    timeouts: Timeouts = field(default_factory=Timeouts)

    def __post_init__(self) -> None:
        """Check every option and settle the derived ones."""
        if self.model is None:
            object.__setattr__(self, "model", "pulse")  # that which the service has by default
        check_types(self)
        dialect(self.dialect)
        object.__setattr__(self, "api_key", clean_key(self.api_key))
        check_headers(self.headers)
        check_query(self.extra)
        object.__setattr__(self, "language", _language(self.language))
        object.__setattr__(self, "keywords", _keywords(self.keywords))
        _check_ranges(self)
        _check_audio(self)
        if self.redacts:
            advise_on_redaction(self.language)
        if self.model == "pulse-2" and self.language.split("-")[0] != "en":
            raise ConfigurationError(
                f"model='pulse-2' is English only: language={self.language!r} needs model='pulse'"
            )
        if isinstance(self.base_url, Iterable) and not isinstance(self.base_url, (str, bytes)):
            object.__setattr__(self, "base_url", tuple(self.base_url))
        if not self.urls:
            raise ConfigurationError("base_url is empty: name at least one")
        for url in self.urls:
            check_url(url)
        if self.external_session_id is not None and not _is_session_id(self.external_session_id):
            raise ConfigurationError(
                "external_session_id takes 1 to 128 letters, digits, '_', '-' and '.'"
            )
        if not 10 <= self.packet_ms <= 1000:
            raise ConfigurationError("packet_ms must be 10 to 1000; the service advises 50 to 100")
        if self.replay_speed < 1.5:
            raise ConfigurationError("replay_speed must be at least 1.5, or a replay never ends")
        if self.api_key is None and any(_is_cloud(url) for url in self.urls):
            key = clean_key(os.environ.get(ENV_API_KEY))
            if key is None:
                raise ConfigurationError(
                    f"no API key for {CLOUD_URL}: set {ENV_API_KEY} or api_key, or point base_url "
                    "at a local server such as ws://127.0.0.1:8765"
                )
            object.__setattr__(self, "api_key", key)

    @property
    def row(self) -> Dialect:
        """The dialect's row of data."""
        return dialect(self.dialect)

    @property
    def urls(self) -> tuple[str, ...]:
        """The base URLs in order of preference."""
        given = self.base_url
        return given if isinstance(given, tuple) else (given,)

    @property
    def redacts(self) -> bool:
        """Whether finals are redacted, so that interims may still hold the clear text."""
        return bool(self.redact_pii or self.redact_pci)

    def query(self) -> dict[str, str]:
        """The query parameters of a connection, in this dialect."""
        row = self.row
        pairs = {
            each.metadata["wire"]: _encode(getattr(self, each.name), row)
            for each in wire_fields()
            if getattr(self, each.name) is not None
        }
        if "model" not in row.parameters and self.model == "pulse":
            del pairs["model"]  # the path itself names the model there
        if not self.keywords:
            pairs.pop("keywords", None)  # an empty value would register one empty keyword
        return pairs | dict(self.extra)

    def websocket_url(self, base_url: str | None = None) -> str:
        """The whole URL of a stream; it holds no key."""
        base = _join(base_url or self.urls[0], self.stream_path or self.row.path, secure="wss")
        return f"{base}?{urlencode(self.query())}"

    def batch_url(self, base_url: str | None = None) -> str:
        """The URL of the pre-recorded endpoint, without a query.

        Raises:
            ConfigurationError: The dialect has none.
        """
        if self.row.batch_path is None:
            raise ConfigurationError(f"dialect={self.dialect!r} has no pre-recorded endpoint")
        return _join(base_url or self.urls[0], self.row.batch_path, secure="https")

    def request_headers(self) -> dict[str, str]:
        """The headers of a handshake or request, the key among them: never log them."""
        key = self.api_key or LOCAL_API_KEY
        return {"Authorization": f"Bearer {key}", **self.headers}

    def changed(self, **changes: Any) -> PulseOptions:
        """A checked copy with these fields changed."""
        unknown = changes.keys() - {each.name for each in fields(self)}
        if unknown:
            raise ConfigurationError(f"no such option: {', '.join(sorted(unknown))}")
        return replace(self, **changes)

    def same_connection(self, other: PulseOptions) -> bool:
        """Whether a connection made with these options serves the other ones too."""
        return (
            self.websocket_url() == other.websocket_url()
            and self.urls == other.urls
            and self.request_headers() == other.request_headers()
        )


def wire_fields() -> tuple[Field[Any], ...]:
    """The fields of `PulseOptions` that are sent, in order, with their metadata."""
    return tuple(each for each in fields(PulseOptions) if "wire" in each.metadata)


def _encode(value: object, row: Dialect) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"  # the server compares with exactly "true"
    if isinstance(value, tuple):  # keywords, checked
        texts = [word if boost is None else f"{word}:{boost:g}" for word, boost in value]
        return json.dumps(texts) if row.keywords == "json" else ",".join(texts)
    return str(value)


def _language(code: str) -> str:
    if not isinstance(code, str) or not code.strip():
        raise ConfigurationError("language is empty: name one, such as 'en', or a group: 'multi'")
    return normalize(code.strip())


def _keywords(given: Keywords | None) -> tuple[tuple[str, float | None], ...] | None:
    if given is None:
        return None
    if isinstance(given, str):
        entries: list[tuple[Any, Any]] = [
            _split_keyword(part) for part in given.split(",") if part.strip()
        ]
    elif isinstance(given, Mapping):
        entries = list(given.items())
    else:
        entries = [_split_keyword(e) if isinstance(e, str) else _pair(e) for e in given]
    if len(entries) > MAX_KEYWORDS:
        raise ConfigurationError(f"{len(entries)} keywords: at most {MAX_KEYWORDS} per session")
    checked: list[tuple[str, float | None]] = []
    for word, given_boost in entries:
        if not isinstance(word, str) or not isinstance(given_boost, (Real, NoneType)):
            raise ConfigurationError("keywords are words, each with a number, its boost, or None")
        boost = None if given_boost is None else float(given_boost)
        if not word.strip() or "," in word or ":" in word:
            raise ConfigurationError(
                f"keyword {word!r}: it must not be empty or hold ',' or ':', which the wire uses"
            )
        if boost is not None and not 0 <= boost <= MAX_KEYWORD_BOOST:
            raise ConfigurationError(
                f"keyword {word!r}: boost {boost:g} is out of range 0 to {MAX_KEYWORD_BOOST:g}; "
                "1 to 3 is usual"
            )
        checked.append((word.strip(), boost))
    advise_on_boosts([boost for _, boost in checked if boost is not None])
    return tuple(checked)


def _pair(entry: Any) -> tuple[str, float | None]:
    try:
        word, boost = entry
    except (TypeError, ValueError):
        raise ConfigurationError("keywords: an entry is a word, or a word and its boost") from None
    return word, boost


def _split_keyword(entry: str) -> tuple[str, float | None]:
    word, colon, boost = entry.rpartition(":")
    if not colon:
        return entry.strip(), None
    try:
        return word.strip(), float(boost)
    except ValueError:
        raise ConfigurationError(
            f"keyword {entry!r}: what follows ':' must be a number, the boost"
        ) from None


def _check_ranges(options: PulseOptions) -> None:
    for each in wire_fields():
        value, limits = getattr(options, each.name), each.metadata
        if value is None:
            continue
        low, high, choices = limits["low"], limits["high"], limits["choices"]
        if choices and value not in choices:
            raise ConfigurationError(f"{each.name}={value!r}: use one of {', '.join(choices)}")
        if (low is not None and value < low) or (high is not None and value > high):
            bounds = f"at least {low:g}" if high is None else f"{low:g} to {high:g}"
            raise ConfigurationError(f"{each.name}={value!r} is out of range: {bounds}")


def _check_audio(options: PulseOptions) -> None:
    rate, encoding = options.sample_rate, options.encoding
    if rate not in SAMPLE_RATES:
        raise ConfigurationError(
            f"sample_rate={rate!r}: the service takes {', '.join(map(str, SAMPLE_RATES))} Hz"
        )
    if encoding in ("mulaw", "alaw") and rate != 8000:
        raise ConfigurationError(f"encoding={encoding!r} is 8 kHz audio: set sample_rate=8000")
    if encoding in ("opus", "ogg_opus") and rate not in OPUS_RATES:
        raise ConfigurationError(
            f"encoding={encoding!r} takes {', '.join(map(str, OPUS_RATES))} Hz"
        )


def _is_cloud(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host == "smallest.ai" or host.endswith(".smallest.ai")


def _is_session_id(text: str) -> bool:
    return 1 <= len(text) <= 128 and all(c.isascii() and (c.isalnum() or c in "_-.") for c in text)


def _join(base_url: str, path: str, *, secure: str) -> str:
    """Put the path below the base, whose own path may already hold the first part of it."""
    parts = urlsplit(base_url)
    base = parts.path.rstrip("/")
    steps = path.strip("/").split("/")
    for count in range(len(steps), 0, -1):
        head = "/" + "/".join(steps[:count])
        if base.endswith(head):
            base = base.removesuffix(head)
            break
    plain = secure.removesuffix("s")
    scheme = secure if parts.scheme in ("wss", "https") else plain
    return urlunsplit((scheme, parts.netloc, base + path, "", ""))


def wire_bytes(options: PulseOptions) -> tuple[int, int]:
    """Bytes per second and bytes per sample of the audio that a stream keeps.

    Opus has no fixed rate: there the kept audio is linear16, encoded as it goes out.
    """
    width = {"linear32": 4, "mulaw": 1, "alaw": 1}.get(options.encoding, 2)
    return options.sample_rate * width, width
