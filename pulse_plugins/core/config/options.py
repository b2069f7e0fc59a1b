"""PulseOptions: what a stream or a request asks for, checked when it is made.

The metadata of a field holds its wire name, its range and its description. Validation, the query
and the reference page are derived from the metadata.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, replace
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.core.base.languages import normalize
from pulse_plugins.core.config.dialects import DIALECTS, Dialect, DialectName, dialect
from pulse_plugins.core.config.encodings import ENCODINGS, Encoding, check_audio
from pulse_plugins.core.config.keys import LOCAL_API_KEY, clean_key, fingerprint, keys_of_urls
from pulse_plugins.core.config.keywords import Keywords, checked_keywords
from pulse_plugins.core.config.retry import RetryPolicy
from pulse_plugins.core.config.timing import Limits, Timeouts
from pulse_plugins.core.config.urls import (
    CLOUD_URL,
    RegionName,
    base_urls,
    check_path,
    encode_value,
    join_url,
)
from pulse_plugins.core.config.validation import (
    advise_on_redaction,
    check_headers,
    check_query,
    check_range,
    check_session_id,
    check_types,
)

STREAMING_MODELS = ("pulse", "pulse-2")
# Options that only the endpoint `live` knows. The endpoint `pulse` would ignore them.
_NEEDS_LIVE = ("no_format_delay", "vad_threshold", "vad_min_speech_ms")


def _wire(
    name: str,
    default: Any,
    doc: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] | None = None,
) -> Any:
    """An option that is sent as the query parameter `name`."""
    metadata = {"wire": name, "low": low, "high": high, "choices": choices, "doc": doc}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class PulseOptions:
    """The options of a stream or of a request; immutable, and valid once the object exists.

    The options that `docs/options.md` lists with a wire name are query parameters of the service.
    An option that is None is not sent, so the service's default applies. `language` and
    `word_timestamps` are always sent: documents disagree on their defaults, and the engine places
    finals by the times of their words.

    Attributes:
        api_key: The key for all base URLs that `api_keys` does not name. These must all be hosts of
            the cloud service, or all be other hosts. If it is None, hosts of the cloud service get
            the key of the environment variable `SMALLEST_API_KEY`, and other hosts get the
            word `local` in place of a key.
        api_keys: Keys by base URL, where the base URLs have different keys.
        base_url: The server, as `wss://`, `ws://`, `https://` or `http://` and a host; or several
            servers, of which the first healthy one is used. Hosts of the cloud service need TLS.
        region: `us` or `india`: the host of the cloud service in that region, instead of
            `base_url`.
        dialect: The endpoint and its conventions. `pulse` becomes `live` for another model and for
            an option that only `live` knows.
        stream_path: A path instead of the dialect's.
        extra: Query parameters that have no option of their own.
        headers: Additional headers of the handshake or request, sent to every base URL.
        proxy: The URL of a proxy; "" connects directly. If it is None, the environment decides, as
            for other programs: `https_proxy`, `http_proxy`, `all_proxy` and `no_proxy`. Loopback
            needs no proxy.
        packet_ms: The length of an audio packet in milliseconds, 10 to 1000. If it is None, packets
            are 20 ms long (50 ms in LiveKit Agents) while up to 20 streams of this process are
            live, then 50 and 100 ms.
        retry: When and how often to reconnect.
        limits: Bounds on memory.
        timeouts: Bounds on time.

    Raises:
        ConfigurationError: An option cannot work; the text names it and says what to change.
    """

    api_key: str | None = field(default=None, repr=False)
    api_keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    base_url: str | tuple[str, ...] = CLOUD_URL
    region: RegionName | None = None
    dialect: DialectName = "pulse"
    stream_path: str | None = None

    model: str = _wire("model", "pulse", "recognition model", choices=STREAMING_MODELS)
    language: str = _wire("language", "en", "language code, or the code of a group of languages")
    encoding: Encoding = _wire("encoding", "linear16", "encoding of the audio", choices=ENCODINGS)
    sample_rate: int = _wire("sample_rate", 16000, "sampling rate of the audio, Hz")
    external_session_id: str | None = _wire(
        "external_session_id", None, "your id of the call: 1 to 128 of A-Z a-z 0-9 _ - ."
    )
    endpointing: bool | None = _wire(
        "endpointing", None, "the server's VAD ends a segment after silence"
    )
    endpointing_timeout_ms: int | None = _wire(
        "endpointing_timeout",
        None,
        "silence in ms after which the server's VAD ends a segment",
        low=1,
        high=10_000,
    )
    eou_timeout_ms: int | None = _wire(
        "eou_timeout_ms",
        None,
        "silence in ms after which the decoder ends a segment",
        low=100,
        high=10_000,
    )
    finalize_on_words: bool | None = _wire(
        "finalize_on_words", None, "a long segment is split by its number of words"
    )
    max_words: int | None = _wire(
        "max_words", None, "number of words at which a segment is split", low=1
    )
    vad_events: bool | None = _wire(
        "vad_events", None, "the server reports the start and end of speech"
    )
    vad_threshold: float | None = _wire(
        "vad_threshold", None, "sensitivity of the server's VAD; undocumented", low=0, high=1
    )
    vad_min_speech_ms: int | None = _wire(
        "vad_min_speech_ms", None, "shortest speech of the server's VAD; undocumented", low=0
    )
    word_timestamps: bool = _wire("word_timestamps", True, "finals carry their words with times")
    sentence_timestamps: bool | None = _wire(
        "sentence_timestamps", None, "finals carry their sentences with times"
    )
    full_transcript: bool | None = _wire(
        "full_transcript", None, "finals carry the text of all finals so far"
    )
    format: bool | None = _wire("format", None, "switch for all formatting")
    punctuate: bool | None = _wire("punctuate", None, "finals have punctuation")
    capitalize: bool | None = _wire("capitalize", None, "finals have capital letters")
    itn_normalize: bool | None = _wire(
        "itn_normalize", None, "finals show spoken numbers as digits"
    )
    no_format_delay: bool | None = _wire(
        "no_format_delay", None, "a number at the end of a final is sent at once"
    )
    numerals: bool | str | None = _wire(
        "numerals", None, "spoken numbers become digits; replaced by `itn_normalize`"
    )
    keywords: Keywords | None = _wire(
        "keywords", None, "words to favour, each with a weight from 0 to 20"
    )
    diarize: bool | None = _wire("diarize", None, "words carry their speaker")
    redact_pii: bool | None = _wire(
        "redact_pii", None, "finals show placeholders for personal data"
    )
    redact_pci: bool | None = _wire("redact_pci", None, "finals show placeholders for payment data")
    emotion_detection: bool | None = _wire(
        "emotion_detection", None, "finals carry the emotion; in streams with `pulse-2` only"
    )
    gender_detection: bool | None = _wire(
        "gender_detection", None, "finals carry the gender; in streams with `pulse-2` only"
    )

    extra: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    proxy: str | None = field(default=None, repr=False)
    packet_ms: int | None = None
    retry: RetryPolicy = RetryPolicy()
    limits: Limits = Limits()
    timeouts: Timeouts = Timeouts()
    # The key of each base URL, found when the object is made: the environment may change later.
    _keys: Mapping[str, str | None] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check every option, and replace some by their normal form."""
        if self.model is None:
            self._set("model", "pulse")
        check_types(self)
        self._set("language", _language(self.language))
        self._set("keywords", checked_keywords(self.keywords))
        self._set("base_url", base_urls(self.base_url, self.region))
        self._check_ranges()
        check_audio(self.encoding, self.sample_rate)
        check_session_id(self.external_session_id)
        check_query(self.extra)
        check_path(self.stream_path)
        self._set("dialect", self._endpoint())
        if self.redacts:
            advise_on_redaction(self.language)
        self._set("api_key", clean_key(self.api_key))
        self._set("_keys", keys_of_urls(self.urls, self.api_key, self.api_keys))
        check_headers(self.headers, several_owners=len(set(self._keys.values())) > 1)

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)  # the dataclass is frozen

    def _check_ranges(self) -> None:
        check_range("packet_ms", self.packet_ms, 10, 1000, None)
        for name, low, high, choices in _limits():
            check_range(name, getattr(self, name), low, high, choices)

    def _endpoint(self) -> DialectName:
        """The dialect: that of the caller, or `live` where `pulse` cannot do what is asked.

        Raises:
            ConfigurationError: The dialect is unknown, or cannot use the model.
        """
        name = dialect(self.dialect).name
        wanted = (getattr(self, each) for each in _NEEDS_LIVE)
        needs_live = any(value is not None and value is not False for value in wanted)
        if name == "pulse" and (self.model != "pulse" or needs_live) and not self.stream_path:
            name = "live"
        if self.model != "pulse" and "model" not in DIALECTS[name].parameters:
            raise ConfigurationError(
                f"model={self.model!r} needs dialect='live': the endpoint of dialect={name!r} "
                "serves 'pulse' only"
            )
        if self.model == "pulse-2" and self.language.split("-")[0] != "en":
            raise ConfigurationError(
                f"model='pulse-2' is English only: language={self.language!r} needs model='pulse'"
            )
        return name

    @property
    def row(self) -> Dialect:
        """The conventions of the dialect."""
        return DIALECTS[self.dialect]

    @property
    def urls(self) -> tuple[str, ...]:
        """The base URLs in order of preference."""
        given = self.base_url
        return given if isinstance(given, tuple) else (given,)

    @property
    def redacts(self) -> bool:
        """Whether finals are redacted. Interims may still hold the clear text."""
        return bool(self.redact_pii or self.redact_pci)

    def query(self) -> dict[str, str]:
        """The query parameters of a connection, as this dialect writes them."""
        row = self.row
        pairs = {
            each.metadata["wire"]: encode_value(getattr(self, each.name), row)
            for each in wire_fields()
            if getattr(self, each.name) is not None
        }
        if "model" not in row.parameters:
            del pairs["model"]  # the path names the model
        if not self.keywords:
            pairs.pop("keywords", None)  # an empty value would register one empty keyword
        return pairs | dict(self.extra)

    def websocket_url(self, base_url: str | None = None) -> str:
        """The URL of a stream with its query. It holds no key.

        Args:
            base_url: One of `urls`; None: the first.
        """
        path = self.stream_path or self.row.path
        base = join_url(base_url or self.urls[0], path, secure="wss")
        return f"{base}?{_encoded(tuple(self.query().items()))}"

    def batch_url(self, base_url: str | None = None) -> str:
        """The URL of the pre-recorded endpoint, without a query.

        Args:
            base_url: One of `urls`; None: the first.

        Raises:
            ConfigurationError: The dialect has no such endpoint.
        """
        if self.row.batch_path is None:
            raise ConfigurationError(f"dialect={self.dialect!r} has no pre-recorded endpoint")
        return join_url(base_url or self.urls[0], self.row.batch_path, secure="https")

    def key_for(self, base_url: str) -> str | None:
        """The API key that belongs to this base URL, or None.

        Args:
            base_url: One of `urls`.
        """
        return self._keys[base_url]

    def account_for(self, base_url: str) -> str:
        """An identifier of the API key of this base URL, for keeping facts about it.

        It is valid within this process, and it is no secret.

        Args:
            base_url: One of `urls`.
        """
        return fingerprint(self._keys[base_url])

    def request_headers(self, base_url: str | None = None) -> dict[str, str]:
        """The headers of a handshake or request to one server.

        The API key is among them: do not log them, and do not keep them in a variable, where
        error trackers find it.

        Args:
            base_url: One of `urls`; None: the first.
        """
        if any(name.lower() == "authorization" for name in self.headers):
            return dict(self.headers)
        bearer = self._keys[base_url or self.urls[0]] or LOCAL_API_KEY
        return {"Authorization": f"Bearer {bearer}", **self.headers}

    def changed(self, **changes: Any) -> PulseOptions:
        """A checked copy with these options changed.

        Raises:
            ConfigurationError: An option is unknown or cannot work.
        """
        unknown = changes.keys() - _given_fields()
        if unknown:
            raise ConfigurationError(f"no such option: {', '.join(sorted(unknown))}")
        if all(_is_same(getattr(self, name), value) for name, value in changes.items()):
            return self
        return replace(self, **changes)

    def same_connection(self, other: PulseOptions) -> bool:
        """Whether a connection that was made with these options also serves the other options."""
        return (
            self.websocket_url() == other.websocket_url()
            and self.urls == other.urls
            and self._keys == other._keys
            and self.headers == other.headers
        )


