"""A real agent session without a room: turns, flushes, preemptive replies, closing."""

from __future__ import annotations

import asyncio
import time
from functools import partial

import pytest
from livekit.agents import inference

from pulse_plugins.livekit import STT
from pulse_plugins.local import recordings
from tests.livekit.conversation import Conversation
from tests.livekit.rig import Reader, session
from tests.support.habits import Habits
from tests.support.peer import peer
from tests.support.scenarios import Call, EndTurn, Mute, Pause, Say


@pytest.mark.parametrize("server_vad", [True, False])
async def test_turn_detection_by_our_events_alone(server_vad: bool) -> None:
    call = recordings.load("booking")
    habits = {"vad": server_vad, "flag": server_vad, "decoder": partial(Reader, call.turns)}
    async with peer(**habits) as server:
        stt = STT(base_url=server.url)
        async with session(call, stt=stt, vad=None, turn_handling={"turn_detection": "stt"}) as rig:
            await rig.until_turns(2)
            assert [turn.text for turn in rig.turns] == [turn.text for turn in call.turns]
            for index, turn in enumerate(call.turns):
                assert rig.delay(index, turn) < 1.5
        await stt.aclose()


async def test_with_the_bundled_vad_every_turn_is_flushed_once() -> None:
    call = recordings.load("booking")
    # A window so long that only a flush brings the words in time.
    async with peer(window=5.0, decoder=partial(Reader, call.turns)) as server:
        stt = STT(base_url=server.url)
        async with session(
            call, stt=stt, vad=inference.VAD(), turn_handling={"turn_detection": "vad"}
        ) as rig:
            await rig.until_turns(2)
            assert " ".join(turn.text for turn in rig.turns) == call.text
            assert server.finalizes == len(rig.turns)
            closing = time.monotonic()
        assert time.monotonic() - closing < 1.5  # the framework's own wait is 2 s
        await stt.aclose()


async def test_a_preflight_begins_the_reply_before_the_turn_is_committed() -> None:
    call = recordings.load("booking")
    async with peer(window=1.2, vad=False, decoder=partial(Reader, call.turns)) as server:
        stt = STT(base_url=server.url)
        async with session(call, stt=stt, vad=None, turn_handling={"turn_detection": "stt"}) as rig:
            await rig.until_turns(2)
            asked_at, asked = rig.asked[1]  # the first turn shows that interims stay
            assert asked == call.turns[1].text
            assert asked_at < rig.turns[1].at
            await asyncio.sleep(0)
            assert len(rig.asked) == 2  # the reply that was begun is the one that is used
        await stt.aclose()


async def test_a_manual_commit_does_not_wait_for_silence() -> None:
    call = recordings.load("booking")
    async with peer(window=None, vad=False, decoder=partial(Reader, call.turns)) as server:
        stt = STT(base_url=server.url)
        async with session(
            call, stt=stt, vad=None, turn_handling={"turn_detection": "manual"}
        ) as rig:
            first = call.turns[0]
            await server.until(lambda: any(x.seconds > first.end + 0.3 for x in server.links))
            before = time.monotonic()
            text = await asyncio.wait_for(rig.session.commit_user_turn(transcript_timeout=5.0), 10)
            assert time.monotonic() - before < 1.0
            assert text == first.text
        await stt.aclose()


async def test_the_usage_of_a_session_is_complete_at_its_end() -> None:
    call = recordings.load("booking")
    async with peer(window=None, vad=False, decoder=partial(Reader, call.turns)) as server:
        stt = STT(base_url=server.url)
        seen: list[float] = []
        stt.on("metrics_collected", lambda metrics: seen.append(metrics.audio_duration))
        async with session(
            call, stt=stt, vad=None, turn_handling={"turn_detection": "manual"}
        ) as rig:
            await server.until(lambda: any(link.seconds > 3.0 for link in server.links))
            given = rig.caller._sent * 0.02
        assert sum(seen) >= given - 0.1
        await stt.aclose()


async def test_a_caller_who_is_muted_right_after_a_turn_begins_another_one() -> None:
    muted = (Say(5), Pause(0.1), Mute(True), Pause(4.0), Mute(False), EndTurn(), Pause(0.5))
    call = Call("muted", (*muted, Say(4), EndTurn(), Pause(4.0)))
    outcome = await Conversation(call, habits=Habits(latency=0.6)).hold()
    assert outcome.faults == []
