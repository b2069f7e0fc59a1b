"""Counters of one stream, made from its events."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from pulse_plugins.core.base.events import (
    AudioLost,
    Connected,
    Event,
    Final,
    Interim,
    MessageIgnored,
    Reconnecting,
    Recovered,
    ServerReported,
)


@dataclass(frozen=True, slots=True)
class StreamMetrics:
    """Counts of one stream, from its start to now.

    Attributes:
        audio_seconds: Audio that was pushed into the stream.
        sent_seconds: Audio that was sent, replayed audio included.
        replayed_seconds: Audio that was sent again after a lost connection.
        lost_seconds: Audio that will not be transcribed.
        silence_seconds: Silence that was sent to keep an idle connection open.
        outage_seconds: Time without a connection, in outages that are over.
        connects: Handshakes that succeeded.
        failovers: Connections to another base URL than the attempt before, which failed.
        recoveries: Outages that ended with all buffered audio sent.
        finals: Finals with text.
        interims: Interims.
        promoted: Finals with the text of the newest interim, because no answer came in time.
        ignored: Messages or fields of the server that could not be read.
        reported: Errors that the server reported inside a connection that went on.
        unread: Events that were discarded because nobody read them.
        retries: Attempts to reconnect, by their reason (`PulseError.code`).
    """

    audio_seconds: float = 0.0
    sent_seconds: float = 0.0
    replayed_seconds: float = 0.0
    lost_seconds: float = 0.0
    silence_seconds: float = 0.0
    outage_seconds: float = 0.0
    connects: int = 0
    failovers: int = 0
    recoveries: int = 0
    finals: int = 0
    interims: int = 0
    promoted: int = 0
    ignored: int = 0
    reported: int = 0
    unread: int = 0
    retries: dict[str, int] = field(default_factory=dict)


class Counters:
    """Counts the events of one stream."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._retries: Counter[str] = Counter()
        self._lost = 0.0
        self._outage = 0.0

    def count(self, event: Event) -> None:
        """Count one event."""
        match event:
            case Interim():
                self._counts["interims"] += 1
            case Final(promoted=promoted, text=text):
                self._counts["finals"] += bool(text)
                self._counts["promoted"] += promoted and bool(text)
            case Connected(failed_over=failed_over):
                self._counts["connects"] += 1
                self._counts["failovers"] += failed_over
            case Reconnecting(reason=reason):
                self._retries[reason] += 1
            case Recovered(outage=outage):
                self._counts["recoveries"] += 1
                self._outage += outage
            case AudioLost(duration=duration):
                self._lost += duration
            case ServerReported():
                self._counts["reported"] += 1
            case MessageIgnored():
                self._counts["ignored"] += 1
            case _:
                pass

    def discarded(self) -> None:
        """Count an event that was discarded because nobody read it."""
        self._counts["unread"] += 1

    def snapshot(self, audio: float, sent: float, replayed: float, silence: float) -> StreamMetrics:
        """The counts so far, with four figures of the session in seconds."""
        return replace(
            StreamMetrics(audio, sent, replayed, self._lost, silence, self._outage),
            **self._counts,
            retries=dict(self._retries),
        )
