"""The four ways the Pulse wire is spoken, as rows of data.

Source: the service's documents, compared; `live` is endpoint A of the protocol page, `pulse` B,
`legacy` C, `direct` D. What a row does not document may still be accepted by the service.
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
_CURRENT = _COMMON | frozenset(
    "format punctuate capitalize eou_timeout_ms itn_normalize finalize_on_words max_words "
    "vad_events full_transcript external_session_id".split()
)
_LIVE = _CURRENT | frozenset(
    "model endpointing endpointing_timeout no_format_delay emotion_detection gender_detection "
    "vad_threshold vad_min_speech_ms".split()
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """One endpoint's habits.

    Attributes:
        path: The WebSocket path below the base URL.
        batch_path: The path of the pre-recorded endpoint, or None.
        finalize: The message that asks for the pending words, or None where there is none.
        close: The message that asks for the last words and the end.
        keepalive: The message that keeps an idle connection, or None: send silence instead.
        keywords: How keywords are written: one comma-joined string, or a JSON list.
        parameters: The query parameters that the endpoint's documents name.
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
    """The dialect of this name.

    Raises:
        ConfigurationError: There is none; the text lists the names.
    """
    try:
        return DIALECTS[name]
    except KeyError:
        raise ConfigurationError(
            f"dialect={name!r} is unknown: use one of {', '.join(sorted(DIALECTS))}"
        ) from None
