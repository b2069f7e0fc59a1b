"""Events of the engine as frames, and who said them. Nothing here awaits."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import groupby

from pipecat.frames.frames import InterimTranscriptionFrame, TranscriptionFrame
from pipecat.transcriptions.language import Language
from pipecat.utils.time import time_now_iso8601

from pulse_plugins.core.base.events import Final, Interim, Word
from pulse_plugins.core.base.languages import spaceless

REDACTED = "[REDACTED]"  # stands for words that only an unredacted interim knew
_MAX_SPANS = 20_000  # changes of speaker that are remembered: minutes of interleaved frames


class Participants:
    """Whose audio was given when, on the stream's clock."""

    def __init__(self) -> None:
        self._spans: deque[tuple[float, str]] = deque([(0.0, "")], maxlen=_MAX_SPANS)

    @property
    def newest(self) -> str:
        """Whose audio was given last."""
        return self._spans[-1][1]

    def heard(self, user_id: str, start: float) -> None:
        """Audio from `start` on is this user's."""
        if self.newest != user_id:
            self._spans.append((start, user_id))

    def between(self, start: float, end: float) -> str:
        """Who gave most of this stretch of audio."""
        if len(self._spans) == 1:
            return self._spans[0][1]
        shares: Counter[str] = Counter()
        later = max(end, start + 1e-3)  # a stretch without length still lies somewhere
        for began, user_id in reversed(self._spans):
            if began < later:
                # Whole microseconds, so that equal shares are equal and the first one wins.
                shares[user_id] += max(0, round((later - max(began, start)) * 1e6))
                later = max(began, start)
            if began <= start:
                break
        return max(shares, key=lambda user: shares[user], default="")

    def forget_before(self, time: float) -> None:
        """No text will come any more for audio before `time`."""
        while len(self._spans) > 1 and self._spans[1][0] <= time:
            self._spans.popleft()


@dataclass(frozen=True, slots=True)
class Voice:
    """How text is labelled.

    Attributes:
        language: The language code that was asked for.
        detects: Whether the server chooses the language, so that its word counts.
        speaker_format: A format with `{speaker}` and `{text}`, or None: text as it is.
    """

    language: str
    detects: bool = False
    speaker_format: str | None = None

    def language_of(self, final: Final | None = None) -> Language | None:
        """The framework's name for the language; None where it has none.

        A pinned language is believed over the server's guess, which is known to be wrong on short
        segments.
        """
        code = self.language
        if self.detects:
            code = (final.language or "") if final is not None else ""
        try:
            return Language(code)
        except ValueError:
            return None


def interim_frame(
    event: Interim, voice: Voice, user_id: str, held: Final | None = None
) -> InterimTranscriptionFrame:
    """The open text; a final that is held back is still part of it for whoever shows it."""
    gap = "" if spaceless(voice.language) else " "
    text = event.text if held is None else f"{held.text}{gap}{event.text}"
    return InterimTranscriptionFrame(
        text,
        user_id,
        time_now_iso8601(),
        voice.language_of(),
        result=event if held is None else replace(event, text=text, start=held.start),
    )


def final_frames(event: Final, voice: Voice, people: Participants) -> list[TranscriptionFrame]:
    """One frame for each stretch of one person's words; their order is the order of speech."""
    frames = []
    for part in _by_speaker(event, people, voice.language):
        user = part.speaker or people.between(part.start, part.end)
        text = part.text
        if part.speaker and voice.speaker_format:
            text = voice.speaker_format.format(speaker=part.speaker, text=text)
        frames.append(
            TranscriptionFrame(text, user, time_now_iso8601(), voice.language_of(part), result=part)
        )
    return frames


def without_clear_text(final: Final) -> Final:
    """The final without what redaction does not reach.

    A promoted interim was never redacted, and utterances can hold the unredacted text (protocol
    page, section 4.3).
    """
    if final.promoted and final.text:
        return replace(final, text=REDACTED, words=(), utterances=())
    return replace(final, utterances=()) if final.utterances else final


def _by_speaker(event: Final, people: Participants, language: str) -> list[Final]:
    if any(word.speaker is not None for word in event.words):
        parts = _split(event.words, lambda word: word.speaker or event.speaker)
        return _finals(event, parts, language, labelled=True)
    parts = _split(event.words, lambda word: people.between(word.start, word.end))
    # Two people whose frames alternate take turns within each word: then the label of a word is
    # chance, and the whole segment goes to whoever gave most of it.
    if len(parts) == len({who for who, _ in parts}):
        return _finals(event, parts, language, labelled=False)
    return [event]


def _split(
    words: Iterable[Word], key: Callable[[Word], str | None]
) -> list[tuple[str | None, tuple[Word, ...]]]:
    return [(who, tuple(group)) for who, group in groupby(words, key)]


def _finals(
    event: Final,
    parts: list[tuple[str | None, tuple[Word, ...]]],
    language: str,
    *,
    labelled: bool,
) -> list[Final]:
    if len(parts) <= 1:
        who = parts[0][0] if parts and labelled else event.speaker
        return [event if who == event.speaker else replace(event, speaker=who)]
    gap = "" if spaceless(language) else " "
    return [
        replace(
            event,
            text=gap.join(word.text for word in words),
            start=words[0].start,
            end=words[-1].end,
            words=words,
            speaker=who if labelled else event.speaker,
            finalize_id=event.finalize_id if index == len(parts) - 1 else None,
            utterances=(),
        )
        for index, (who, words) in enumerate(parts)
    ]
