"""Several people in one room, whose audio one service gets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from loguru import logger
from pipecat.frames.frames import TranscriptionFrame

from pulse_plugins.pipecat import PulseSTTService
from pulse_plugins.pipecat.streams import MAX_PARTICIPANTS
from tests.pipecat.microphone import FRAME, said, speak
from tests.pipecat.rig import Call, calling
from tests.pipecat.tone_server import RATE, Habits, tone_server


async def both_speak(call: Call) -> None:
    """Alice and Bob at once: their frames alternate, as a room's transport sends them."""
    alice, bob = said(1, 2, 3, tail=1.0), said(11, 12, 13, tail=1.0)
    size = round(FRAME * RATE)
    for start in range(0, len(alice), size):
        await call.give(alice[start : start + size], user="alice")
        await call.give(bob[start : start + size], user="bob")
        await asyncio.sleep(FRAME)


async def test_each_participant_of_a_room_is_heard_with_streams_of_their_own() -> None:
    """pipecat #3272: of two users' audio in one service nothing was transcribed."""
    async with tone_server(Habits()) as server:
        service = PulseSTTService(base_url=server.url, participants="separate")
        async with calling(service) as call:
            await call.start_speaking()
            await both_speak(call)
            await call.stop_speaking()
            await call.until(lambda: len(call.finals) == 2)
            assert {f.user_id: f.text for f in call.came(TranscriptionFrame)} == {
                "alice": "w1 w2 w3",
                "bob": "w11 w12 w13",
            }
            # One end of speech is one turn: only the last of its transcripts completes it.
            assert [finalized for _, finalized in call.finals] == [False, True]
            assert len(server.connections) == 2
            await call.hang_up()
            assert service.usage.speech == 0.0  # nothing is left of the call


@contextmanager
def warnings() -> Iterator[list[str]]:
    """The warnings that are logged meanwhile."""
    lines: list[str] = []
    sink = logger.add(lines.append, level="WARNING", format="{message}")
    try:
        yield lines
    finally:
        logger.remove(sink)


async def test_audio_of_several_participants_in_one_stream_is_warned_of_once() -> None:
    with warnings() as lines:
        async with (
            tone_server(Habits()) as server,
            calling(PulseSTTService(base_url=server.url)) as call,
        ):
            await both_speak(call)
            await both_speak(call)
    assert len([line for line in lines if "participants='separate'" in line]) == 1


async def test_participants_who_take_turns_are_not_warned_of() -> None:
    with warnings() as lines:
        async with (
            tone_server(Habits()) as server,
            calling(PulseSTTService(base_url=server.url)) as call,
        ):
            for turn in range(4):
                await speak(call, said(1 + turn), user=("alice", "bob")[turn % 2])
    assert not [line for line in lines if "participants" in line]


async def test_streams_of_participants_are_bounded_and_end_after_silence() -> None:
    async with tone_server(Habits()) as server:
        service = PulseSTTService(base_url=server.url, participants="separate")
        async with calling(service) as call:
            for number in range(MAX_PARTICIPANTS + 2):
                await call.give(said(1, tail=0.2), user=f"user{number}")
            await asyncio.sleep(1.0)
            assert len(server.connections) == MAX_PARTICIPANTS
            await asyncio.sleep(61.0)
            await call.give(said(2, tail=0.2), user="late")
            await asyncio.sleep(20.0)
            assert len(server.connections) == MAX_PARTICIPANTS + 1
            assert sum(each.is_open for each in server.connections) == 1
