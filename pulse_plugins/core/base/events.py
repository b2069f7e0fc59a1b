"""What a stream tells its owner: facts in the past, times in seconds of `stream_time`.

`stream_time` counts the audio given to the stream: 0.0 is its first sample. It does not stop for
reconnects and does not count pauses in which no audio was given.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TypeAlias

from pulse_plugins.core.base.errors import PulseError


@dataclass(frozen=True, slots=True)
class Word:
    """One recognized word, with its place on the stream's clock."""

    text: str
    start: float  # seconds, stream_time
    end: float
    confidence: float | None = None  # 0..1
    speaker: str | None = None  # stable within one connection only
    speaker_confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Utterance:
    """A sentence-like stretch of a final, when `sentence_timestamps` is on."""

    text: str
    start: float
    end: float
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class Interim:
    """Text that may still change; it replaces the interim before it."""

    text: str
    start: float  # stream_time from which audio is not yet covered by a final
    session_id: str = ""


@dataclass(frozen=True, slots=True)
class Final:
    """One segment of text that will not change, or the empty answer to a finalize.

    Attributes:
        text: The segment, without surrounding space; "" only when `finalize_id` is set.
        start: Where the segment's first word starts, seconds of stream_time.
        end: Where its last word ends; without word times, the audio known to be covered.
        words: Words with times; empty when the server sent none.
        finalize_id: This final completes every finalize request up to this one; None when the
            server cut a segment of its own accord (word count, silence).
        promoted: The server gave no answer in time and this is the newest interim.
        speech_final: The server said that the speaker paused.
        language: The code that the connection was asked for, or the detected one where it was asked
            for a group of languages; None when nothing was detected.
        languages: All codes that were detected, as the server names them.
        full_transcript: All text of the stream so far; only with the option `full_transcript`.
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
    session_id: str = ""
    full_transcript: str | None = None

    @property
    def finalized(self) -> bool:
        """Whether this final completes a finalize request."""
        return self.finalize_id is not None

    @property
    def confidence(self) -> float | None:
        """The geometric mean of the words' confidences, or None without any."""
        known = [w.confidence for w in self.words if w.confidence is not None]
        if not known:
            return None
        return math.exp(sum(math.log(max(c, 1e-6)) for c in known) / len(known))


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The server's VAD heard speech begin (`vad_events`)."""

    time: float


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The server's VAD heard speech end; finals of that speech may still be on their way."""

    time: float


@dataclass(frozen=True, slots=True)
class Connected:
    """A connection is open. Connected and Disconnected come in pairs."""

    attempt: int  # 1: the first try
    seconds: float  # from the start of the handshake to its end
    url: str = ""  # the base URL that it goes to
    failed_over: bool = False  # the try before it failed, and went to another base URL


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection that was open is gone; `error` is None after an orderly end."""

    error: PulseError | None = None


@dataclass(frozen=True, slots=True)
class Reconnecting:
    """No connection: the next try starts in `delay` seconds."""

    attempt: int
    reason: str  # PulseError.code
    delay: float
    error: PulseError = field(compare=False)


@dataclass(frozen=True, slots=True)
class Recovered:
    """Live again after an outage: everything held was sent to the new connection."""

    outage: float  # seconds without a connection
    replayed: float  # seconds of audio that were sent a second time


@dataclass(frozen=True, slots=True)
class AudioLost:
    """Audio whose words will not come: more waited than `Limits.replay_seconds`, or the end."""

    start: float
    duration: float
    reason: str

    @property
    def end(self) -> float:
        """Seconds of stream_time at which the lost stretch ends."""
        return self.start + self.duration


@dataclass(frozen=True, slots=True)
class OptionsApplied:
    """Changed options are in force: audio from `time` on is heard with them."""

    time: float


@dataclass(frozen=True, slots=True)
class OptionsRefused:
    """The service refused changed options; the former ones stay in force."""

    error: PulseError = field(compare=False)


@dataclass(frozen=True, slots=True)
class MessageIgnored:
    """A message, or a field of one, could not be read; the rest was used."""

    reason: str


@dataclass(frozen=True, slots=True)
class ServerReported:
    """The server reported an error inside the connection; the connection goes on."""

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
