"""Languages of the service: codes, names and the hosts that serve them.

Source: docs/protocol.md, section 7, which compares documents that disagree. The table is used for
advice only. The service may know more languages than the table, so an unknown code is sent as it
is.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Region = Literal["any", "us", "india"]
REGION_HOSTS: dict[str, str] = {"us": "api.us.smallest.ai", "india": "api.india.smallest.ai"}
"""The host of each region, docs/protocol.md, section 1.3."""

_log = logging.getLogger("pulse_plugins")


@dataclass(frozen=True, slots=True)
class Language:
    """One code of the `language` option.

    Attributes:
        code: The value of the `language` parameter.
        name: The English name.
        kind: `single`: one language, mixed with English where a speaker mixes them; or `group`:
            the server detects which of several languages is spoken.
        streaming: Whether the service's newest documents list the code for streams.
        prerecorded: Whether they list it for pre-recorded audio.
        region: The hosts that stream it: `any`, or only those of one region.
    """

    code: str
    name: str
    kind: Literal["single", "group"] = "single"
    streaming: bool = False
    prerecorded: bool = False
    region: Region = "any"


def _singles(
    names: dict[str, str], *, streaming: bool, prerecorded: bool, region: Region = "any"
) -> tuple[Language, ...]:
    return tuple(
        Language(code, name, streaming=streaming, prerecorded=prerecorded, region=region)
        for code, name in names.items()
    )


_ALL = (
    *_singles(
        {
            "en": "English",
            "hi": "Hindi",
            "de": "German",
            "es": "Spanish",
            "fr": "French",
            "it": "Italian",
            "nl": "Dutch",
            "pt": "Portuguese",
            "ru": "Russian",
        },
        streaming=True,
        prerecorded=True,
    ),
    *_singles(
        {"gu": "Gujarati", "mr": "Marathi", "or": "Odia", "bn": "Bengali"},
        streaming=True,
        prerecorded=False,
    ),
    *_singles(
        {"ta": "Tamil", "te": "Telugu", "kn": "Kannada", "ml": "Malayalam"},
        streaming=True,
        prerecorded=False,
        region="india",
    ),
    *_singles(
        {"zh": "Mandarin", "ja": "Japanese", "ko": "Korean"},
        streaming=True,
        prerecorded=True,
        region="us",
    ),
    *_singles({"yue": "Cantonese"}, streaming=True, prerecorded=False, region="us"),
    *_singles(
        {
            "uk": "Ukrainian",
            "pl": "Polish",
            "cs": "Czech",
            "sk": "Slovak",
            "ro": "Romanian",
            "fi": "Finnish",
            "sv": "Swedish",
            "bg": "Bulgarian",
            "hu": "Hungarian",
            "lt": "Lithuanian",
            "lv": "Latvian",
            "et": "Estonian",
            "da": "Danish",
            "mt": "Maltese",
        },
        streaming=False,
        prerecorded=True,
    ),
    # Only older documents list this code, for both modes.
    *_singles({"pa": "Punjabi"}, streaming=False, prerecorded=False),
    # No longer documented. One probe saw it behave like `multi-eu`; three accounts were refused.
    Language("multi", "Any language", "group"),
    # The default of the realtime reference; the newest list has it for recordings only.
    Language("multi-eu", "European languages and English", "group", True, True),
    Language("north_indic", "English, Hindi, Gujarati, Marathi, Bengali, Odia", "group", True),
    Language(
        "multi-south-indic",
        "Tamil, Telugu, Kannada, Malayalam, English",
        "group",
        streaming=True,
        region="india",
    ),
    Language(
        "multi-asian",
        "Mandarin, Cantonese, Korean, Japanese, English",
        "group",
        streaming=True,
        prerecorded=True,
        region="us",
    ),
    Language(
        "multi-indic",
        "English, Hindi, Gujarati, Marathi, Bengali, Odia",
        "group",
        prerecorded=True,
        region="india",
    ),
)

LANGUAGES: dict[str, Language] = {language.code: language for language in _ALL}

# These languages are written without spaces between words.
_SPACELESS = frozenset({"zh", "yue", "ja"})


def normalize(code: str) -> str:
    """The service's code for a language tag.

    The region of a single language is removed (`en-US` and `en_IN` become `en`), and the letters of
    a known code become lower case. A group code keeps its hyphens. An unknown code is returned as
    it is, with one warning per process.

    Args:
        code: A code of the service or a BCP 47 tag.
    """
    if code in LANGUAGES:
        return code
    lower = code.lower()
    if lower in LANGUAGES:
        return lower
    primary = _primary(code)
    if primary in LANGUAGES and LANGUAGES[primary].kind == "single":
        return primary
    _warn_once(code)
    return code


@lru_cache(maxsize=64)
def spaceless(code: str) -> bool:
    """Whether segments of this language join without a space; False for unknown codes."""
    return _primary(code) in _SPACELESS


def _primary(code: str) -> str:
    return code.lower().replace("_", "-").partition("-")[0]


@lru_cache(maxsize=64)
def _warn_once(code: str) -> None:
    _log.warning("language %r is not among the documented codes: it is sent as it is", code)


def is_group(code: str) -> bool:
    """Whether a code asks the service to detect which of several languages is spoken."""
    known = LANGUAGES.get(code)
    return known.kind == "group" if known else code.startswith(("multi", "auto"))
