"""The query of a connection, read the way the service reads it: strict booleans, known values.

Source of names, defaults and ranges: the service's realtime references, compared. Where the
service was seen to accept more than the references say, this server accepts the same and adds a
note to `Parameters.notes`; a strict server keeps to the references.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from pulse_plugins.local.wire import keywords
from pulse_plugins.local.wire.encodings import ENCODINGS, SAMPLE_RATES
from pulse_plugins.local.wire.messages import DialectName
from pulse_plugins.local.wire.refusals import RefusedError

_B = frozenset(
    "language encoding sample_rate word_timestamps sentence_timestamps redact_pii redact_pci "
    "format punctuate capitalize eou_timeout_ms diarize keywords itn_normalize finalize_on_words "
    "max_words".split()
)
_C = frozenset(
    "language encoding sample_rate word_timestamps full_transcript sentence_timestamps redact_pii "
    "redact_pci numerals keywords diarize".split()
)
_A = _B | frozenset(
    "model endpointing endpointing_timeout vad_events vad full_transcript no_format_delay "
    "external_session_id emotion_detection gender_detection numerals vad_threshold "
    "vad_min_speech_ms".split()
)
# A strict server refuses every other parameter; credentials in the query are for browsers.
DOCUMENTED: dict[DialectName, frozenset[str]] = {
    "live": _A,
    "pulse": _B | {"vad_events", "vad", "full_transcript", "external_session_id"},
    "legacy": _C,
    "direct": _A,
}
CREDENTIALS = frozenset({"token", "api_key"})
_BOOLEANS = frozenset(
    "word_timestamps sentence_timestamps full_transcript diarize redact_pii redact_pci format "
    "punctuate capitalize itn_normalize no_format_delay vad_events vad endpointing "
    "finalize_on_words emotion_detection gender_detection".split()
)

AGGREGATES = frozenset(
    {"multi", "multi-eu", "north_indic", "multi-south-indic", "multi-asian", "multi-indic"}
)
US_ONLY = frozenset({"zh", "yue", "ja", "ko", "multi-asian"})
INDIA_ONLY = frozenset({"ta", "te", "kn", "ml", "multi-south-indic", "multi-indic"})
REGIONS = ("any", "us", "india")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What a connection asked for; times in seconds.

    Attributes:
        language: The code that the client sent; it may name a group of languages.
        recognized_as: The language that the recognizer is asked for.
        keywords_doubtful: The service accepts these keywords and was seen to spoil the transcript.
        notes: One sentence for each parameter that the service treats in an unexpected way.
        silent_close: Why the service would close at once and without a word, or "".
        language_error: Why the service would say `LANGUAGE_NOT_ENABLED_IN_REGION`, or "".
    """

    dialect: DialectName
    model: str = "pulse"
    language: str = "en"
    recognized_as: str = "en"
    encoding: str = "linear16"
    sample_rate: int = 16_000
    word_timestamps: bool = True
    sentence_timestamps: bool = False
    full_transcript: bool = False
    diarize: bool = False
    emotion: bool = False
    gender: bool = False
    redact_pii: bool = False
    redact_pci: bool = False
    format: bool = True
    punctuate: bool = True
    capitalize: bool = True
    itn: bool = False
    numerals: bool = False
    no_format_delay: bool = False
    keywords: Mapping[str, float] = field(default_factory=dict)
    keywords_doubtful: bool = False
    vad_events: bool = False
    endpointing: bool = True
    endpointing_timeout: float = 0.6
    eou_timeout: float = 0.8
    finalize_on_words: bool = True
    max_words: int | None = None
    notes: tuple[str, ...] = ()
    silent_close: str = ""
    language_error: str = ""

    @property
    def detected(self) -> str:
        """The language that finals name: never the code of a group.

        The vendor's probe asked for `multi` and `multi-eu` and read `en` on the finals.
        """
        if self.recognized_as in AGGREGATES:
            return "en"
        return self.recognized_as.partition("-")[0]


