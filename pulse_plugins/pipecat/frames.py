"""Makes frames from events of the engine. Nothing here awaits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from pipecat.frames.frames import InterimTranscriptionFrame, TranscriptionFrame
from pipecat.transcriptions.language import Language
from pipecat.utils.time import time_now_iso8601

from pulse_plugins.core.base.events import Final, Interim, Word, utterances_of_parts
from pulse_plugins.core.base.languages import spaceless
from pulse_plugins.core.base.text import texts_of_words
from pulse_plugins.core.transcript.utterance import joined_final
from pulse_plugins.pipecat.participants import Participants


@dataclass(frozen=True, slots=True)
class Voice:
    """The labels of text from one connection.

    Attributes:
        language: The language code that was asked for.
        detects: Whether the server detects the language; then the detected one is the label.
    """

    language: str
    detects: bool = False

    def language_of(self, final: Final | None = None) -> Language | None:
        """The framework's name for the language; None: it has none.

        If one language was asked for, the server's detected language is ignored, because it is
        known to be wrong for short segments.
        """
        code = self.language
        if self.detects:
            code = (final.language or "") if final is not None else ""
        try:
            return Language(code)
        except ValueError:
            return None


class Result(dict[str, Any]):
    """A transcript in the form of the service's message, for `TranscriptionFrame.result`.

    The keys are those of the wire, so that code for the official service finds them. Word times are
    seconds of stream_time, which does not start again with each connection.

    Attributes:
        event: The typed event of the engine.
    """

    def __init__(self, event: Interim | Final) -> None:
        if isinstance(event, Interim):
            super().__init__(
                session_id=event.session_id, transcript=event.text, is_final=False, is_last=False
            )
        else:
            super().__init__(_final_fields(event))
        self.event: object = event


def interim_frame(event: Interim, voice: Voice, user_id: str) -> InterimTranscriptionFrame:
    """The frame for the words of an utterance that is still open."""
    return InterimTranscriptionFrame(
        event.text, user_id, time_now_iso8601(), voice.language_of(), result=Result(event)
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """A stretch of one final that has one speaker."""

    final: Final
    user_id: str
    language: Language | None
    speaker_format: str | None


def final_frames(
    segments: Sequence[Final],
    voice: Callable[[Final], Voice],
    people: Participants,
    speaker_format: str | None = None,
    *,
    joined: bool = False,
) -> list[TranscriptionFrame]:
    """One frame for each stretch of one person's words in one language, in the order of speech.

    Args:
        segments: The finals of one utterance.
        voice: Returns the labels of a final.
        people: The users who gave the audio; used if the server named no speakers.
        speaker_format: A format with `{speaker}` and `{text}`; None: unchanged text.
        joined: Make one frame of all, with the labels of most of its text.
    """
    frames = []
    parts = [
        part for final in segments for part in _parts(final, voice(final), people, speaker_format)
    ]
    for _, group in groupby(parts, lambda part: (part.user_id, part.language)):
        frames.append(_frame(list(group)))
    if joined and len(frames) > 1:
        most = max(frames, key=lambda frame: len(frame.text))
        text = _join([final.text for final in segments], most.language)
        most.text = _join([frame.text for frame in frames], most.language)
        most.result = Result(joined_final(segments, text))
        return [most]
    return frames


def note_times(frame: TranscriptionFrame, began: float) -> None:
    """Put the wall-clock start and end of speech, and the confidence, into a frame's metadata.

    Args:
        frame: One of `final_frames`.
        began: `time.time()` at the beginning of the stream, pauses without audio left out.
    """
    result = frame.result
    if isinstance(result, Result) and isinstance(result.event, Final):
        final = result.event
        frame.metadata["speech_start"] = began + final.start
        frame.metadata["speech_end"] = began + final.end
        if final.confidence is not None:
            frame.metadata["confidence"] = final.confidence


def _frame(parts: list[_Part]) -> TranscriptionFrame:
    first, final = parts[0], parts[-1].final
    if len(parts) > 1:
        final = joined_final(
            [part.final for part in parts],
            _join([part.final.text for part in parts], first.language),
        )
    text = final.text
    if first.speaker_format:
        text = first.speaker_format.format(speaker=first.user_id, text=text)
    frame = TranscriptionFrame(
        text,
        first.user_id,
        time_now_iso8601(),
        first.language,
        result=Result(final),
    )
    # The interruption that a transcript causes deletes queued frames that are interruptible. A
    # transcript must never be deleted.
    frame.interruptible = False
    return frame


def _join(texts: list[str], language: Language | None) -> str:
    return ("" if language is not None and spaceless(str(language)) else " ").join(texts)


def _parts(
    final: Final, voice: Voice, people: Participants, speaker_format: str | None
) -> list[_Part]:
    parts = []
    for each in _by_speaker(final, people, voice.language):
        user_id = each.speaker or people.between(each.start, each.end)
        shown_as = speaker_format if each.speaker else None
        parts.append(_Part(each, user_id, voice.language_of(each), shown_as))
    return parts


def _by_speaker(event: Final, people: Participants, language: str) -> list[Final]:
    if any(word.speaker is not None for word in event.words):
        parts = _split(event.words, lambda word: word.speaker or event.speaker)
        return _finals(event, parts, language, labelled=True)
    parts = _split(event.words, lambda word: people.between(word.start, word.end))
    # If the frames of two people alternate within each word, the speaker of a word is chance. The
    # whole segment then belongs to the person who gave most of it.
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
    texts = texts_of_words(event.text, [word.text for word in event.words], language)
    utterances = utterances_of_parts(event, [words[0].start for _, words in parts])
    finals, at = [], 0
    for number, (who, words) in enumerate(parts):
        until = at + len(words)
        finals.append(
            replace(
                event,
                text=texts.join(at, until),
                start=words[0].start,
                end=words[-1].end,
                words=words,
                speaker=who if labelled else event.speaker,
                finalize_id=event.finalize_id if number == len(parts) - 1 else None,
                utterances=utterances[number],
            )
        )
        at = until
    return [final for final in finals if final.text]


def _final_fields(final: Final) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "session_id": final.session_id,
        "transcript": final.text,
        "is_final": True,
        "is_last": False,
        "from_finalize": final.finalized,
        "speech_final": final.speech_final,
        "language": final.language,
        "languages": list(final.languages),
        "words": [_word_fields(word) for word in final.words],
        "start": final.start,
        "end": final.end,
    }
    optional: dict[str, Any] = {
        "utterances": [_utterance_fields(each) for each in final.utterances],
        "redacted_entities": list(final.redacted_entities),
        "emotion": final.emotion,
        "gender": final.gender,
    }
    return fields | {name: value for name, value in optional.items() if value}


def _word_fields(word: Word) -> dict[str, Any]:
    fields: dict[str, Any] = {"word": word.text, "start": word.start, "end": word.end}
    optional = {
        "confidence": word.confidence,
        "speaker": word.speaker,
        "speaker_confidence": word.speaker_confidence,
    }
    return fields | {name: value for name, value in optional.items() if value is not None}


def _utterance_fields(each: Any) -> dict[str, Any]:
    fields = {"text": each.text, "start": each.start, "end": each.end}
    return fields if each.speaker is None else {**fields, "speaker": each.speaker}
