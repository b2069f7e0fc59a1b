"""The server's side of one connection, without a socket: words and speech in, messages out.

Three cutters end a segment on their own: silence (the voice detector's `endpointing_timeout` and
the decoder's `eou_timeout_ms`), and the count of words. The client's two are `finalize` and the
closing word. The driver tells what it decoded, asks `due()` whether to finish the segment, and
takes the `messages()` that have come together.

Times are seconds of the connection's audio; nothing here awaits or reads a clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Literal

from pulse_plugins.local.output.formatting import Formatter, numbers_at_end
from pulse_plugins.local.output.redaction import LANGUAGES as REDACTED_LANGUAGES
from pulse_plugins.local.output.redaction import Redactor
from pulse_plugins.local.recognizers.contract import RecognizedWord
from pulse_plugins.local.recognizers.vad import SpeechEdge
from pulse_plugins.local.wire import messages
from pulse_plugins.local.wire.messages import Control, Transcript, Utterance, WireWord
from pulse_plugins.local.wire.parameters import Parameters

DEFAULT_MAX_WORDS = 10
_PAUSE = 0.04  # seconds of silence that a cut by words may use, where it waits for one

Quirk = Literal[
    "empty_first_interim", "punctuation_final", "full_transcript", "wrong_language", "twice"
]


class Cut(Enum):
    """Why a segment ends."""

    FINALIZE = "finalize"
    SILENCE = "silence"
    WORDS = "words"
    CLOSE = "close"


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How this server differs from others that follow the same documents.

    Attributes:
        max_words: Words after which a segment is cut where the client does not say; None: never.
        rollover_at_pause: Such a cut waits for a pause, up to twice the words: a recognizer of
            real speech mishears the word that a cut goes through. None: the server waits, unless
            the recognizer is the scripted one, which no cut harms.
        from_finalize: Which answers to a finalize say so: all, those with ITN on, or none.
        answer_empty: Answer a finalize when nothing is pending.
        word_timestamps: False never sends words, whatever the client asks; None as it asks.
        vad_events: False never tells where speech begins and ends, whatever the client asks; None
            as it asks.
        is_last: Whether a close is answered: always, only where something was said on the
            connection (the service was seen to leave others open), or never.
        trailing_space: Finals end with a space, as the service's plain ones do.
        quirks: Oddities seen on the wire: an empty interim at the start, a final of one full stop
            after each, `full_transcript` unasked, a language that was not asked for, and each
            answer to a finalize sent twice.
    """

    max_words: int | None = DEFAULT_MAX_WORDS
    rollover_at_pause: bool | None = None
    from_finalize: Literal["always", "itn", "never"] = "always"
    answer_empty: bool = True
    word_timestamps: Literal[False] | None = None
    vad_events: Literal[False] | None = None
    is_last: Literal["always", "after_speech", "never"] = "always"
    trailing_space: bool = True
    quirks: frozenset[Quirk] = frozenset()


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message and what the driver must know of it."""

    data: str
    is_final: bool = False
    is_interim: bool = False


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
            # A hair of rounding must not cost a whole packet's time.
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

    def finished(self, words: Sequence[RecognizedWord], cut: Cut) -> None:
        """The segment is finished, and these are its words."""
        self._finished_words += len(words)
        self._words, self._interim = (), ""
        if cut is not Cut.WORDS:
            self._spoke = False
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
            flag = self._flag() if cut is Cut.FINALIZE else False
            final = self._final(words, pause=cut is not Cut.WORDS)
            final = replace(final, from_finalize=flag)
            self._send(final)
            if cut is Cut.FINALIZE and "twice" in self._habits.quirks:
                self._send(replace(final, from_finalize=False))
            if words and "punctuation_final" in self._habits.quirks:
                self._send(replace(self._final((), pause=True), text=".", words=None))

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
                # An inference server called directly does not know `keepalive` and says so.
                if dialect == "direct":
                    self.refuse("unknown message type")
        return None

    def refuse(self, message: str, error_code: str | None = None) -> None:
        """Say that something is wrong; the connection stays as it is."""
        text = messages.error(self.parameters.dialect, message, error_code)
        self._outgoing.append(Outgoing(text))

    def _close(self, words: Sequence[RecognizedWord]) -> None:
        habit = self._habits.is_last
        last = habit == "always" or (habit == "after_speech" and self._finished_words > 0)
        self.closed = last
        if words or last:
            final = self._final(words, pause=True)
            self._send(replace(final, from_finalize=False, is_last=last))

    def _flag(self) -> bool:
        match self._habits.from_finalize:
            case "always":
                return True
            case "itn":
                return self.parameters.itn
            case "never":
                return False

    def _final(self, words: Sequence[RecognizedWord], *, pause: bool) -> Transcript:
        asked, habits = self.parameters, self._habits
        written = self._formatter.format(words, pause=pause)
        entities: list[str] = []
        if self._redactor.pii or self._redactor.pci:
            written, entities = self._redactor.redact(written)
        text = " ".join(word.text for word in written)
        if text:
            self._said.append(text)
        cumulative = asked.full_transcript or "full_transcript" in habits.quirks
        with_words = (asked.word_timestamps or asked.diarize) and habits.word_timestamps is None
        return Transcript(
            session_id=self.session_id,
            text=text + " " * bool(text and habits.trailing_space and not asked.itn),
            is_final=True,
            language="da" if "wrong_language" in habits.quirks else asked.language,
            words=_wire_words(written, set(entities)) if with_words else None,
            utterances=_utterances(written) if asked.sentence_timestamps else None,
            full_transcript=" ".join(self._said) if cumulative else None,
            redacted_entities=entities or None,
        )

    def _send(self, transcript: Transcript) -> None:
        text = transcript.encode(self.parameters.dialect)
        final = transcript.is_final
        self._outgoing.append(Outgoing(text, is_final=final, is_interim=not final))


def _wire_words(words: Sequence[RecognizedWord], entities: set[str]) -> list[WireWord]:
    return [
        WireWord(
            # Placeholders are in lower case here, though not in the text.
            word=word.text.lower() if word.text.rstrip(".?") in entities else word.text,
            start=word.start,
            end=word.end,
            confidence=word.confidence,
        )
        for word in words
    ]


def _utterances(words: Sequence[RecognizedWord]) -> list[Utterance]:
    """The sentences of a final: up to a full stop or question mark each."""
    utterances: list[Utterance] = []
    sentence: list[RecognizedWord] = []
    for index, word in enumerate(words):
        sentence.append(word)
        if word.text.endswith((".", "?")) or index == len(words) - 1:
            text = " ".join(each.text for each in sentence)
            utterances.append(Utterance(text, sentence[0].start, sentence[-1].end))
            sentence = []
    return utterances