def read(
    dialect: DialectName,
    query: Mapping[str, str],
    *,
    languages: frozenset[str],
    region: str = "any",
    strict: bool = False,
) -> Parameters:
    """Read the query of a streaming connection.

    Args:
        dialect: Which endpoint was called.
        query: Names and values.
        languages: What the recognizer understands.
        region: `us` and `india` refuse each other's languages as the service does; `any` refuses
            none.
        strict: Refuse what the dialect's documents do not name.

    Raises:
        RefusedError: With the status and text for the handshake.
    """
    if strict and (unknown := sorted(set(query) - DOCUMENTED[dialect] - CREDENTIALS)):
        raise RefusedError(400, f"Unknown parameters for this endpoint: {', '.join(unknown)}")
    model = query.get("model", "pulse" if dialect != "live" else "")
    if dialect in ("live", "direct"):
        _check_model(model)
    if strict and dialect == "live" and "language" not in query:
        raise RefusedError(400, "language is required", parameter="language")
    language = query.get("language") or ("multi-eu" if dialect == "pulse" else "en")
    asked = keywords.read(query, dialect, strict=strict)
    return Parameters(
        dialect=dialect,
        model=model or "pulse",
        language=language,
        recognized_as=_recognized_as(language, languages),
        encoding=_choice(query, "encoding", ENCODINGS, "linear16"),
        sample_rate=int(
            _choice(query, "sample_rate", tuple(str(rate) for rate in SAMPLE_RATES), "16000")
        ),
        word_timestamps=_flag(query, "word_timestamps", dialect in ("pulse", "legacy")),
        sentence_timestamps=_flag(query, "sentence_timestamps", False),
        full_transcript=_flag(query, "full_transcript", False),
        diarize=_flag(query, "diarize", False),
        emotion=_flag(query, "emotion_detection", False),
        gender=_flag(query, "gender_detection", False),
        redact_pii=_flag(query, "redact_pii", False),
        redact_pci=_flag(query, "redact_pci", False),
        format=_flag(query, "format", True),
        punctuate=_flag(query, "punctuate", True),
        capitalize=_flag(query, "capitalize", True),
        itn=_flag(query, "itn_normalize", False),
        numerals=query.get("numerals") in ("true", "digits"),
        no_format_delay=_flag(query, "no_format_delay", False),
        keywords=asked.weights,
        keywords_doubtful=asked.doubtful,
        notes=(*asked.notes, *_notes(query, language)),
        vad_events=_flag(query, "vad_events", _flag(query, "vad", False)),
        endpointing=_flag(query, "endpointing", True),
        endpointing_timeout=_integer(query, "endpointing_timeout", 600, 20, 60_000) / 1000,
        eou_timeout=_integer(query, "eou_timeout_ms", 800, 100, 10_000) / 1000,
        finalize_on_words=_flag(query, "finalize_on_words", True),
        max_words=_integer(query, "max_words", 0, 1, 100_000) or None,
        silent_close=_silent_close(model, language, region),
        language_error=_language_error(language, region),
    )


def _check_model(model: str) -> None:
    if model == "pulse-pro":
        raise RefusedError(400, "Model pulse-pro does not support streaming", parameter="model")
    if model not in ("pulse", "pulse-2"):
        raise RefusedError(400, "model is missing or invalid: use pulse", parameter="model")


def _silent_close(model: str, language: str, region: str) -> str:
    if model == "pulse-2" and language.partition("-")[0] != "en":
        return "pulse-2 is English only"
    if region == "india" and language in US_ONLY:
        return "East Asian languages are served by the US region only"
    return ""


def _language_error(language: str, region: str) -> str:
    """Three accounts of the live service refused `multi`, on hosts of either region."""
    refused = {"us": INDIA_ONLY | {"multi"}, "india": {"multi"}}.get(region, frozenset())
    return f"Language {language} is not enabled in this region" if language in refused else ""


def _notes(query: Mapping[str, str], language: str) -> list[str]:
    notes = []
    if language == "multi":
        notes.append(
            "language=multi: the live service refused it on three accounts with "
            "LANGUAGE_NOT_ENABLED_IN_REGION; use multi-eu or one language"
        )
    if "language" not in query:
        notes.append("language is not given: the documents disagree about its default")
    for name, value in query.items():
        if value in ("True", "False", "1", "0") and name in _BOOLEANS:
            notes.append(f"{name}={value}: the service reads every value but `true` as false")
    return notes


def _recognized_as(language: str, languages: frozenset[str]) -> str:
    """The recognizer's name for a language: its own code, the code before the hyphen, or English.

    Every aggregate of the service holds English, so a recognizer of English alone can stand in.
    """
    plain = language.partition("-")[0]
    for code in (language, plain, "en" if language in AGGREGATES else ""):
        if code in languages:
            return code
    known = ", ".join(sorted(languages))
    text = f"language {language[:40]!r} is not enabled on this local server; it knows {known}"
    raise RefusedError(400, text, parameter="language")


def _flag(query: Mapping[str, str], name: str, default: bool) -> bool:
    """The service compares with the literal `true`: `True` and `1` are false."""
    value = query.get(name)
    return default if value is None else value == "true"


def _choice(query: Mapping[str, str], name: str, allowed: tuple[str, ...], default: str) -> str:
    value = query.get(name, default)
    if value not in allowed:
        text = f"{name} is invalid: use one of {', '.join(allowed)}"
        raise RefusedError(400, text, parameter=name)
    return value


def _integer(query: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    value = query.get(name)
    if value is None:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", value) or not low <= int(value) <= high:
        raise RefusedError(400, f"{name} is invalid: use {low} to {high}", parameter=name)
    return int(value)
