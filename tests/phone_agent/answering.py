"""The agent's web server, in the test's own process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from examples.phone_agent.__main__ import make_app, make_server
from examples.phone_agent.bookings import BookingStore
from examples.phone_agent.telephone import Lines
from pulse_plugins.local import PulseServer


@dataclass(slots=True)
class Agent:
    """An agent that answers at a URL, and what stands in its database."""

    url: str
    store: BookingStore
    lines: Lines


@asynccontextmanager
async def agent(
    database: str, *, calls: int = 2, pulse: PulseServer | None = None
) -> AsyncIterator[Agent]:
    lines, store = Lines(calls), BookingStore(database)
    server = make_server(make_app(lines, store, pulse), "127.0.0.1", 0)
    serving = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(20):
            while not server.started:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield Agent(f"http://127.0.0.1:{port}/twilio", store, lines)
    finally:
        server.should_exit = True
        await serving
