"""Detects where speech begins and ends, for endpointing and the `speech_…` messages.

Only sample counts are measured here, no clock: the same audio gives the same edges however it is
cut into pieces and however fast it comes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

import numpy as np
import pocketsphinx
from numpy.typing import NDArray

_FRAME = 0.02  # seconds; the detector below takes 10, 20 or 30 ms


class SpeechEdge(NamedTuple):
    """Speech began or ended.

    Attributes:
        kind: What happened, as the service's messages name it.
        time: Seconds from the first sample fed to where it happened, which is earlier than where
            it was decided.
    """

    kind: Literal["speech_started", "speech_ended"]
    time: float


class VoiceActivity(Protocol):
    """Finds the edges of speech in a stream of samples."""

    def feed(self, pcm: NDArray[np.int16]) -> Sequence[SpeechEdge]:
        """Take the next samples, mono; answer with the edges that they decide, in order."""
        ...


class SpeechDetector:
    """The WebRTC voice detector with windows, so that one click is no speech and one stop no end.

    A frame counts as speech where the detector says so and it is louder than `floor`: the detector
    alone takes faint steady noise for speech.

    Attributes:
        speaking: Whether the last edge was a beginning.
        silence: Seconds of silence at the end of what was fed; 0.0 inside speech.
    """

    def __init__(
        self,
        sample_rate: int,
        *,
        start_ms: float = 60,
        silence_ms: float = 600,
        strictness: Literal[0, 1, 2, 3] = 1,
        floor: float = 60.0,
    ) -> None:
        """Make a detector for one stream.

        Args:
            sample_rate: Hz, 8000 to 48000.
            start_ms: That much speech within twice the time begins speech.
            silence_ms: That much silence on end ends speech; the service's `endpointing_timeout`.
            strictness: How sure the detector must be: 0 takes most for speech, 3 least.
            floor: The root mean square, in steps of 16 bit, below which a frame is silence.
        """
        self._rate = sample_rate
        self._vad = pocketsphinx.Vad(strictness, sample_rate, _FRAME)
        # At other rates than 8, 16, 32 and 48 kHz the detector's frame is not quite the one asked.
        self._frame = self._vad.frame_bytes // 2
        seconds = self._frame / sample_rate
        self._need = max(1, round(start_ms / 1000 / seconds))
        self._hangover = max(1, round(silence_ms / 1000 / seconds))
        self._floor = floor
        self._recent: deque[bool] = deque(maxlen=2 * self._need)
        self._left = np.empty(0, np.int16)
        self._frames = 0
        self._quiet = 0  # silent frames on end
        self.speaking = False

    @property
    def silence(self) -> float:
        """Seconds of silence at the end of what was fed; 0.0 inside speech."""
        return float(self._quiet * self._frame / self._rate)

    def feed(self, pcm: NDArray[np.int16]) -> list[SpeechEdge]:
        """Take the next samples, mono; answer with the edges that they decide, in order."""
        edges: list[SpeechEdge] = []
        self._left = np.concatenate((self._left, pcm))
        whole = len(self._left) // self._frame
        for frame in self._left[: whole * self._frame].reshape(whole, self._frame):
            edge = self._take(frame)
            if edge is not None:
                edges.append(edge)
        self._left = self._left[whole * self._frame :]
        return edges

    def _take(self, frame: NDArray[np.int16]) -> SpeechEdge | None:
        loud = float(np.sqrt(np.mean(np.square(frame, dtype=np.float64)))) > self._floor
        # Always asked, as the detector learns the background from every frame.
        speech = bool(self._vad.is_speech(frame.tobytes())) and loud
        self._frames += 1
        self._quiet = 0 if speech else self._quiet + 1
        self._recent.append(speech)
        if not self.speaking and sum(self._recent) >= self._need:
            self.speaking = True
            first = self._frames - len(self._recent) + self._recent.index(True)
            return SpeechEdge("speech_started", first * self._frame / self._rate)
        if self.speaking and self._quiet >= self._hangover:
            self.speaking = False
            self._recent.clear()
            last = self._frames - self._quiet
            return SpeechEdge("speech_ended", last * self._frame / self._rate)
        return None
