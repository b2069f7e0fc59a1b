"""Makes `PulseOptions` from the arguments of the constructor and of updates.

Arguments have the names of the official plugin where they mean the same, so that an application
switches by one import. A value that cannot work is refused with `ConfigurationError`, which is a
`ValueError`. No function here opens a connection.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from typing import Any, Literal
from urllib.parse import urlsplit

from livekit.agents import get_job_context
from livekit.agents.types import APIConnectOptions
from livekit.agents.utils import is_given
from livekit.agents.version import __version__ as agents_version

from pulse_plugins.core.audio.formats import AudioFormat
from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.core.base.languages import LANGUAGES
from pulse_plugins.core.config.dialects import DIALECTS
from pulse_plugins.core.config.encodings import OPUS_RATES, SAMPLE_RATES
from pulse_plugins.core.config.keywords import MAX_KEYWORDS
from pulse_plugins.core.config.options import STREAMING_MODELS, PulseOptions
from pulse_plugins.core.config.urls import CLOUD_URL
from pulse_plugins.core.config.validation import check_session_id

logger = logging.getLogger("livekit.plugins.pulse")  # the framework's pattern for plugins

ROOM_RATE = 24_000  # Hz; the rate of the frames of an agent session's room by default
# With 300 ms, finals arrive before a session that uses a voice detector commits the turn, which it
# does 0.55 s after the end of speech (docs/protocol.md, section 2.2).
_VAD_WINDOW_MS = 300
_LOUDEST_SILENCE = 0.01  # of full scale, -40 dB; soft speech can have this level
_NEVER = 86_400.0  # seconds between keepalives where they are turned off
_OWN = frozenset(
    "finalize_on_flush interim_results keepalive_interval min_confidence sample_rate "
    "silence_level speaker_format split_speakers start_on_words word_timestamps".split()
)
Region = Literal["auto", "us", "india"]
_REGIONS: dict[str, str] = {
    "auto": CLOUD_URL,
    "us": "wss://api.us.smallest.ai",
    "india": "wss://api.india.smallest.ai",
}  # hosts of the service's documents; "auto" goes to the nearest region
_PHONE_DIGITS = 7  # digits in a row, without the signs between them, may be a telephone number
_RESERVED = str.maketrans({",": " ", ":": " "})  # the wire separates keywords with them
_OPTIONS = frozenset(each.name for each in fields(PulseOptions))


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one STT, or of one stream of it.

    Attributes:
        options: The options of the engine. They always ask for word times, by which the engine
            places finals.
        model: The model that the user named. A model that does not stream works with `recognize`
            only.
        sample_rate: Hz on the wire. None: the rate of the frames, if the service takes it.
        word_timestamps: Whether events carry words.
        finalize_on_flush: Whether a flush sends a finalize request.
        interim_results: Whether interims are passed on.
        min_confidence: Finals of a lower confidence are dropped; 0 to 1.
        speaker_format: The format of the words of one speaker in a final with several speakers.
        split_speakers: Whether such a final becomes one event for each run of words. None: yes,
            unless an agent session reads the stream, which would begin a reply for each event.
        start_on_words: Whether START_OF_SPEECH waits for the first text.
        silence_level: Audio below it is not sent in long silence; None: all audio is sent.
    """

    options: PulseOptions
    model: str = "pulse"
    sample_rate: int | None = None
    word_timestamps: bool = True
    finalize_on_flush: bool = True
    interim_results: bool = True
    min_confidence: float = 0.0
    speaker_format: str | None = None
    split_speakers: bool | None = None
    start_on_words: bool = False
    silence_level: float | None = None

    def __post_init__(self) -> None:
        """Check the settings that are not options of the engine.

        Raises:
            ConfigurationError: A value cannot work.
        """
        if not 0.0 <= self.min_confidence <= 1.0:
            raise ConfigurationError(f"min_confidence={self.min_confidence}: use 0 to 1")
        if self.silence_level is not None and not 0.0 < self.silence_level <= _LOUDEST_SILENCE:
            raise ConfigurationError(
                f"silence_level={self.silence_level}: use more than 0, at most {_LOUDEST_SILENCE}"
            )
        if self.speaker_format is not None:
            try:
                self.speaker_format.format(text="", speaker_id="")
            except (KeyError, IndexError, ValueError):
                raise ConfigurationError(
                    f"speaker_format={self.speaker_format!r}: use {{speaker_id}} and {{text}}"
                ) from None

    @property
    def streams(self) -> bool:
        """Whether the model can stream."""
        return self.model in STREAMING_MODELS

    def changed(self, given: Mapping[str, Any]) -> Settings:
        """A checked copy with the arguments that were given applied.

        Args:
            given: By name; `NOT_GIVEN` leaves a setting as it is.

        Raises:
            ConfigurationError: An argument is unknown or cannot work.
        """
        told = {name: value for name, value in given.items() if is_given(value)}
        if not told:
            return self
        unknown = told.keys() - _OPTIONS - _OWN
        if unknown:
            raise ConfigurationError(f"no such option: {', '.join(sorted(unknown))}")
        wire = {name: value for name, value in told.items() if name not in _OWN}
        if isinstance(wire.get("language"), str):
            wire["language"] = _as_the_service_spells(wire["language"])
        model = str(wire.pop("model", self.model))
        if model in STREAMING_MODELS:
            wire["model"] = model
        rate = told.get("sample_rate", self.sample_rate)
        encoding = wire.get("encoding", self.options.encoding)
        if encoding in ("mulaw", "alaw") and "sample_rate" not in told:
            rate = 8000  # the only rate of these
        if rate is not None:
            wire["sample_rate"] = rate
        if isinstance(wire.get("external_session_id"), str):
            key = wire.get("api_key") or self.options.key_for(self.options.urls[0]) or ""
            wire["external_session_id"] = session_id_of(wire["external_session_id"], key)
        if "keepalive_interval" in told:
            every = told["keepalive_interval"] or _NEVER
            timeouts = wire.get("timeouts", self.options.timeouts)
            wire["timeouts"] = replace(timeouts, keepalive=every)
        own = {name: told[name] for name in _OWN - {"keepalive_interval"} if name in told}
        own |= {"options": self.options.changed(**wire), "model": model, "sample_rate": rate}
        return replace(self, **own)

    def source_options(self, source: AudioFormat) -> PulseOptions:
        """The options for audio in this format, with its own rate if the service takes it."""
        if self.sample_rate is not None:
            return self.options
        opus = self.options.encoding in ("opus", "ogg_opus")
        rates = OPUS_RATES if opus else SAMPLE_RATES
        if source.sample_rate not in rates:
            return self.options
        return self.options.changed(sample_rate=source.sample_rate)


