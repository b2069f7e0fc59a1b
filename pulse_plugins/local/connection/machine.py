"""The server's side of one connection, without a socket: words and speech in, messages out.

Three rules end a segment on their own: silence (the voice detector's `endpointing_timeout` and
the decoder's `eou_timeout_ms`), and the number of words. The client has two more: `finalize` and
the closing message. The driver reports what it decoded, asks `due()` whether to finish the segment
and takes the `messages()` that have come together.

Times are seconds of the connection's audio; nothing here awaits or reads a clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from pulse_plugins.local.connection.habits import Habits
from pulse_plugins.local.output.formatting import Formatter, numbers_at_end
from pulse_plugins.local.output.redaction import LANGUAGES as REDACTED_LANGUAGES
from pulse_plugins.local.output.redaction import Redactor
from pulse_plugins.local.recognizers.contract import RecognizedWord
from pulse_plugins.local.recognizers.vad import SpeechEdge
from pulse_plugins.local.wire import messages
from pulse_plugins.local.wire.messages import Control, Transcript, Utterance, WireWord
from pulse_plugins.local.wire.parameters import AGGREGATES, Parameters

_PAUSE = 0.04  # seconds of silence that a cut by words may use, where it waits for one
# Seconds of silence below which a word is taken to be under way. The voice detector calls single
# frames of 20 ms inside a word silent, and pauses between words are longer than 0.1 s.
_MID_SPEECH = 0.1


class Cut(Enum):
    """Why a segment ends."""

    FINALIZE = "finalize"
    SILENCE = "silence"
    WORDS = "words"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message and what the driver must know of it."""

    data: str
    is_final: bool = False
    is_interim: bool = False
    text: str = ""


