"""What a failed stream leaves for the one that is opened in its place."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import pytest
from livekit import rtc

from pulse_plugins.livekit.handover import Flush, Kept, claim, park
from pulse_plugins.livekit.opener import Opener


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


def test_what_came_after_the_failure_is_told_from_the_rest() -> None:
    kept = Kept()
    kept.audio(frame(), 100.0)
    kept.add_late(frame(), 101.0)
    assert (kept.seconds, kept.late) == (2.0, 1.0)
    for index in range(40):
        kept.add_late(frame(), 102.0 + index)
    assert (kept.seconds, kept.late) == (30.0, 30.0)


@pytest.fixture
async def task() -> asyncio.Task[object]:
    """Stands for a loop of the framework."""
    made = asyncio.current_task()
    assert made is not None
    return made


def left(opener: Opener, owner: object) -> Kept:
    """A second of audio that a stream of this STT left."""
    kept = Kept()
    kept.audio(frame(), 100.0)
    park(opener, owner, kept)
    return kept


async def test_the_next_stream_of_the_same_loop_takes_it_once(task: asyncio.Task[object]) -> None:
    owner, pump = _Owner(), Opener(task)
    kept = left(pump, owner)
    assert not kept.taken
    assert claim(pump, owner) is kept
    assert kept.taken
    assert claim(pump, owner) is None


async def test_in_a_session_another_stt_does_not_take_it(task: asyncio.Task[object]) -> None:
    pump = Opener(task)
    kept = left(pump, _Owner())
    assert claim(pump, _Owner()) is None
    assert kept.taken  # nobody will: there is nothing to add to


async def test_in_a_fallback_adapter_the_next_stt_takes_it(task: asyncio.Task[object]) -> None:
    adapter = Opener(task, _AdapterStream(_Adapter()))
    kept = left(adapter, _Owner())
    assert claim(adapter, _Owner()) is kept


async def test_what_another_stt_has_passed_over_since_is_not_said_late(
    task: asyncio.Task[object],
) -> None:
    """Of two of ours with another vendor's between them, which was heard for a while."""
    members = _Adapter()
    adapter = Opener(task, _AdapterStream(members))
    failed = _Owner()
    kept = left(adapter, failed)
    members._active_instance = failed  # its last events are read after the failure
    assert claim(adapter, _Owner()) is kept
    left(adapter, failed)
    members._active_instance = _Owner()
    assert claim(adapter, _Owner()) is None


class _Owner:
    """Stands for an STT: something that can be referred to weakly."""


class _Adapter:
    """Stands for a fallback adapter."""

    _active_instance: object = None


class _AdapterStream:
    """Stands for a fallback adapter's stream."""

    _recovering_streams: Collection[object] = ()

    def __init__(self, adapter: object) -> None:
        self._fallback_adapter = adapter
