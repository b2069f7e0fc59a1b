"""The service's languages: codes, names and where each works.

Source: protocol page, section 7, which compares documents that do not agree. The table advises and
never forbids: the service adds languages without telling us, so an unknown code passes.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Region = Literal["any", "us", "india"]

_log = logging.getLogger("pulse_plugins")


@dataclass(frozen=True, slots=True)
class Language:
    """One code of the `language` option.

    Attributes:
        code: What the wire takes.
        name: In English.
        kind: `single`, which includes switching to English and back, or `group`: the server
            detects which of several languages is spoken.
        streaming: Whether the documents list it for streams, the newest where they differ.
        prerecorded: The same for pre-recorded audio.
        region: Which hosts stream it: any, or only `api.us.` or `api.india.smallest.ai`.
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
    # Only older documents list it, for both modes; no current one does.
    *_singles({"pa": "Punjabi"}, streaming=False, prerecorded=False),
    # Retired from the documents; was seen to be accepted and to behave like `multi-eu`.
    Language("multi", "Any language", "group"),
    # The default of the realtime reference, though the newest list has it for recordings only.
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

# Words of these scripts are written without a space between them.
_SPACELESS = frozenset({"zh", "yue", "ja"})


def normalize(code: str) -> str:
    """The wire's code for a language tag.

    A region is cut off a single language (`en-US`, `en_IN` -> `en`), group codes stay as they
    are, and letters of known codes become small. An unknown code passes, with one warning a
    process: the service may know more languages than this table.

    Args:
        code: A code of the service or a BCP 47 tag.
    """
    if code in LANGUAGES:
        return code
    lower = code.lower()
    if lower in LANGUAGES:
        return lower
    primary = lower.replace("_", "-").partition("-")[0]
    if primary in LANGUAGES and LANGUAGES[primary].kind == "single":
        return primary
    _warn_once(code)
    return code


def spaceless(code: str) -> bool:
    """Whether segments of this language join without a space; False for unknown codes."""
    return code.lower().replace("_", "-").partition("-")[0] in _SPACELESS


@lru_cache(maxsize=64)
def _warn_once(code: str) -> None:
    _log.warning("language %r is not among the documented ones: it is sent as it is", code)


def is_group(code: str) -> bool:
    """Whether a code asks the service to detect which of several languages is spoken."""
    known = LANGUAGES.get(code)
    return known.kind == "group" if known else code.startswith(("multi", "auto"))