class Connection:
    """One client, from its first audio to `is_last`."""

    def __init__(self, parameters: Parameters, habits: Habits, session_id: str) -> None:
        self.parameters = parameters
        self.session_id = session_id
        self.closed = False
        self._habits = habits
        self._formatter = Formatter(parameters)
        redacts = parameters.language.partition("-")[0] in REDACTED_LANGUAGES
        self._redactor = Redactor(
            pii=redacts and parameters.redact_pii, pci=redacts and parameters.redact_pci
        )
        self._outgoing: list[Outgoing] = []
        self._words: Sequence[RecognizedWord] = ()
        self._held: list[RecognizedWord] = []  # a number that may go on: for the next final
        self._repeated: RecognizedWord | None = None  # the last word of an answer in mid-speech
        self._last_text = ""
        self._emotion: Mapping[str, float] | None = None
        self._gender: str | None = None
        self._finished_words = 0
        self._interim = ""
        self._spoke = False  # speech was heard since the last cut
        self._silence = 0.0
        self._said: list[str] = []
        if "empty_first_interim" in habits.quirks:
            self._send(Transcript(session_id=session_id, text=""))

    @property
    def word_count(self) -> int:
        """Words heard so far, those of the open segment included."""
        return self._finished_words + len(self._words)

    @property
    def _tells_speech(self) -> bool:
        asked = self.parameters
        return asked.vad_events and asked.dialect != "legacy" and self._habits.vad_events is None

    def messages(self) -> list[Outgoing]:
        """Take what is to be sent, in order."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def heard(self, edges: Sequence[SpeechEdge], silence: float) -> None:
        """The voice detector has judged more audio.

        Args:
            edges: Where speech began or ended.
            silence: Seconds of silence at the end of what was heard.
        """
        for edge in edges:
            self._spoke = self._spoke or edge.kind == "speech_started"
            if self._tells_speech:
                text = messages.speech_edge(edge.kind, self.session_id, edge.time)
                self._outgoing.append(Outgoing(text))
        self._silence = silence

    def interim(self, words: Sequence[RecognizedWord]) -> None:
        """The recognizer takes the open segment for these words now."""
        self._words = words
        text = " ".join(word.text for word in (*self._held, *words))
        if text and text != self._interim:
            self._interim = text
            self._send(Transcript(session_id=self.session_id, text=text))

    def due(self) -> Cut | None:
        """Whether the segment has to be finished now, and why."""
        asked = self.parameters
        if self._spoke or self._words or self._held:
            window = asked.eou_timeout
            if asked.endpointing:
                window = min(window, asked.endpointing_timeout)
            # The tolerance covers rounding; without it a cut comes one packet late.
            if self._silence >= window - 1e-6:
                return Cut.SILENCE
        limit = asked.max_words
        if limit is None and asked.finalize_on_words:
            limit = self._habits.max_words
        if limit is not None and len(self._words) >= limit:
            waits = self._habits.rollover_at_pause and len(self._words) < 2 * limit
            if not waits or self._silence >= _PAUSE:
                return Cut.WORDS
        return None

    def finished(
        self,
        words: Sequence[RecognizedWord],
        cut: Cut,
        *,
        emotion: Mapping[str, float] | None = None,
        gender: str | None = None,
    ) -> None:
        """The segment is finished.

        Args:
            words: Its words.
            cut: Why it ends.
            emotion: Sent with `model=pulse-2` where it was asked for; None for a short segment.
            gender: The same.
        """
        estimates = self.parameters.model == "pulse-2"
        self._emotion = emotion if estimates and self.parameters.emotion else None
        self._gender = gender if estimates and self.parameters.gender else None
        self._finished_words += len(words)
        self._words, self._interim = (), ""
        if cut is not Cut.WORDS:
            self._spoke = False
        words = self._with_repeated(words, cut)
        words = [*self._held, *words]
        self._held = []
        asked = self.parameters
        if cut is Cut.WORDS and asked.itn and not asked.no_format_delay:
            count = numbers_at_end(words)
            self._held = words[len(words) - count :]
            words = words[: len(words) - count]
        if cut is Cut.CLOSE:
            self._close(words)
        elif words or (cut is Cut.FINALIZE and self._habits.answer_empty):
            self._send_final(words, cut)

    def _send_final(self, words: Sequence[RecognizedWord], cut: Cut) -> None:
        quirks = self._habits.quirks
        answers = cut is Cut.FINALIZE
        final = self._final(words, pause=cut is not Cut.WORDS)
        self._send(replace(final, from_finalize=self._flag(answers=answers)))
        if answers and "twice" in quirks:
            self._send(replace(final, from_finalize=self._flag(answers=False)))
        if words and "punctuation_final" in quirks:
            dot = replace(self._final((), pause=True), text=".", words=None)
            self._send(replace(dot, from_finalize=self._flag(answers=False)))

    def _with_repeated(self, words: Sequence[RecognizedWord], cut: Cut) -> list[RecognizedWord]:
        """Put the word under way at the last finalize in front of the next segment's words.

        The vendor's probe recorded "my recent" and "recent order": the word that was being said
        when the finalize came is in both finals, the second time with a later start.
        """
        offset = self._habits.repeat_cut_word
        repeated, self._repeated = self._repeated, None
        result = list(words)
        if repeated is not None and words:
            start = min(repeated.start + (offset or 0.0), repeated.end)
            result.insert(0, replace(repeated, start=start))
        elif cut is not Cut.SILENCE:
            self._repeated = repeated
        if cut is Cut.FINALIZE and offset is not None and words and self._silence < _MID_SPEECH:
            self._repeated = words[-1]
        return result

    def control(self, text: str) -> Cut | None:
        """The client sent a text message; the cut it asks for, if any."""
        dialect = self.parameters.dialect
        match messages.read_control(text, dialect):
            case Control.FINALIZE:
                return Cut.FINALIZE
            case Control.CLOSE:
                return Cut.CLOSE
            case Control.KEEPALIVE:
                self._outgoing.append(Outgoing(messages.PONG))
            case Control.UNKNOWN:
                # An inference server that is called directly answers `keepalive` with an error.
                if dialect == "direct":
                    self.refuse("unknown message type")
        return None

    def refuse(self, message: str, error_code: str | None = None) -> None:
        """Say that something is wrong; the connection stays as it is."""
        coded = "error_with_code" in self._habits.quirks
        text = messages.error(self.parameters.dialect, message, error_code, coded=coded)
        self._outgoing.append(Outgoing(text))

    def time_out(self) -> None:
        """Send the message of a timeout that the connection survives."""
        self._outgoing.append(Outgoing(messages.TIMED_OUT))

    def _close(self, words: Sequence[RecognizedWord]) -> None:
        habit = self._habits.is_last
        last = habit == "always" or (habit == "after_speech" and self._finished_words > 0)
        self.closed = last
        way = self._habits.last_message
        if words and (way != "with_words" or not last):
            self._send_final(words, Cut.CLOSE)
            words = ()
        elif not last:
            return
        if last:
            final = replace(self._final(words, pause=True), is_last=True)
            if way == "repeats":
                final = replace(final, text=self._last_text, words=None)
            self._send(replace(final, from_finalize=self._flag(answers=False)))

    def _flag(self, *, answers: bool) -> bool | None:
        """The value of `from_finalize`; None leaves the field out."""
        habit, asked = self._habits.from_finalize, self.parameters
        if habit == "observed" and asked.dialect == "pulse":
            # The vendor's probe never saw the field on this endpoint with ITN off.
            return True if answers and asked.itn else None
        if habit == "never" or (habit == "itn" and not asked.itn):
            return False
        return answers

    def _cumulative(self) -> bool:
        """Whether finals carry `full_transcript`."""
        habit, asked = self._habits.full_transcript, self.parameters
        if habit == "observed" and asked.dialect == "pulse":
            # The vendor's probe: never with one language, even where it was asked for; with a
            # group of languages always, unasked.
            return asked.language in AGGREGATES
        return habit == "always" or (habit in ("observed", "asked") and asked.full_transcript)

    def _final(self, words: Sequence[RecognizedWord], *, pause: bool) -> Transcript:
        asked, habits = self.parameters, self._habits
        if not asked.diarize:
            words = [replace(word, speaker=None) for word in words]
        written = self._formatter.format(words, pause=pause)
        entities: list[str] = []
        if self._redactor.active:
            written, entities = self._redactor.redact(written)
        text = " ".join(word.text for word in written)
        if "spoiled_by_keywords" in habits.quirks and asked.keywords_doubtful and text:
            text = " ".join(f'\u2047 "{word}' for word in list(asked.keywords)[:3] or ["I"])
        if text:
            self._said.append(text)
        with_words = (asked.word_timestamps or asked.diarize) and habits.word_timestamps is None
        languages = list(dict.fromkeys(word.language or asked.detected for word in words))
        detected = languages or [asked.detected]
        if "wrong_language" in habits.quirks:
            detected = ["da"]
        text += " " * bool(text and habits.trailing_space and not asked.itn)
        self._last_text = text or self._last_text
        return Transcript(
            session_id=self.session_id,
            text=text,
            is_final=True,
            language=detected[0],
            languages=detected,
            words=_wire_words(written, set(entities)) if with_words else None,
            emotion=self._emotion if words else None,
            gender=self._gender if words else None,
            utterances=_utterances(written) if asked.sentence_timestamps else None,
            full_transcript=" ".join(self._said) if self._cumulative() else None,
            redacted_entities=entities or None,
        )

    def _send(self, transcript: Transcript) -> None:
        if "bare_messages" in self._habits.quirks and self.parameters.dialect == "pulse":
            transcript = replace(transcript, typed=False)
        text = transcript.encode(self.parameters.dialect)
        final = transcript.is_final
        self._outgoing.append(
            Outgoing(text, is_final=final, is_interim=not final, text=transcript.text)
        )


def _wire_words(words: Sequence[RecognizedWord], entities: set[str]) -> list[WireWord]:
    return [
        WireWord(
            # Placeholders are in lower case here, though not in the text.
            word=word.text.lower() if word.text.rstrip(".?") in entities else word.text,
            start=word.start,
            end=word.end,
            confidence=word.confidence,
            speaker=word.speaker,
            speaker_confidence=word.speaker_confidence,
        )
        for word in words
    ]


def _utterances(words: Sequence[RecognizedWord]) -> list[Utterance]:
    """The sentences of a final: each ends at a full stop, a question mark or another speaker."""
    utterances: list[Utterance] = []
    sentence: list[RecognizedWord] = []
    for index, word in enumerate(words):
        sentence.append(word)
        after = words[index + 1] if index + 1 < len(words) else None
        ends = word.text.endswith((".", "?"))
        if after is None or ends or after.speaker != word.speaker:
            text = " ".join(each.text for each in sentence)
            first = sentence[0]
            utterances.append(Utterance(text, first.start, word.end, first.speaker))
            sentence = []
    return utterances
