"""The user's own keywords and those the session found, as one list for the wire."""

from __future__ import annotations

from collections.abc import Iterable

from pulse_plugins.core.config.keywords import MAX_KEYWORDS
from pulse_plugins.core.config.options import PulseOptions

_RESERVED = str.maketrans({",": " ", ":": " "})  # the wire separates with them


def with_keyterms(options: PulseOptions, terms: Iterable[str]) -> PulseOptions:
    """The options with the session's terms added to the user's keywords.

    Args:
        options: Their keywords win, with their boosts.
        terms: Of the session; what the wire cannot express is written with spaces.
    """
    words = {entry[0]: entry[1] for entry in options.keywords or () if isinstance(entry, tuple)}
    known = {word.casefold() for word in words}
    added: dict[str, float | None] = {}
    for term in terms:
        word = " ".join(term.translate(_RESERVED).split())
        if word and word.casefold() not in known:
            known.add(word.casefold())
            added[word] = None
    if not added:
        return options
    return options.changed(keywords=dict(list({**words, **added}.items())[:MAX_KEYWORDS]))
