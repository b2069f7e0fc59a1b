"""How a local server differs from others that follow the same documents.

Each field has a default that follows what the service was seen to do, or else its documents. The
words of the attribute descriptions are what `pulse-plugins serve --list` prints.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Quirk = Literal[
    "empty_first_interim",
    "punctuation_final",
    "wrong_language",
    "twice",
    "bare_messages",
    "error_with_code",
    "spoiled_by_keywords",
]
QUIRKS: dict[Quirk, str] = {
    "empty_first_interim": "An empty interim is sent right after the handshake.",
    "punctuation_final": "A final that holds one full stop follows each final with words.",
    "wrong_language": "Finals name the language `da`, as the service did for English audio.",
    "twice": "Each answer to a finalize is sent twice, the second time without the mark.",
    "bare_messages": "The endpoint pulse/get_text sends no type, status and transcription, as its "
    "documents show it.",
    "error_with_code": "Errors inside a stream have the fields `error` and `code` alone.",
    "spoiled_by_keywords": "Keywords in a form or with a weight that the service does not document "
    "spoil the transcript, as the vendor's probe saw it.",
}
assert set(QUIRKS) == set(get_args(Quirk))


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What a server does where documents and observations disagree.

    Attributes:
        max_words: Number of words after which a segment is cut where the client sets no number.
            `None` never cuts.
        rollover_at_pause: A cut by the number of words waits for a pause, for at most twice the
            words, because a recognizer of real speech mishears a word that a cut goes through.
            `None` waits unless the recognizer is the scripted one.
        from_finalize: Which finals carry the mark of an answer to a finalize. `observed` marks
            every answer, but on pulse/get_text only with `itn_normalize=true`, as the vendor's
            probe saw it; `always`, `itn` (with `itn_normalize=true` only) and `never` hold for all
            endpoints.
        full_transcript: When finals carry the text of the whole connection. `observed` sends it
            where it is asked for, but on pulse/get_text only for a group of languages, asked or
            not; `asked`, `always` and `never` hold for all endpoints.
        answer_empty: A finalize is answered with an empty final where nothing is pending.
        word_timestamps: `false` never sends words, whatever the client asks. `None` follows the
            client.
        vad_events: `false` never sends speech_started and speech_ended, whatever the client asks.
            `None` follows the client.
        is_last: Whether the closing message is answered with `is_last`: `always`, `after_speech`
            (only where words were heard; the service was seen to leave other connections open)
            or `never`.
        last_message: What the message with `is_last` holds. `with_words` holds the pending words;
            `empty` sends the pending words before it; `repeats` sends them before it and repeats
            the text of the last final without words.
        repeat_cut_word: Seconds by which the word under way at a finalize starts later when the
            next final repeats it. The vendor's probe saw the word in both finals, with 0 to 0.3
            seconds between the starts. `None` gives each word once.
        trailing_space: Finals end with a space, except with `itn_normalize=true`.
        quirks: Further oddities that were seen on the wire, joined by `+`.
    """

    max_words: int | None = 10
    rollover_at_pause: bool | None = None
    from_finalize: Literal["observed", "always", "itn", "never"] = "observed"
    full_transcript: Literal["observed", "asked", "always", "never"] = "observed"
    answer_empty: bool = True
    word_timestamps: Literal[False] | None = None
    vad_events: Literal[False] | None = None
    is_last: Literal["always", "after_speech", "never"] = "always"
    last_message: Literal["with_words", "empty", "repeats"] = "with_words"
    repeat_cut_word: float | None = None
    trailing_space: bool = True
    quirks: frozenset[Quirk] = frozenset()
