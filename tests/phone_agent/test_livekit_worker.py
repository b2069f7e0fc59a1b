"""The same dialogue in a LiveKit session: real speech in, a booking out."""

from __future__ import annotations

import asyncio
import os
import time as clock
from datetime import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from examples.phone_agent.bookings import BookingStore
from examples.phone_agent.livekit_worker import CALLS_PER_WORKER, end_after, load_of, play, server
from examples.phone_agent.pipecat_bot import MOST_SECONDS
from pulse_plugins.local import PulseServer, ServerOptions
from tests.support import livekit_time  # noqa: F401 - the session's messages are sorted by time
from tests.support.programs import running
from tests.support.sphinx import PocketSphinxRecognizer


async def test_a_table_is_booked_without_a_room(tmp_path: Path) -> None:
    store = BookingStore(f"sqlite:///{tmp_path}/b.db")
    recognizer = PocketSphinxRecognizer(language_model="bookings", decoders=1)
    try:
        await recognizer.warm()
        async with PulseServer(ServerOptions(recognizer=recognizer)) as pulse:
            async with asyncio.timeout(100):
                await play(("table", "six", "name", "phone", "yes"), store, pulse.url)
    finally:
        await recognizer.close()
    [booking] = await store.all()
    assert (booking.party, booking.time) == (6, time(19, 30))
    assert (booking.name, booking.phone) == ("Robert Miller", "5550142")


def test_the_dispatcher_is_told_how_full_the_worker_is() -> None:
    full = SimpleNamespace(active_jobs=[None] * CALLS_PER_WORKER)
    assert load_of(full) == 1.0  # type: ignore[arg-type]
    assert load_of(SimpleNamespace(active_jobs=[])) == 0.0  # type: ignore[arg-type]
    assert server.load_fnc is load_of


async def test_a_call_ends_after_its_time() -> None:
    did: list[str] = []
    session: Any = SimpleNamespace(say=did.append, shutdown=lambda: did.append("shutdown"))
    began = clock.monotonic()
    await end_after(session, MOST_SECONDS)
    assert clock.monotonic() - began >= MOST_SECONDS
    assert did == ["I have to end this call. Goodbye.", "shutdown"]


@pytest.mark.process
@pytest.mark.parametrize("file", ["livekit_agent.py", "phone_agent/livekit_worker.py"])
async def test_the_frameworks_own_command_finds_the_worker(file: str) -> None:
    variables = {name: value for name, value in os.environ.items() if "LIVEKIT" not in name}
    arguments = ("-m", "livekit.agents", "start", f"examples/{file}")
    async with running(*arguments, environment=variables, joined=True) as starting:
        output, _ = await asyncio.wait_for(starting.communicate(), 50)
    assert b"ws_url is required" in output  # it got as far as the address of the server
