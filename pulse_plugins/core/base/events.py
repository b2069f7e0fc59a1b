"""Events of a stream; their times are seconds of `stream_time`.

`stream_time` counts the audio that was pushed into the stream: 0.0 is the first sample. It goes on
over reconnects, and does not count pauses in which no audio was pushed.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from pulse_plugins.core.base.errors import PulseError


@dataclass(frozen=True, slots=True)
class Word:
    """One recognized word and its position in the audio."""

    text: str
    start: float  # seconds, stream_time
    end: float
    confidence: float | None = None  # 0..1
    speaker: str | None = None  # stable within one connection only
    speaker_confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Utterance:
    """One sentence of a final, with `sentence_timestamps`."""

    text: str
    start: float
    end: float
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class Interim:
    """Text that may still change. It replaces the interim before it.

    An empty text takes the interim before it back: its words had been delivered before, or the
    server answered a finalize request without words.
    """

    text: str
    start: float  # stream_time up to which finals cover the audio
    session_id: str = ""


@dataclass(frozen=True, slots=True)
class Final:
    """A segment whose text will not change, or the empty answer to a finalize request.

    Attributes:
        text: The text without surrounding space; "" only if `finalize_id` is set.
        start: Start of the first word.
        end: End of the last word; without word times, the end of the audio that is known to be
            covered.
        words: Words with times; empty if the server sent none.
        finalize_id: The final answers every finalize request up to this id. None if the server
            ended the segment by itself, after a number of words or a silence.
        promoted: The server did not answer in time; the text is that of the newest interim. "" if
            the server has told none of the speech before the request.
        speech_final: The server reported that the speaker paused.
        language: The code that the connection asked for; the detected one if it asked for a group.
        languages: All languages that the server detected.
        speaker: The speaker of most words, with `diarize`; stable within one connection.
        utterances: Sentences, with `sentence_timestamps`.
        redacted_entities: Placeholders in the text, with redaction.
        emotion: The server's estimate as it came, with `emotion_detection`.
        gender: The server's estimate as it came, with `gender_detection`.
        full_transcript: All finals of the stream so far, with `full_transcript`; "" without it.
        session_id: The server's id of the connection.
    """

    text: str
    start: float
    end: float
    words: tuple[Word, ...] = ()
    finalize_id: int | None = None
    promoted: bool = False
    speech_final: bool = False
    language: str | None = None
    languages: tuple[str, ...] = ()
    speaker: str | None = None
    utterances: tuple[Utterance, ...] = ()
    redacted_entities: tuple[str, ...] = ()
    emotion: object = None
    gender: object = None
    full_transcript: str = ""
    session_id: str = ""

    @property
    def finalized(self) -> bool:
        """Whether this final answers a finalize request."""
        return self.finalize_id is not None

    @property
    def confidence(self) -> float | None:
        """The geometric mean of the confidences of the words, or None without any."""
        known = [max(w.confidence, 1e-6) for w in self.words if w.confidence is not None]
        return math.exp(sum(map(math.log, known)) / len(known)) if known else None


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The VAD of the server detected the start of speech, with `vad_events`."""

    time: float


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The VAD of the server detected the end of speech; finals of it may still follow."""

    time: float


@dataclass(frozen=True, slots=True)
class Connected:
    """A connection is open. Every `Connected` is followed by one `Disconnected`."""

    attempt: int  # 1 for the first attempt
    seconds: float  # length of the handshake
    url: str = ""  # the base URL of the server
    failed_over: bool = False  # the attempt before failed, and used another base URL


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The open connection has ended; `error` is None after a normal close."""

    error: PulseError | None = None


@dataclass(frozen=True, slots=True)
class Reconnecting:
    """There is no connection; the next attempt starts in `delay` seconds."""

    attempt: int
    reason: str  # PulseError.code
    delay: float
    error: PulseError = field(compare=False)


@dataclass(frozen=True, slots=True)
class Recovered:
    """An outage is over: all buffered audio has been sent on the new connection."""

    outage: float  # seconds without a connection
    replayed: float  # seconds of audio that were sent again


@dataclass(frozen=True, slots=True)
class AudioLost:
    """Audio that will not be transcribed: the buffer was full, or the stream ended."""

    start: float
    duration: float
    reason: str

    @property
    def end(self) -> float:
        """The stream_time at which the lost audio ends."""
        return self.start + self.duration


@dataclass(frozen=True, slots=True)
class OptionsApplied:
    """Changed options are in force for the audio from `time` on."""

    time: float


@dataclass(frozen=True, slots=True)
class OptionsRefused:
    """The service refused changed options; the former options stay in force."""

    error: PulseError = field(compare=False)


@dataclass(frozen=True, slots=True)
class MessageIgnored:
    """A message of the server, or one field of it, could not be read and was left out."""

    reason: str


@dataclass(frozen=True, slots=True)
class ServerReported:
    """The server reported an error inside the stream, and the connection goes on."""

    error: PulseError = field(compare=False)


Event: TypeAlias = (
    Interim
    | Final
    | SpeechStarted
    | SpeechEnded
    | Connected
    | Disconnected
    | Reconnecting
    | Recovered
    | AudioLost
    | OptionsApplied
    | OptionsRefused
    | MessageIgnored
    | ServerReported
)


def utterances_of_parts(final: Final, starts: Sequence[float]) -> list[tuple[Utterance, ...]]:
    """Divide the utterances of a final among its parts, each to the part in which it starts.

    Args:
        final: The final.
        starts: stream_time at which each part starts, in order.
    """
    found: list[list[Utterance]] = [[] for _ in starts]
    for each in final.utterances:
        found[max(bisect_right(starts, each.start) - 1, 0)].append(each)
    return [tuple(part) for part in found]
