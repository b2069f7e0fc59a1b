"""The usage that an agent session counts for its STT."""

from __future__ import annotations

import pytest

from tests.livekit.conversation import Conversation, Handoff, Mode
from tests.support.habits import Habits
from tests.support.scenarios import Call, EndTurn, Pause, Say

_END = (EndTurn(), Pause(1.5))
CALLS = (
    Call("a hang-up in mid-speech", (Say(7),), tail=0.0),
    Call("silence", (Pause(3.0),), tail=0.0),
    Call("silence after the last turn", (Say(3), *_END), tail=0.7),
    Call("two agents", (Say(3), *_END, Handoff(), Say(3), *_END), tail=0.7),  # type: ignore[arg-type]
)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
@pytest.mark.parametrize("mode", ["vad", "stt", "manual"])
async def test_the_usage_of_a_session_holds_all_audio_at_its_end(call: Call, mode: Mode) -> None:
    outcome = await Conversation(call, mode=mode, habits=Habits(latency=0.4)).hold()
    assert outcome.transcribed == pytest.approx(call.timeline().seconds, abs=0.03)
