"""What every number and span of a stream says about it: nothing of the caller, and no key."""

from __future__ import annotations

from urllib.parse import urlsplit

from pulse_plugins.core.config.options import PulseOptions

Attributes = dict[str, str | int | float | bool]

PROVIDER = "smallest"


def of_metrics(options: PulseOptions) -> Attributes:
    """Few values each, because every combination is a time series of its own."""
    return {"gen_ai.provider.name": PROVIDER, "gen_ai.request.model": options.model}


def of_stream(name: str, options: PulseOptions) -> Attributes:
    """For the span of a stream."""
    attributes = of_metrics(options) | {
        "pulse.stream.name": name,
        "pulse.language": options.language,
        "pulse.dialect": options.dialect,
        "pulse.encoding": options.encoding,
        "pulse.sample_rate": options.sample_rate,
    }
    if options.external_session_id is not None:
        attributes["pulse.external_session_id"] = options.external_session_id
    return attributes


def of_server(url: str) -> Attributes:
    """Where a connection goes, by OpenTelemetry's names."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme in ("wss", "https") else 80)
    return {"server.address": parts.hostname or "", "server.port": port}
