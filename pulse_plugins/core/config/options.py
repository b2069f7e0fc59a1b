"""What a stream is asked to do: every option once, checked once, written to the query once.

A field's metadata carries its wire name, its range and where it works; validation, the query and
the reference page are all read from there. Nothing here opens a connection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from typing import Any
from urllib.parse import urlencode

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.core.base.languages import normalize
from pulse_plugins.core.config.dialects import Dialect, DialectName, dialect
from pulse_plugins.core.config.encodings import ENCODINGS, Encoding, check_audio
from pulse_plugins.core.config.keys import LOCAL_API_KEY, clean_key, environment_key
from pulse_plugins.core.config.keywords import Keywords, checked_keywords
from pulse_plugins.core.config.retry import RetryPolicy
from pulse_plugins.core.config.timing import Limits, Timeouts
from pulse_plugins.core.config.urls import CLOUD_URL, encode_value, is_cloud, join_url
from pulse_plugins.core.config.validation import (
    advise_on_redaction,
    check_headers,
    check_query,
    check_range,
    check_session_id,
    check_types,
    check_url,
)

STREAMING_MODELS = ("pulse", "pulse-2")


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
        """Check every option and replace some by their normal form."""
        if self.model is None:
            self._set("model", "pulse")
        check_types(self)
        dialect(self.dialect)
        self._set("language", _language(self.language))
        self._set("keywords", checked_keywords(self.keywords))
        self._set("base_url", _base_url(self.base_url))
        self._set("api_key", clean_key(self.api_key))
        for each in wire_fields():
            limits = each.metadata
            value = getattr(self, each.name)
            check_range(each.name, value, limits["low"], limits["high"], limits["choices"])
        check_audio(self.encoding, self.sample_rate)
        check_session_id(self.external_session_id)
        check_headers(self.headers)
        check_query(self.extra)
        check_range("packet_ms", self.packet_ms, 10, 1000, None)
        check_range("replay_speed", self.replay_speed, 1.5, None, None)
        if self.model == "pulse-2" and self.language.split("-")[0] != "en":
            raise ConfigurationError(
                f"model='pulse-2' is English only: language={self.language!r} needs model='pulse'"
            )
        if self.redacts:
            advise_on_redaction(self.language)
        if self.api_key is None and any(is_cloud(url) for url in self.urls):
            self._set("api_key", environment_key())

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)  # the dataclass is frozen

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
            each.metadata["wire"]: encode_value(getattr(self, each.name), row)
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
        base = join_url(base_url or self.urls[0], self.stream_path or self.row.path, secure="wss")
        return f"{base}?{urlencode(self.query())}"

    def batch_url(self, base_url: str | None = None) -> str:
        """The URL of the pre-recorded endpoint, without a query.

        Raises:
            ConfigurationError: The dialect has none.
        """
        if self.row.batch_path is None:
            raise ConfigurationError(f"dialect={self.dialect!r} has no pre-recorded endpoint")
        return join_url(base_url or self.urls[0], self.row.batch_path, secure="https")

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


def _language(code: str) -> str:
    if not isinstance(code, str) or not code.strip():
        raise ConfigurationError("language is empty: name one, such as 'en', or a group: 'multi'")
    return normalize(code.strip())


def _base_url(given: Any) -> str | tuple[str, ...]:
    """Check the base URL, or each of several."""
    several = isinstance(given, Iterable) and not isinstance(given, (str, bytes))
    urls = tuple(given) if several else (given,)
    if not urls:
        raise ConfigurationError("base_url is empty: name at least one")
    for url in urls:
        check_url(url)
    return urls if several else urls[0]
