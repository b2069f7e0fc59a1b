"""What is known about the speech that is open: from the server's voice detector and the audio."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from pulse_plugins.core.base.events import Disconnected, OptionsApplied, Reconnecting, Recovered
from pulse_plugins.core.transcript.eager import EagerText
from pulse_plugins.livekit.audio_input import InputClock
from pulse_plugins.livekit.open_flushes import SAME_TURN

# Seconds without audio in the middle of speech after which the input has stopped.
_STOPPED = 0.6
# Seconds by which a look may be late. If it is later, the event loop was busy, and audio that came
# meanwhile still waits in the queues of the framework, for at most `_QUEUED` seconds.
_BUSY = 0.1
_QUEUED = 0.2
_SAME_END = 0.35  # seconds between the last word's end and the VAD's end of the same speech
_POLL = 0.2  # seconds between two looks at whether the caller is quiet
_QUIET = 0.4  # seconds of quiet audio after which a caller who went on has stopped again
# Seconds of the newest audio. The framework's own detector reports the end of speech after 0.55 s
# of silence: until then it hears the caller speak.
_NOW = 0.6
_LOOKS_BACK = 1.5  # seconds of audio that can be judged
# Seconds after the end of speech; a caller who speaks only later begins another turn. A flush comes
# 0.55 s after the end, and 0.6 s more are given after a flush.
_SAME_SPEECH = 1.15


@dataclass(slots=True)
class ServerSpeech:
    """What the server has reported of the open speech. Moments are stream_times.

    Attributes:
        is_reported: The server's voice detector has reported the start of this speech.
        is_open: The detector has not reported the end of this speech.
        started_at: The newest start that the detector has reported.
        ended_at: The end that the detector has reported; None: none.
        last_word: The end of the last word in a final, if finals have word times.
        is_away: There is no connection, so that silence of the server means nothing.
    """

    is_reported: bool = False
    is_open: bool = False
    started_at: float = 0.0
    ended_at: float | None = None
    last_word: float | None = None
    is_away: bool = False

    def connection_changed(
        self, event: Disconnected | Reconnecting | OptionsApplied | Recovered
    ) -> None:
        """A connection was lost or replaced, or another one has caught up."""
        if not isinstance(event, Recovered):
            self.is_open = False  # the detector of the next connection knows nothing of this one's
        if not isinstance(event, OptionsApplied):
            # A server that closes normally in mid-speech is replaced, too.
            is_lost = isinstance(event, Disconnected) and event.error is not None
            self.is_away = is_lost or isinstance(event, Reconnecting)

    def begins(self) -> None:
        """Another speech begins."""
        self.is_reported = self.is_open
        self.ended_at = self.last_word = None

    def started(self, at: float) -> None:
        """The detector hears speech from this stream_time on."""
        self.is_reported = self.is_open = True
        self.started_at, self.ended_at = at, None

    def is_answered(self, until: float) -> bool:
        """Whether the speech ended before this stream_time, up to which requests are answered."""
        return self.ended_at is not None and self.ended_at <= until

    def is_whole(self, caller: CallerAudio, answered_until: float) -> bool:
        """Whether the finals hold all words of the speech, unless an interim is open.

        An answered request tells it, or word times. Without a reported end, the audio after the
        last word must be quiet, because more words may be on their way. After a change of options,
        audio that is sent again may begin in the middle of a word; the server then reports a second
        start right after the last word.

        Args:
            caller: Judges the audio.
            answered_until: stream_time up to which requests are answered.
        """
        if self.is_answered(answered_until):
            return True
        if self.is_open or self.last_word is None:
            return False
        if self.ended_at is None:
            return caller.is_quiet_since(self.last_word)
        return self.last_word > self.started_at and self.last_word >= self.ended_at - _SAME_END


class CallerAudio:
    """Whether the caller goes on after a reported end, from audio that no text shows yet.

    Args:
        clock: Tells how much audio there is.
        eager: Judges how loud it is.

    Attributes:
        goes_on: The caller spoke after the reported end, and was not quiet since.
        look_at: When to look at the audio next, on the clock of `now`.
    """

    def __init__(self, clock: InputClock, eager: EagerText) -> None:
        self.goes_on = False
        self.look_at = 0.0
        self._until = 0.0  # from then on the sound is taken for noise
        self._clock = clock
        self._eager = eager

    def is_quiet_since(self, stream_time: float) -> bool:
        """Whether it is certain that there was no speech after this moment."""
        since = self._clock.until - stream_time
        return 0.0 < since <= _LOOKS_BACK and self._eager.is_quiet(since)

    def has_speech_since(self, stream_time: float, *, within: float = _SAME_SPEECH) -> bool:
        """Whether it is certain that there was speech after this moment.

        Args:
            stream_time: The moment.
            within: Seconds in which the speech must have begun.
        """
        since = self._clock.until - stream_time
        if not 0.05 < since <= _LOOKS_BACK:
            return False
        stretch = min(since, within)
        return not self._eager.is_quiet(stretch, before=since - stretch)

    def has_paused(self, last_word: float | None, flushed_at: float) -> bool:
        """Whether the input was muted between the last word and a flush, so that a turn ended.

        Args:
            last_word: stream_time of its end; None: not known.
            flushed_at: stream_time of the flush.
        """
        since = flushed_at if last_word is None else min(last_word, flushed_at)
        missing = self._clock.missing
        return missing(flushed_at, flushed_at) - missing(since, since) >= SAME_TURN

    def speaks_later_than(self, stream_time: float) -> bool:
        """Whether the caller speaks now, which is after this moment."""
        return self._clock.until > stream_time and not self._eager.is_quiet(_NOW)

    def is_long_past(self, stream_time: float) -> bool:
        """Whether more audio followed this moment than is kept for judging it.

        This happens after an outage, when the server is sent seconds of audio at once. Its next
        report then tells whether the caller went on.
        """
        return self._clock.until - stream_time > _LOOKS_BACK

    def is_heard(self, now: float, *, at_most: float = inf) -> None:
        """Note that the caller goes on.

        Args:
            now: Seconds of a steady clock.
            at_most: Seconds after which this is taken for noise.
        """
        self.goes_on = True
        self._until = now + at_most
        self.look_later(now)

    def is_reported(self) -> None:
        """The server reports the speech that was noticed here before. Its report counts."""
        if self._until < inf:
            self.goes_on = False

    def look_later(self, now: float) -> None:
        """Look again in a while."""
        self.look_at = now + _POLL

    def stops(self, now: float) -> bool:
        """Look at the audio. Returns whether the caller is quiet again, as after a short noise."""
        self.look_later(now)
        if self._eager.is_quiet(_QUIET) or now >= self._until:
            self.goes_on = False
        return not self.goes_on


class InputWatch:
    """Whether the input has stopped in the middle of speech; times are on the clock of `now`."""

    def __init__(self) -> None:
        self._came_at = 0.0  # when audio was last known to come

    def look_at(self, changed_at: float) -> float:
        """When to look next.

        Args:
            changed_at: When something of the speech was last heard.
        """
        return max(changed_at, self._came_at) + _STOPPED

    def has_stopped(self, now: float, silent_for: float, changed_at: float) -> bool:
        """Look whether audio still comes.

        Args:
            now: Seconds of a steady clock.
            silent_for: Seconds since the newest audio was given.
            changed_at: When something of the speech was last heard.
        """
        is_late = now > self.look_at(changed_at) + _BUSY
        self._came_at = now - (min(silent_for, _STOPPED - _QUEUED) if is_late else silent_for)
        return silent_for >= _STOPPED and not is_late
