"""What works, though not as one might expect: a warning each, once a process.

Sources: protocol page, sections 2.3 and 8 (boosts above 5 make the service hear words that nobody
said; only English and Hindi are redacted, other languages silently not).
"""

from __future__ import annotations

import logging
from functools import lru_cache

_log = logging.getLogger("pulse_plugins.options")
_REDACTED = frozenset({"en", "hi"})
_HIGH_BOOST = 5.0


def advise_on_redaction(language: str) -> None:
    """Redaction was asked for, of speech in this language."""
    if language not in _REDACTED:
        _warn_once(
            "redact_pii and redact_pci have no effect on language=%r: only 'en' and 'hi' are "
            "redacted, and clear text would pass",
            language,
        )


def advise_on_boosts(boosts: list[float]) -> None:
    """Keywords were given with these boosts."""
    if max(boosts, default=0.0) > _HIGH_BOOST:
        _warn_once(
            "a keyword's boost is above %g: such words are heard where nobody said them; 1 to 3 is "
            "usual",
            _HIGH_BOOST,
        )


@lru_cache(maxsize=64)
def _warn_once(text: str, value: object) -> None:
    _log.warning(text, value)
