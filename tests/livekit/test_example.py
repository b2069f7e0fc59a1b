"""The example worker's offline mode, as its docstring says."""

from __future__ import annotations

from functools import partial

import pytest

from examples import livekit_agent
from pulse_plugins.local import recordings
from tests.livekit.rig import Reader
from tests.support import livekit_time  # noqa: F401 - the session's messages are sorted by time
from tests.support.peer import peer


async def test_the_worker_listens_to_a_file_without_a_room(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a program it is run by `test_an_example_runs_as_typed_without_a_key`."""
    call = recordings.load("booking")
    async with peer(decoder=partial(Reader, call.turns)) as server:
        monkeypatch.setenv("PULSE_URL", server.url)
        await livekit_agent.listen(call.path)
    shown = capsys.readouterr()
    turns = [line for line in shown.out.splitlines() if line.startswith("turn: ")]
    assert len(turns) == 2, shown.err
    for line, turn in zip(turns, call.turns, strict=True):
        assert line.startswith(f"turn: {turn.text}   (")