def first_settings(given: Mapping[str, Any]) -> Settings:
    """The settings of a new STT.

    Args:
        given: The constructor's arguments by name; `NOT_GIVEN` and what is absent take the
            defaults.

    Raises:
        ConfigurationError: An argument cannot work, or the cloud is asked without a key.
    """
    told = {name: value for name, value in given.items() if is_given(value)}
    region = told.pop("region", None)
    if region is not None and region not in _REGIONS:
        raise ConfigurationError(f"region={region!r}: use one of {', '.join(sorted(_REGIONS))}")
    if region is not None and "base_url" in told:
        raise ConfigurationError("region and base_url exclude each other: each names the host")
    base: dict[str, Any] = {"base_url": told.pop("base_url", _REGIONS[region or "auto"])}
    base["api_key"] = told.pop("api_key", None)
    base["api_keys"] = told.pop("api_keys", {})
    base.update(
        _endpoint(base["base_url"], told.pop("stream_path", None), told.pop("dialect", None))
    )
    known = DIALECTS[base["dialect"]].parameters if base["dialect"] in DIALECTS else frozenset()
    if "vad_events" in known:
        told.setdefault("vad_events", True)
        # The documents of the dialect `pulse` do not list these two. The service accepted unknown
        # parameters silently when its vendor probed it.
        told.setdefault("endpointing", True)
        told.setdefault("endpointing_timeout_ms", _VAD_WINDOW_MS)
    headers = {"X-Source": "livekit", "X-LiveKit-Version": agents_version}
    base["headers"] = headers | dict(told.pop("headers", {}))
    return Settings(PulseOptions(**base)).changed(told)


def for_connection(options: PulseOptions, connection: APIConnectOptions) -> PulseOptions:
    """The options with the retries and the timeout of the framework's connection options.

    An agent session gives two retries or more, and has no other STT. The stream then goes on
    through transient faults until the engine's `max_outage`. A fallback adapter and its probe give
    one retry or none, and have another STT. The stream then fails after so many failures in a row.
    """
    tries = connection.max_retry + 1
    policy = options.retry
    return options.changed(
        retry=replace(
            policy,
            cap=max(connection.retry_interval, policy.base),
            max_attempts=tries if connection.max_retry <= 1 else policy.max_attempts,
        ),
        timeouts=replace(options.timeouts, connect=max(connection.timeout, 0.05)),
    )


