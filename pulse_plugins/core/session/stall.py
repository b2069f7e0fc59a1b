"""Stall detection: speech or a request was sent and the server has sent nothing for too long.

Only certain speech counts, which is as loud as recognized words. Before the first words such sound
may be noise, and a server without interims is silent for as long as the caller speaks. The time
until a stall therefore doubles with each stall until an interim comes. A request counts however
softly the caller speaks, if the server has answered a request without words before, or if certain
speech before the request has no words.
"""

from __future__ import annotations

from bisect import bisect_right
from operator import itemgetter

from pulse_plugins.core.audio.energy import LONGEST_WORD, Energy
from pulse_plugins.core.config.in_force import OptionsInForce
from pulse_plugins.core.transcript.untimed import MAX_LATENCY

# Seconds of certain speech to which a working server answers. An interim comes about 0.1 s after
# each word; 0.3 s is one syllable or more. Shorter: a slammed door is taken for speech. Longer: a
# server that ignores a short reply such as "yes" is not noticed.
_SPEECH = 0.3
# Seconds between two looks, by which a stall may be noticed late. Shorter: more work for each
# stream.
LOOK_EVERY = 0.5
# Seconds that the doubled patience reaches at most: the default of `max_outage`. Shorter: a line
# with loud noise and no words reconnects more often. Longer: a server that ignores the caller from
# the beginning is kept for longer.
_LONGEST_PATIENCE = 60.0
# Seconds after which sent audio without possible speech need not be kept for a replay: a word that
# began then has ended, and its text has come. Shorter: a soft word whose text is on its way is lost
# with the connection. Longer: a replay of a quiet line keeps the caller's next words waiting.
_QUIET_AFTER = LONGEST_WORD + MAX_LATENCY
# Seconds after which sent audio without certain speech need not be kept. Twenty times the slowest
# final that was measured (docs/protocol.md, section 9). Shorter: a replay may miss a late word that
# is not louder than noise. Longer: a replay of a noisy line keeps the caller's next words waiting.
_NOISY_AFTER = 30.0


class StallDetector:
    """Watches the current connection.

    Args:
        in_force: The options; `Timeouts.stall` is the patience.
        energy: The loudness of the audio.
    """

    def __init__(self, in_force: OptionsInForce, energy: Energy) -> None:
        self._in_force = in_force
        self._energy = energy
        self._doublings = 0
        self._looked_at = 0.0  # stream_time up to which audio was looked at
        self._last_look = 0.0  # on the session's clock
        self._speech = 0.0  # seconds of it since the server sent anything
        self._since: float | None = None  # when enough of it had been sent

    def connection_changed(self, sent: float, now: float) -> None:
        """Another connection is the current one; it is sent audio from this stream_time on."""
        self._looked_at, self._last_look = sent, now
        self._speech, self._since = 0.0, None

    def interim_came(self) -> None:
        """The server shows words of this stream while the caller speaks."""
        self._doublings = 0

    def is_stalled(
        self,
        sent: float,
        heard_at: float,
        owed_since: float | None,
        asked_since: float | None,
        now: float,
    ) -> bool:
        """Look again; call it every `LOOK_EVERY` seconds.

        Args:
            sent: stream_time up to which the connection was sent audio.
            heard_at: When the server sent its newest message that is no error, on the session's
                clock.
            owed_since: Since when the server is silent after the closing word although it owes
                words; None: it owes none, or was not asked for the last words.
            asked_since: Since when the server is silent after a finalize that it owes an answer;
                None: it owes none.
            now: The session's clock.
        """
        if owed_since is not None and now - owed_since >= self._in_force.options.timeouts.stall:
            return True
        if heard_at > self._last_look:
            self._speech, self._since = 0.0, None
        else:
            self._speech += self._energy.certain(self._looked_at, sent)
        self._looked_at, self._last_look = max(self._looked_at, sent), now
        if self._since is None and self._speech >= _SPEECH:
            self._since = now
        since = min((each for each in (self._since, asked_since) if each is not None), default=now)
        patience = self._in_force.options.timeouts.stall * 2.0**self._doublings
        if now - since < min(patience, _LONGEST_PATIENCE):
            return False
        self._doublings = min(self._doublings + 1, 10)
        return True


class SentHistory:
    """Remembers how much audio had been sent at each look, to tell what was sent long ago."""

    def __init__(self) -> None:
        self._looks: list[tuple[float, int]] = []  # when, and the offset up to which was sent

    def look(self, now: float, sent: int) -> tuple[int, int]:
        """Note that audio before the offset `sent` is sent by now.

        Returns:
            The offset before which audio was sent `_QUIET_AFTER` seconds ago, and the one before
            which it was sent `_NOISY_AFTER` seconds ago; 0 while no look is so old.
        """
        looks = self._looks
        looks.append((now, sent))
        while len(looks) > 1 and looks[1][0] <= now - _NOISY_AFTER:
            del looks[0]
        return self._sent_by(now - _QUIET_AFTER), self._sent_by(now - _NOISY_AFTER)

    def clear(self) -> None:
        """Another connection was sent nothing yet."""
        self._looks.clear()

    def _sent_by(self, time: float) -> int:
        known = bisect_right(self._looks, time, key=itemgetter(0))
        return self._looks[known - 1][1] if known else 0
