"""Text of others on a terminal: file names, and what a server says. And output without a reader."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from unicodedata import category

from rich.console import Console

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


def discard_output() -> None:
    """Let standard output take everything and keep nothing, because nobody reads it any more."""
    with suppress(OSError):  # it has no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_line(text: str) -> None:
    """Print a line at once. If nobody reads the output any more, the line is discarded."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        discard_output()


class Output(Console):
    """A console that goes on when nobody reads it any more, as with `| head`.

    Rich raises SystemExit at this moment, in whatever task prints.

    Args:
        left: Called at this moment, in the thread that prints.
        settings: What `Console` takes.
    """

    def __init__(self, left: Callable[[], None] = discard_output, **settings: Any) -> None:
        super().__init__(highlight=False, **settings)
        self._left = left

    def on_broken_pipe(self) -> None:
        """Print nothing more."""
        self.quiet = True
        self._left()


def _is_obeyed(each: str) -> bool:
    return each not in _KEPT and (
        category(each) in ("Cc", "Cs", "Zl", "Zp") or each in _BIDIRECTIONAL
    )
