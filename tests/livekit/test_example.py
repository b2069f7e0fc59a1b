"""The example worker's offline mode, as its docstring says."""

from __future__ import annotations

import asyncio
import os
from functools import partial
from pathlib import Path

import pytest

from pulse_plugins.local import recordings
from tests.livekit.rig import Reader
from tests.support.peer import peer
from tests.support.programs import running

EXAMPLE = Path(__file__).parents[2] / "examples" / "livekit_agent.py"


@pytest.mark.process
async def test_the_worker_listens_to_a_file_without_a_room() -> None:
    call = recordings.load("booking")
    async with peer(decoder=partial(Reader, call.turns)) as server:
        arguments = (str(EXAMPLE), "--file", str(call.path))
        variables = {**os.environ, "PULSE_URL": server.url}
        async with running(*arguments, environment=variables) as worker:
            out, errors = await asyncio.wait_for(worker.communicate(), 50)
    turns = [line for line in out.decode().splitlines() if line.startswith("turn: ")]
    assert worker.returncode == 0, errors.decode()
    assert len(turns) == 2, errors.decode()
    for line, turn in zip(turns, call.turns, strict=True):
        assert line.startswith(f"turn: {turn.text}   (")
