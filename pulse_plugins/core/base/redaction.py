"""What redaction does not reach: text that the service delivers unredacted all the same."""

from __future__ import annotations

from dataclasses import replace

from pulse_plugins.core.base.events import Final

REDACTED = "[REDACTED]"
"""Stands for words that only an unredacted interim knew."""


def without_clear_text(final: Final) -> Final:
    """The final without what redaction does not reach.

    A promoted interim was never redacted, and utterances can hold the unredacted text
    (docs/protocol.md, section 4.3).
    """
    if final.promoted and final.text:
        return replace(final, text=REDACTED, words=(), utterances=())
    return replace(final, utterances=()) if final.utterances else final
