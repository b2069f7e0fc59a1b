"""A run of audio: one format without a hole, resampled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pulse_plugins.cli.media.selection import Piece

if TYPE_CHECKING:
    import av


class Run:
    """Audio of one format without a hole, on its way through one resampler."""

    def __init__(self, frame: av.AudioFrame, time: float, rate: int, *, separate: bool) -> None:
        import av

        self._format = (frame.format.name, frame.layout.name, frame.sample_rate)
        # Surround sound is mixed by FFmpeg, which knows where speech is in it.
        mixed = frame.layout.nb_channels > 2 and not separate
        self._resampler = av.AudioResampler("s16", "mono" if mixed else frame.layout, rate)
        self._channels = 1 if mixed else frame.layout.nb_channels
        self._start = time
        self._rate = rate
        self._given = 0

    def continues_with(self, frame: av.AudioFrame) -> bool:
        """Whether the resampler takes this frame too."""
        return self._format == (frame.format.name, frame.layout.name, frame.sample_rate)

    def take(self, frame: av.AudioFrame) -> Iterator[Piece]:
        """Add a frame."""
        frame.pts = None  # the place is known already
        return self._resampled(frame)

    def flush(self) -> Iterator[Piece]:
        """The samples that the resampler still holds."""
        return self._resampled(None)

    def _resampled(self, frame: av.AudioFrame | None) -> Iterator[Piece]:
        for each in self._resampler.resample(frame):
            samples: NDArray[np.int16] = np.asarray(each.to_ndarray(), np.int16)
            samples = samples.reshape(-1, self._channels)
            if len(samples):
                yield Piece(self._start + self._given / self._rate, samples)
                self._given += len(samples)
