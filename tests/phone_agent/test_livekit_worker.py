"""The same dialogue in a LiveKit session: real speech in, a booking out."""

from __future__ import annotations

import asyncio
from datetime import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from examples.phone_agent.bookings import BookingStore
from examples.phone_agent.livekit_worker import CALLS_PER_WORKER, load_of, play, server
from pulse_plugins.local import PulseServer, ServerOptions
from tests.support.sphinx import PocketSphinxRecognizer

pytestmark = pytest.mark.process


@pytest.mark.timeout(120)
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