def session_id_of(name: str, key: str) -> str:
    """The id of a call in a form that the service may keep in URLs and logs.

    A SIP room of LiveKit is named after the caller's number (`call-_+15105550100_x7Ab`), which the
    service does not accept as an id and which belongs in no log. Such a name becomes a keyed hash.
    The owner of the API key can compute the hash again, and nobody else can find the number by
    trying all numbers.

    Args:
        name: The application's name of the call.
        key: The API key.
    """
    digits = re.sub(r"(?<=\d)[\s().-]+(?=\d)", "", name)
    if not re.search(rf"\d{{{_PHONE_DIGITS},}}", digits):
        with suppress(ConfigurationError):
            check_session_id(name)
            return name
    return hmac.new(key.encode(), name.encode(), hashlib.sha256).hexdigest()[:32]


def _as_the_service_spells(language: str) -> str:
    """The service's spelling of a code: the framework's `LanguageCode` writes `north-INDIC`."""
    plain = language.lower().replace("_", "-")
    return next((code for code in LANGUAGES if code.replace("_", "-") == plain), language)


def _endpoint(
    base_url: str | tuple[str, ...], stream_path: str | None, dialect: str | None
) -> dict[str, Any]:
    """The dialect that a path stands for, and the path where the base does not hold it."""
    if stream_path is None:
        return {"dialect": dialect or "pulse"}
    tail = "/" + stream_path.strip("/")
    named = next((row.name for row in DIALECTS.values() if row.path.endswith(tail)), None)
    first = base_url if isinstance(base_url, str) else base_url[0]
    if named is not None and not urlsplit(first).path.strip("/"):
        return {"dialect": dialect or named}
    return {"dialect": dialect or named or "pulse", "stream_path": tail}


def with_job_proxy(options: PulseOptions) -> PulseOptions:
    """The options with the proxy of the worker's job, unless one was named or it is loopback."""
    job = get_job_context(required=False)
    proxy = job.proc.http_proxy if job is not None else None
    if proxy is None or options.proxy is not None:
        return options
    if any(urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1") for url in options.urls):
        return options
    return options.changed(proxy=proxy)


def with_keyterms(options: PulseOptions, terms: Iterable[str]) -> PulseOptions:
    """The options with the session's terms added to the user's keywords.

    Args:
        options: Their keywords win, with their boosts.
        terms: Of the session; what the wire cannot express is written with spaces.
    """
    words = {entry[0]: entry[1] for entry in options.keywords or () if isinstance(entry, tuple)}
    known = {word.casefold() for word in words}
    added: dict[str, float | None] = {}
    for term in terms:
        word = " ".join(term.translate(_RESERVED).split())
        if word and word.casefold() not in known:
            known.add(word.casefold())
            added[word] = None
    if not added:
        return options
    return options.changed(keywords=dict(list({**words, **added}.items())[:MAX_KEYWORDS]))


class StreamOptions:
    """One stream's own copy of the settings that may change during the stream.

    Args:
        settings: The settings of the STT when the stream was made.
        keyterms: The keyterms of the session so far.
        connection: The framework's connection options.

    Attributes:
        settings: The present settings.
        keyterms: The present keyterms.
    """

    def __init__(
        self, settings: Settings, keyterms: Iterable[str], connection: APIConnectOptions
    ) -> None:
        self.settings = settings
        self.keyterms = list(keyterms)
        self._connection = connection

    def changed(self, given: Mapping[str, Any], present: PulseOptions | None) -> StreamOptions:
        """A checked copy with new arguments.

        Args:
            given: By name.
            present: The options of the running engine, which keeps its encoding. None: no engine
                runs.

        Raises:
            ConfigurationError: One is unknown or cannot work.
        """
        # The framework has read the capability of this stream when it was made.
        changed = replace(
            self.settings.changed(given), finalize_on_flush=self.settings.finalize_on_flush
        )
        copy = StreamOptions(changed, self.keyterms, self._connection)
        if present is not None:
            copy.following(present)
        return copy

    def first(self, source: AudioFormat) -> PulseOptions:
        """The options of an engine that begins with audio in this format."""
        return self._complete(self.settings.source_options(source))

    def following(self, present: PulseOptions) -> PulseOptions:
        """The options of an engine that runs with `present`, whose encoding and rate stay."""
        wanted, rate = self._complete(self.settings.options), self.settings.sample_rate
        if wanted.encoding != present.encoding or rate not in (None, present.sample_rate):
            logger.info("encoding and sample_rate change with the next stream")
        return wanted.changed(encoding=present.encoding, sample_rate=present.sample_rate)

    def _complete(self, options: PulseOptions) -> PulseOptions:
        return with_job_proxy(
            for_connection(with_keyterms(options, self.keyterms), self._connection)
        )
