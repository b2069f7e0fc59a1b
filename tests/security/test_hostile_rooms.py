"""The room of a SIP call has the caller's number in its name, so nothing is named after a room."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from examples import livekit_agent
from examples.phone_agent import livekit_worker
from pulse_plugins.livekit import STT

NUMBER = "15105550100"
JOB = "AJ_8dKq3xZpWv2M"


class CapturedError(Exception):
    """Ends the entry point once it has made its speech-to-text."""


@pytest.mark.parametrize("module", [livekit_agent, livekit_worker])
@pytest.mark.parametrize("room", [f"call-_+{NUMBER}_aBcD", f"sip:+{NUMBER}@example", "", "x" * 500])
async def test_a_call_is_not_named_after_its_room(
    module: Any, room: str, monkeypatch: pytest.MonkeyPatch, api_key: str
) -> None:
    captured: list[Any] = []

    def capture(**options: Any) -> None:
        captured.append(options)
        captured.append(STT(api_key=api_key, **options))  # the options are valid
        raise CapturedError

    monkeypatch.setattr(module, "STT", capture)
    context = SimpleNamespace(room=SimpleNamespace(name=room), job=SimpleNamespace(id=JOB))
    with pytest.raises(CapturedError):
        await module.entrypoint(context)
    assert captured[0]["external_session_id"] == JOB
    assert NUMBER not in repr(captured[0])
    await captured[1].aclose()
