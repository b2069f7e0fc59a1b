"""Text of others on a terminal: file names, and what a server says."""

from __future__ import annotations

from unicodedata import category

_BIDIRECTIONAL = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_KEPT = frozenset("\n\t")


def safe(text: str) -> str:
    """Replace what a terminal would obey: control characters and overrides of the direction.

    Line breaks and tabs are kept. Letters, marks and joiners of all scripts are kept too, which
    `str.isprintable` would refuse in part.

    Args:
        text: Any text.
    """
    if text.isprintable():
        return text
    return "".join("\N{REPLACEMENT CHARACTER}" if _is_obeyed(each) else each for each in text)


def safe_line(text: str) -> str:
    """The same on one line, so that a name or an error cannot write a line of its own.

    Args:
        text: Any text.
    """
    return " ".join(safe(text).split("\n"))


def _is_obeyed(each: str) -> bool:
    return each not in _KEPT and (
        category(each) in ("Cc", "Cs", "Zl", "Zp") or each in _BIDIRECTIONAL
    )
