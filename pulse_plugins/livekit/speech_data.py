"""Translates finals and interims to the framework's `SpeechData`.

The translation depends on the text alone, not on texts before it or on the time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from livekit.agents import LanguageCode
from livekit.agents.stt import SpeechData
from livekit.agents.types import NOT_GIVEN, TimedString
from pydantic import BaseModel

from pulse_plugins.core.base.events import Final, Word, utterances_of_parts
from pulse_plugins.core.base.languages import is_group, spaceless
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.livekit.audio_input import InputClock


class SpeechDataBuilder:
    """Translates for one stream.

    Attributes:
        options: Those of the stream; they may change.
        words: Whether word times are shown.
        offset: Seconds from the session's zero to the stream's first sample.
        counts_pauses: Whether times are on the session's clock, which goes on while the input is
            muted. Times of a stream that a `MultiSpeakerAdapter` made count audio only.
        splits_speakers: Whether a final with several speakers becomes an entry for each run.
        speaker_format: The format of one run in a final with several speakers; None: unchanged.
    """

    def __init__(self, options: PulseOptions, clock: InputClock, *, words: bool = True) -> None:
        self.options = options
        self.words = words
        self.offset = 0.0
        self.counts_pauses = False
        self.splits_speakers = True
        self.speaker_format: str | None = None
        self._clock = clock

    def empty(self) -> SpeechData:
        """The answer to a flush when nothing was pending."""
        return SpeechData(language=self.language(None), text="")

    def unfinished(self, text: str, start: float, end: float, confidence: float) -> SpeechData:
        """Text that may change, or on which a reply may begin.

        Args:
            text: All words of the utterance.
            start: stream_time at which its first word began, as far as it is known.
            end: At which its last word ended, or the end of the audio so far.
            confidence: Of the newest final: the service gives none for interims.
        """
        shift = self.offset + self._clock.missing(start, end, pauses=self.counts_pauses)
        return SpeechData(
            language=self.language(None),
            text=text,
            start_time=max(0.0, start + shift),
            end_time=max(0.0, end + shift),
            confidence=confidence,
        )

    def parts(self, final: Final) -> list[Final]:
        """The final, or one final for each run of words of one speaker, with `diarize`."""
        joiner = "" if spaceless(self.options.language) else " "
        runs = _runs(final, joiner=joiner) if self.options.diarize else None
        if runs is None:
            return [final]
        if not self.splits_speakers:
            return [self._one(final, runs)]
        utterances = utterances_of_parts(final, [words[0].start for _, words in runs])
        return [
            replace(
                final,
                text=text,
                words=words,
                start=words[0].start,
                end=words[-1].end,
                speaker=words[0].speaker,
                utterances=part,
            )
            for (text, words), part in zip(runs, utterances, strict=True)
        ]

    def _one(self, final: Final, runs: list[tuple[str, tuple[Word, ...]]]) -> Final:
        if self.speaker_format is None:
            return final
        texts = [
            self.speaker_format.format(text=text, speaker_id=speaker_label(words[0].speaker) or "")
            for text, words in runs
        ]
        return replace(final, text="\n".join(texts))

    def whole(self, final: Final) -> SpeechData:
        """One entry for the whole final. Its speaker is the one with most words."""
        speaker = _majority(final) if self.options.diarize else None
        return self._data(final, final.words, speaker)

    def language(self, detected: str | None) -> LanguageCode:
        """The language of a text: the code that was asked for, or the detected one of a group.

        A server that was asked for one language sometimes names another one, which is ignored. The
        code of a group is no language, so that it is replaced by `multi`.
        """
        return _language(self.options.language, detected)

    def _data(self, final: Final, words: Sequence[Word], speaker: str | None) -> SpeechData:
        timed = bool(words)
        return SpeechData(
            language=self.language(final.language),
            text=final.text,
            start_time=self._shifted(final.start, words[0].start, words[0].end) if timed else 0.0,
            end_time=self._shifted(final.end, words[-1].start, words[-1].end) if timed else 0.0,
            confidence=final.confidence or 0.0,
            speaker_id=speaker_label(speaker),
            words=[self._word(word) for word in words] if timed and self.words else None,
            source_languages=[LanguageCode(code) for code in final.languages] or None,
            metadata=self._metadata(final) or None,
        )

    def _shifted(self, stream_time: float, start: float, end: float) -> float:
        """A moment of the speech between two stream_times, in seconds on the session's clock."""
        missing = self._clock.missing(start, end, pauses=self.counts_pauses)
        return max(0.0, self.offset + stream_time + missing)

    def _word(self, word: Word) -> TimedString:
        return TimedString(
            word.text,
            start_time=self._shifted(word.start, word.start, word.end),
            end_time=self._shifted(word.end, word.start, word.end),
            confidence=NOT_GIVEN if word.confidence is None else word.confidence,
            start_time_offset=self.offset,
            speaker_id=speaker_label(word.speaker) if self.options.diarize else None,
        )

    def _metadata(self, final: Final) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if final.utterances and not self.options.redacts:  # they may hold what finals hide
            found["utterances"] = [
                {
                    "text": each.text,
                    "start": self._shifted(each.start, each.start, each.end),
                    "end": self._shifted(each.end, each.end, each.end),
                    "speaker": speaker_label(each.speaker),
                }
                for each in final.utterances
            ]
        if final.redacted_entities:
            found["redacted_entities"] = list(final.redacted_entities)
        if final.emotion is not None:
            found["emotion"] = final.emotion
        if final.gender is not None:
            found["gender"] = final.gender
        if final.promoted:
            found["promoted"] = True
        return found