@lru_cache(maxsize=1)
def _given_fields() -> frozenset[str]:
    """The options that a caller can give."""
    return frozenset(each.name for each in fields(PulseOptions) if each.init)


@lru_cache(maxsize=1)
def wire_fields() -> tuple[Field[Any], ...]:
    """The fields of `PulseOptions` that are query parameters, in order, with their metadata."""
    return tuple(each for each in fields(PulseOptions) if "wire" in each.metadata)


@lru_cache(maxsize=1)
def _limits() -> list[tuple[str, float | None, float | None, tuple[str, ...] | None]]:
    """Of each option whose values are limited: its name, least, most, and choices."""
    found = [(each.name, each.metadata) for each in wire_fields()]
    limited = [
        (name, *(limits[each] for each in ("low", "high", "choices"))) for name, limits in found
    ]
    return [each for each in limited if any(limit is not None for limit in each[1:])]


@lru_cache(maxsize=64)  # the streams of a process mostly ask for the same
def _encoded(query: tuple[tuple[str, str], ...]) -> str:
    return urlencode(query)


def _is_same(value: object, other: object) -> bool:
    return value is other or (type(value) is type(other) and value == other)


def _language(code: str) -> str:
    if not code.strip():
        raise ConfigurationError("language is empty: set it to a code such as 'en'")
    return normalize(code.strip())
