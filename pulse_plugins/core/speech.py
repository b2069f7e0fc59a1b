"""Is there speech in this stretch of audio? Asked rarely, so that the audio path pays nothing.

The measure is the loudness of what was recognized before: a stretch that is much quieter than the
caller's own words holds none. It is evidence, not proof; `session` bounds what it decides by it.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from pulse_plugins.core.audio import frame_loudness
from pulse_plugins.core.timeline import Timeline

_FRAME: Final = 0.02  # seconds
_MARGIN: Final = 0.06  # word times are this coarse: the end of a word is not new speech
_SHORTEST: Final = 0.06  # seconds; shorter is a click
_RELATIVE: Final = 0.15  # of the loudness of recognized words
_ABSOLUTE: Final = 0.01  # of full scale (-40 dB), while no word was recognized yet


class SpeechLevel:
    """Remembers how loud recognized words were."""

    def __init__(self, timeline: Timeline, encoding: str) -> None:
        self._timeline = timeline
        self._encoding = encoding
        self._frame_bytes = timeline.position(_FRAME)
        self._threshold = _ABSOLUTE

    def learn(self, start: float, end: float) -> None:
        """Words were recognized between these stream_times; call it before they are settled."""
        levels = self._levels(start, end)
        if levels.size:
            self._threshold = max(1e-4, _RELATIVE * float(np.median(levels)))

    def has_speech(
        self, start: float, end: float, *, margin: float = _MARGIN, at_least: float = _SHORTEST
    ) -> bool:
        """Whether unexplained speech lies between two stream_times.

        Args:
            start: The end of the last word that is known.
            end: The position that is asked about.
            margin: Seconds after `start` that may still belong to that word.
            at_least: Seconds of loud audio that count.
        """
        levels = self._levels(start + margin, end)
        loud = int(np.count_nonzero(levels > self._threshold))
        return loud * _FRAME >= at_least - 1e-9

    def _levels(self, start: float, end: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        timeline = self._timeline
        audio = timeline.read(timeline.position(start), timeline.position(end))
        whole = len(audio) - len(audio) % self._frame_bytes
        return frame_loudness(audio[:whole], self._encoding, self._frame_bytes)
