"""What the constructor is given, as the engine's options; nothing here awaits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from pipecat import version

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.core.config.dialects import DialectName
from pulse_plugins.core.config.encodings import OPUS_RATES, SAMPLE_RATES
from pulse_plugins.core.config.options import PulseOptions

TurnDetection = Literal["vad", "server"]

_TELEPHONY = ("mulaw", "alaw")
_PLAIN_RATE = 16_000  # Hz; what speech needs, where the pipeline's own rate is not one of the wire


def wire_rate(
    encoding: str, asked: int | None, pipeline: int, *, upsample_telephony: bool = False
) -> int:
    """The sample rate to send, in Hz.

    Args:
        encoding: The encoding on the wire.
        asked: The caller's choice, or None: the pipeline's rate where the service takes it.
        pipeline: The rate of the audio that comes.
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
    socket: dict[str, Any],
) -> PulseOptions:
    """The options that are no settings; arguments that are given win over `options`.

    `socket` is what `take_socket_arguments` took.

    Raises:
        ConfigurationError: They cannot work together; the text says what to change.
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
    given |= {"encoding": encoding, "sample_rate": rate}
    made = options.changed(**given) if options else PulseOptions(**given)
    headers = {"X-Source": "pipecat", "X-Pipecat-Version": version(), **made.headers}
    timeouts = made.timeouts
    if keepalive_timeout is not None:
        timeouts = replace(timeouts, keepalive=keepalive_timeout)
    return made.changed(headers=headers, timeouts=timeouts, retry=_retry(made, socket))


def take_socket_arguments(arguments: dict[str, Any]) -> dict[str, Any]:
    """Take the arguments of the framework's `WebsocketSTTService` out of these.

    `ws_close_timeout` and `ws_send_timeout` have nothing to bound here: no frame waits for the
    socket, and closing is bounded by `Timeouts`.
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


def _retry(options: PulseOptions, socket: dict[str, Any]) -> Any:
    retry = options.retry
    if not socket.get("reconnect_on_error", True):
        retry = replace(retry, max_attempts=1)
    if "reconnect_backoff_max_wait" in socket:
        retry = replace(retry, cap=socket["reconnect_backoff_max_wait"])
    if "reconnect_backoff_min_wait" in socket:
        retry = replace(retry, base=socket["reconnect_backoff_min_wait"])
    return retry
