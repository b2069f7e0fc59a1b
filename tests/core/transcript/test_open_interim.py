"""The newest interim, and what it tells about the audio when it is promoted."""

from __future__ import annotations

from pulse_plugins.core.audio.energy import Energy
from pulse_plugins.core.audio.replay_buffer import ReplayBuffer
from pulse_plugins.core.transcript.heard import HeardAudio
from pulse_plugins.core.transcript.open_interim import OpenInterim

RATE = 32_000  # bytes a second of linear16 at 16 kHz


def opened(text: str, sent: float) -> OpenInterim:
    """An interim that came when so many seconds of audio had been sent."""
    buffer = ReplayBuffer(bytes_per_second=RATE, align=2, limit=60 * RATE)
    buffer.append_sent(bytes(round(sent * RATE)))
    interim = OpenInterim(buffer, Energy(buffer, "linear16"), HeardAudio(buffer))
    interim.came(text, lambda: 0.0, sent)
    return interim


def test_the_words_of_a_promoted_interim_were_said_in_the_audio_that_was_sent_before_it() -> None:
    interim = opened("hello", 2.6)
    assert interim.promote(2.0) == ("hello", 2.6)
    assert interim.text == ""


def test_they_were_said_before_the_mark_if_more_audio_was_sent_since() -> None:
    assert opened("hello", 2.6).promote(3.0) == ("hello", 3.0)
