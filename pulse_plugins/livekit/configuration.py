"""Constructor and update arguments -> `PulseOptions`, with the defaults an agent wants.

The names are those of the official plugin where they mean the same, so that switching is one
import. Nothing here connects; a value that cannot work is refused with `ConfigurationError`, which
is a `ValueError`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any
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
from pulse_plugins.core.config.options import STREAMING_MODELS, PulseOptions
from pulse_plugins.core.config.urls import CLOUD_URL

ROOM_RATE = 24_000  # Hz; what an agent session's room gives unless told otherwise
_VAD_WINDOW_MS = 300  # finals land before a VAD-driven session commits (0.55 s after speech)
_FIRST_INTERVAL = 0.1  # seconds; the framework's before its first retry
_NEVER = 86_400.0  # seconds between keepalives where they are turned off
_OWN = frozenset({"finalize_on_flush", "keepalive_interval", "word_timestamps", "sample_rate"})
_OPTIONS = frozenset(each.name for each in fields(PulseOptions))


@dataclass(frozen=True, slots=True)
class Settings:
    """What one STT, or one stream of it, is configured with.

    Attributes:
        options: The engine's. Word times are always asked for: finals are placed by them.
        model: As the user named it; a model that does not stream is for `recognize` alone.
        sample_rate: Hz on the wire, or None: as the frames come, where the service takes it.
        word_timestamps: Whether words are shown.
        finalize_on_flush: Whether a flush asks for the pending words.
    """

    options: PulseOptions
    model: str = "pulse"
    sample_rate: int | None = None
    word_timestamps: bool = True
    finalize_on_flush: bool = True

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
        if "keepalive_interval" in told:
            every = told["keepalive_interval"] or _NEVER
            timeouts = wire.get("timeouts", self.options.timeouts)
            wire["timeouts"] = replace(timeouts, keepalive=every)
        return Settings(
            options=self.options.changed(**wire),
            model=model,
            sample_rate=rate,
            word_timestamps=told.get("word_timestamps", self.word_timestamps),
            finalize_on_flush=told.get("finalize_on_flush", self.finalize_on_flush),
        )

    def source_options(self, source: AudioFormat) -> PulseOptions:
        """The options for audio in this format: its own rate where the service takes it."""
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
    base: dict[str, Any] = {"base_url": told.pop("base_url", CLOUD_URL)}
    base["api_key"] = told.pop("api_key", None)
    base.update(
        _endpoint(base["base_url"], told.pop("stream_path", None), told.pop("dialect", None))
    )
    known = DIALECTS[base["dialect"]].parameters if base["dialect"] in DIALECTS else frozenset()
    if "vad_events" in known:
        told.setdefault("vad_events", True)
    if "endpointing_timeout" in known:
        told.setdefault("endpointing", True)
        told.setdefault("endpointing_timeout_ms", _VAD_WINDOW_MS)
    headers = {"X-Source": "livekit", "X-LiveKit-Version": agents_version}
    base["headers"] = headers | dict(told.pop("headers", {}))
    return Settings(PulseOptions(**base)).changed(told)


def for_connection(options: PulseOptions, connection: APIConnectOptions) -> PulseOptions:
    """The options with the framework's patience.

    With the usual 3 retries a stream that has worked once mends what it can, however long it
    takes, and only one that never worked gives up, not before the framework would have made its
    last try. With one retry or none somebody else stands
    ready to take over (a fallback adapter) or is only asking (its probe): then every failure in
    a row counts.
    """
    tries = connection.max_retry + 1
    waiting = connection.max_retry <= 1
    policy = options.retry
    # As long as the framework itself would go on trying a stream that fails.
    patience = _FIRST_INTERVAL + connection.retry_interval * (connection.max_retry - 1)
    return options.changed(
        retry=replace(
            policy,
            cap=max(connection.retry_interval, policy.base),
            max_attempts=tries if waiting else policy.max_attempts,
            max_first_attempts=tries,
            first_seconds=0.0 if waiting else patience,
        ),
        timeouts=replace(options.timeouts, connect=max(connection.timeout, 0.05)),
    )


def _as_the_service_spells(language: str) -> str:
    """The framework's `LanguageCode` makes `north-INDIC` of `north_indic`."""
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
