"""Keywords that the recognizer should favour: the accepted spellings and their limits.

Source: docs/protocol.md, sections 2.3 and 10 (N13).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from math import isfinite
from numbers import Real
from types import NoneType
from typing import Any, TypeAlias

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.core.config.validation import is_encodable, warn_once

MAX_KEYWORDS = 10_000
"""The service's limit for one session."""
# The service's documents name 20 as the highest boost and advise 1 to 3. Above 5 the recognizer
# reports the keyword where nobody said it; the service has accepted 26.
HIGH_BOOST = 5.0
MAX_BOOST = 20.0

Keywords: TypeAlias = str | Mapping[str, float | None] | Iterable[str | tuple[str, float]]
Checked: TypeAlias = tuple[tuple[str, float | None], ...]


def checked_keywords(given: Keywords | None) -> Checked | None:
    """Read keywords in any of the accepted spellings.

    Args:
        given: A mapping of words to boosts; an iterable of words, of `"word:boost"` and of
            `(word, boost)`; or one str, as it stands on the wire: `"Acme:2,SKU"`, or the JSON list
            of the legacy endpoint. The str `"None"`, which the legacy example script sends by
            default, means that there are no keywords.

    Returns:
        Each word with its boost; a boost of None leaves the boost to the service.

    Raises:
        ConfigurationError: An entry is no word with a boost, or holds a separator of the wire, or
            there are more than the service takes.
    """
    if given is None or given == "None":
        return None
    checked = tuple(_checked(word, boost) for word, boost in _entries(given))
    if len(checked) > MAX_KEYWORDS:
        raise ConfigurationError(f"{len(checked)} keywords: at most {MAX_KEYWORDS} per session")
    _warn_about_boosts(max((boost or 0.0 for _, boost in checked), default=0.0))
    return checked


def _entries(given: Keywords) -> Iterable[tuple[Any, Any]]:
    if isinstance(given, str):
        return [_split(part) for part in _parts(given) if part.strip()]
    if isinstance(given, Mapping):
        return given.items()
    try:
        return [_split(entry) if isinstance(entry, str) else _pair(entry) for entry in given]
    except TypeError:
        raise ConfigurationError("keywords take a str, a mapping or an iterable of words") from None


def _parts(text: str) -> list[str]:
    """Split the wire's own form: a comma-separated str, or a JSON list of str."""
    if not text.lstrip().startswith("["):
        return text.split(",")
    try:
        parts = json.loads(text)
    except (ValueError, RecursionError):
        parts = None
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise ConfigurationError('keywords: a list within a str must be JSON, such as ["Acme:5"]')
    return parts


def _split(entry: str) -> tuple[str, float | None]:
    word, colon, boost = entry.rpartition(":")
    if not colon:
        return entry, None
    try:
        return word, float(boost)
    except ValueError:
        raise ConfigurationError(
            f"keyword {entry!r}: what follows ':' must be a number, the boost"
        ) from None


def _pair(entry: Any) -> tuple[Any, Any]:
    try:
        word, boost = entry
    except (TypeError, ValueError):
        raise ConfigurationError("keywords: an entry is a word, or a word and its boost") from None
    return word, boost


def _checked(word: object, boost: object) -> tuple[str, float | None]:
    if not isinstance(word, str) or isinstance(boost, bool):
        raise ConfigurationError("keywords are words, each with a number, its boost, or None")
    if not isinstance(boost, (Real, NoneType)):
        raise ConfigurationError("keywords are words, each with a number, its boost, or None")
    if not word.strip() or "," in word or ":" in word:
        raise ConfigurationError(
            f"keyword {word!r}: it must not be empty or hold ',' or ':', which the wire uses"
        )
    if not is_encodable(word):
        raise ConfigurationError("keywords: a word holds half a surrogate pair")
    if boost is None:
        return word.strip(), None
    if not isfinite(boost) or boost < 0:
        raise ConfigurationError(f"keyword {word!r}: boost {boost} must be a number, at least 0")
    return word.strip(), float(boost)


def _warn_about_boosts(highest: float) -> None:
    """Log one warning for a keyword whose boost can harm the transcript."""
    if highest > MAX_BOOST:
        warn_once(
            "a keyword's boost is above %g, the highest documented value: the service has accepted "
            "such a boost and returned a damaged transcript; 1 to 3 is usual",
            MAX_BOOST,
        )
    elif highest > HIGH_BOOST:
        warn_once(
            "a keyword's boost is above %g: such words are heard where nobody said them; 1 to 3 is "
            "usual",
            HIGH_BOOST,
        )
