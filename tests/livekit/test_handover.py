"""What a failed stream leaves for the one that is opened in its place."""

from __future__ import annotations

import asyncio

from livekit import rtc

from pulse_plugins.livekit.handover import Flush, Kept, claim, park


def frame(seconds: float = 1.0) -> rtc.AudioFrame:
    return rtc.AudioFrame.create(16_000, 1, round(16_000 * seconds))


def test_settled_audio_is_not_kept() -> None:
    kept = Kept()
    for index in range(5):
        kept.audio(frame(), 100.0 + index)
    kept.settle(2.5)
    assert (len(kept.items), kept.seconds, kept.began) == (3, 3.0, 102.0)


def test_an_answered_flush_settles_what_came_before_it() -> None:
    kept = Kept()
    kept.audio(frame(), 100.0)
    kept.flush(1)
    kept.audio(frame(), 101.0)
    kept.flush(2)
    kept.answer(1)
    assert list(kept.items)[1:] == [Flush(2)]
    assert (kept.seconds, kept.began) == (1.0, 101.0)


def test_it_is_bounded() -> None:
    kept = Kept()
    for index in range(100):
        kept.audio(frame(), 100.0 + index)
    assert (kept.seconds, kept.began) == (30.0, 170.0)


async def test_the_next_stream_of_the_same_task_takes_it_once() -> None:
    first, second = object.__new__(_Owner), object.__new__(_Owner)
    task = asyncio.current_task()
    kept = Kept()
    kept.audio(frame(), 100.0)
    park(task, first, kept)
    assert claim(None, second, is_probe=False) is None
    assert claim(task, first, is_probe=True) is None
    assert not kept.taken
    assert claim(task, second, is_probe=True) is kept
    assert kept.taken
    assert claim(task, second, is_probe=False) is None


class _Owner:
    """Stands for an STT: something that can be referred to weakly."""
