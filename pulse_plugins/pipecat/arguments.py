"""Makes options of the engine, and settings, from the arguments of the constructor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from difflib import get_close_matches
from inspect import signature
from typing import Any, Literal

from pipecat import version
from pipecat.services.settings import STTSettings

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.core.config.dialects import DialectName
from pulse_plugins.core.config.encodings import OPUS_RATES, SAMPLE_RATES
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.config.retry import RetryPolicy
from pulse_plugins.core.config.timing import Timeouts

TurnDetection = Literal["vad", "server"]

_TELEPHONY = ("mulaw", "alaw")
_PLAIN_RATE = 16_000  # Hz; used if the service does not take the rate of the pipeline


def wire_rate(
    encoding: str, asked: int | None, pipeline: int, *, upsample_telephony: bool = False
) -> int:
    """The sample rate to send, in Hz.

    Args:
        encoding: The encoding on the wire.
        asked: The rate that the user chose. None: the pipeline's rate, if the service takes it.
        pipeline: The rate of the pipeline's audio, in Hz.
        upsample_telephony: Send 8 kHz audio as 16 kHz.
    """
    if asked is not None:
        return asked
    if encoding in _TELEPHONY:
        return 8000
    if pipeline == 8000 and upsample_telephony:
        return _PLAIN_RATE
    native = OPUS_RATES if encoding in ("opus", "ogg_opus") else SAMPLE_RATES
    return pipeline if pipeline in native else _PLAIN_RATE


def base_options(
    options: PulseOptions | None,
    *,
    api_key: str | None,
    base_url: str | tuple[str, ...] | None,
    dialect: DialectName | None,
    encoding: str | None,
    sample_rate: int | None,
    upsample_telephony: bool,
    keepalive_timeout: float | None,
    extra_headers: Mapping[str, str] | None,
    socket: dict[str, Any],
) -> PulseOptions:
    """The options that are no settings. Arguments take precedence over `options`.

    Args:
        options: The `options` argument of the service.
        api_key: The key.
        base_url: The server, or several servers.
        dialect: The endpoint.
        encoding: The encoding on the wire.
        sample_rate: Hz on the wire.
        upsample_telephony: Send 8 kHz audio as 16 kHz.
        keepalive_timeout: Seconds without audio after which a keepalive is sent.
        extra_headers: Additional HTTP headers of each connection.
        socket: The arguments that `take_socket_arguments` took.

    Raises:
        ConfigurationError: The arguments cannot work together; the text says what to change.
    """
    if encoding is None:
        encoding = options.encoding if options else "linear16"
    if upsample_telephony and encoding in _TELEPHONY:
        raise ConfigurationError(
            f"upsample_telephony sends 16 kHz, but encoding={encoding!r} is 8 kHz: choose one"
        )
    rate = wire_rate(encoding, sample_rate, options.sample_rate if options else _PLAIN_RATE)
    given: dict[str, Any] = {"api_key": api_key, "base_url": base_url, "dialect": dialect}
    given = {name: value for name, value in given.items() if value is not None}
    headers = {"X-Source": "pipecat", "X-Pipecat-Version": version()}
    headers |= {**(options.headers if options else {}), **(extra_headers or {})}
    given |= {"encoding": encoding, "sample_rate": rate, "headers": headers}
    if keepalive_timeout is not None:
        timeouts = options.timeouts if options else Timeouts()
        given["timeouts"] = replace(timeouts, keepalive=keepalive_timeout)
    if socket:
        given["retry"] = _retry(options.retry if options else RetryPolicy(), socket)
    return options.changed(**given) if options else PulseOptions(**given)


def take_socket_arguments(arguments: dict[str, Any]) -> dict[str, Any]:
    """Take the arguments of the framework's `WebsocketSTTService` out of these.

    `ws_close_timeout` and `ws_send_timeout` have no effect, because no frame waits for the socket
    and `Timeouts` bounds the close.
    """
    return {
        name: arguments.pop(name)
        for name in (
            "reconnect_on_error",
            "reconnect_backoff_min_wait",
            "reconnect_backoff_max_wait",
            "ws_close_timeout",
            "ws_send_timeout",
        )
        if name in arguments
    }


def take_settings(
    arguments: dict[str, Any], kind: type[STTSettings], given: STTSettings | None
) -> STTSettings | None:
    """Take the arguments that are settings, such as `language="hi"`, out of these.

    Args:
        arguments: The remaining keyword arguments of the constructor.
        kind: The settings class.
        given: The `settings` argument.

    Raises:
        ConfigurationError: A setting is given twice.
    """
    names = {each.name for each in fields(kind)} - {"extra"}
    found = {name: arguments.pop(name) for name in sorted(names & arguments.keys())}
    if not found:
        return given
    merged = kind(**found)
    if given is not None:
        twice = sorted(found.keys() & given.given_fields().keys())
        if twice:
            raise ConfigurationError(f"given twice, as an argument and in settings: {twice[0]}")
        merged.apply_update(given)
    return merged


def refuse_unknown(arguments: Mapping[str, object], service: type) -> None:
    """Refuse arguments that no base class of the service takes.

    The framework's own classes ignore unknown arguments, so that a misspelled `redact_pii` would
    leave the transcript unredacted.

    Raises:
        ConfigurationError: An argument is unknown; the text names a similar one.
    """
    if not arguments:
        return  # nearly always, and reading signatures takes longer than making the service
    known = {
        parameter.name
        for base in service.__mro__
        if "__init__" in vars(base)
        for parameter in signature(vars(base)["__init__"]).parameters.values()
        if parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    }
    settings = {each.name for each in fields(getattr(service, "Settings"))}  # noqa: B009
    for name in arguments:
        if name in known:
            continue
        near = get_close_matches(name, sorted(known | settings), n=1)
        meant = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigurationError(f"{service.__name__} has no argument {name!r}{meant}")


def _retry(retry: RetryPolicy, socket: dict[str, Any]) -> RetryPolicy:
    if not socket.get("reconnect_on_error", True):
        retry = replace(retry, max_attempts=1)
    if "reconnect_backoff_max_wait" in socket:
        retry = replace(retry, cap=socket["reconnect_backoff_max_wait"])
    if "reconnect_backoff_min_wait" in socket:
        retry = replace(retry, base=socket["reconnect_backoff_min_wait"])
    return retry
