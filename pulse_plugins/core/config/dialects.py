"""The four endpoints of the service and their conventions, as rows of data.

In docs/protocol.md, section 1.1, `live` is endpoint A, `pulse` is B, `legacy` is C and `direct` is
D. The service may accept parameters that a row does not list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pulse_plugins.core.base.errors import ConfigurationError

DialectName = Literal["live", "pulse", "legacy", "direct"]

_COMMON = frozenset(
    "language encoding sample_rate word_timestamps sentence_timestamps redact_pii redact_pci "
    "keywords diarize".split()
)
# No document lists `endpointing` and `endpointing_timeout` for `pulse`. They belong to the VAD of
# `vad_events`, which `pulse` has. `pulse` ignores parameters that it does not know (section 2).
_CURRENT = _COMMON | frozenset(
    "format punctuate capitalize eou_timeout_ms itn_normalize finalize_on_words max_words "
    "vad_events endpointing endpointing_timeout full_transcript external_session_id".split()
)
_LIVE = _CURRENT | frozenset(
    "model no_format_delay emotion_detection gender_detection vad_threshold "
    "vad_min_speech_ms".split()
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """The conventions of one endpoint.

    Attributes:
        name: The value of the option `dialect`.
        path: The path of the WebSocket endpoint.
        batch_path: The path of the pre-recorded endpoint, or None.
        finalize: The message that asks for the pending words, or None if there is none.
        close: The message that asks for the last words and then ends the connection.
        keepalive: The message that keeps an idle connection open, or None: send silence instead.
        keywords: How keywords are written: one comma-separated string, or a JSON list.
        parameters: The query parameters that the endpoint knows.
    """

    name: DialectName
    path: str
    batch_path: str | None
    finalize: str | None
    close: str
    keepalive: str | None
    keywords: Literal["string", "json"]
    parameters: frozenset[str]


_FINALIZE = '{"type":"finalize"}'
_CLOSE = '{"type":"close_stream"}'

DIALECTS: dict[str, Dialect] = {
    row.name: row
    for row in (
        Dialect(
            name="live",
            path="/waves/v1/stt/live",
            batch_path="/waves/v1/stt/",
            finalize=_FINALIZE,
            close=_CLOSE,
            keepalive='{"type":"keepalive"}',
            keywords="string",
            parameters=_LIVE,
        ),
        Dialect(
            name="pulse",
            path="/waves/v1/pulse/get_text",
            batch_path="/waves/v1/pulse/get_text",
            finalize=_FINALIZE,
            close=_CLOSE,
            keepalive=None,
            keywords="string",
            parameters=_CURRENT,
        ),
        Dialect(
            name="legacy",
            path="/api/v1/pulse/get_text",
            batch_path="/api/v1/pulse/get_text",
            finalize=None,
            close='{"type":"end"}',
            keepalive=None,
            keywords="json",
            parameters=_COMMON | {"full_transcript", "numerals"},
        ),
        Dialect(
            name="direct",
            path="/transcribe",
            batch_path=None,
            finalize=_FINALIZE,
            close=_CLOSE,
            keepalive=None,
            keywords="string",
            parameters=_LIVE,
        ),
    )
}


def dialect(name: str) -> Dialect:
    """Find a dialect by its name.

    Raises:
        ConfigurationError: The name is unknown; the text lists the names.
    """
    try:
        return DIALECTS[name]
    except (KeyError, TypeError):
        raise ConfigurationError(
            f"dialect={name!r} is unknown: use one of {', '.join(sorted(DIALECTS))}"
        ) from None