class Speaker(BaseModel):
    """The newest estimates of the service about the speaker's voice.

    The framework shows a stream's `context` to the application, and hands `to_instructions()` to
    the language model of an expressive agent. `pulse-2` sends estimates where they were asked for.

    Attributes:
        emotion: The strongest emotion's name.
        gender: As the service names it.
    """

    emotion: str | None = None
    gender: str | None = None

    def to_instructions(self) -> str:
        """One sentence for a language model."""
        traits = []
        if self.gender:
            traits.append(f"gender {self.gender}")
        if self.emotion:
            traits.append(f"emotion {self.emotion}")
        return f"The user's voice suggests: {', '.join(traits)}." if traits else ""

    def heard(self, final: Final) -> Speaker:
        """The estimates with those of this final. A final without estimates changes nothing."""
        return Speaker(
            emotion=_name(final.emotion) or self.emotion,
            gender=_name(final.gender) or self.gender,
        )


def _name(estimate: object) -> str | None:
    """The name in an estimate, which is a name or maps names to numbers: no document says which."""
    match estimate:
        case str():
            return estimate or None
        case Mapping():
            scores = {
                name: score
                for name, score in estimate.items()
                if isinstance(name, str) and isinstance(score, int | float)
            }
            return max(scores, key=lambda name: scores[name]) if scores else None
    return None


@lru_cache(maxsize=256)
def _language(asked: str, detected: str | None) -> LanguageCode:
    if not is_group(asked):
        return LanguageCode(asked)
    if detected and not is_group(detected):
        return LanguageCode(detected)
    return LanguageCode("multi")


def speaker_label(speaker: str | None) -> str | None:
    """`S0` for the wire's 0, "0" or "speaker_0"; any other name as it is."""
    if not speaker:
        return None
    number = speaker.removeprefix("speaker_")
    return f"S{number}" if number.isdigit() else speaker


def _majority(final: Final) -> str | None:
    counted = Counter(word.speaker for word in final.words if word.speaker is not None)
    return counted.most_common(1)[0][0] if counted else final.speaker


def _runs(final: Final, *, joiner: str) -> list[tuple[str, tuple[Word, ...]]] | None:
    """The text and words of each speaker in turn; None: one speaker, or speakers not known."""
    words = final.words
    if len({word.speaker for word in words if word.speaker is not None}) < 2:
        return None
    tokens = final.text.split()
    if joiner and len(tokens) != len(words):
        return None  # the service rewrote the text, so that its words have no known speaker
    texts = tokens if joiner else [word.text for word in words]
    runs: list[tuple[list[str], list[Word]]] = []
    for text, word in zip(texts, words, strict=True):
        if not runs or word.speaker not in (None, runs[-1][1][0].speaker):
            runs.append(([], []))
        runs[-1][0].append(text)
        runs[-1][1].append(word)
    return [(_joined(texts, joiner), tuple(said)) for texts, said in runs]


def _joined(texts: Iterable[str], joiner: str) -> str:
    return joiner.join(texts)
