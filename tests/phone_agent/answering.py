"""The agent's web server, in the test's own process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from examples.phone_agent.__main__ import make_app
from examples.phone_agent.admission import Lines
from examples.phone_agent.bookings import BookingStore
from examples.phone_agent.pipecat_bot import MOST_SECONDS
from examples.phone_agent.web import Server, make_server, port_of
from pulse_plugins.local import PulseServer


@dataclass(slots=True)
class Agent:
    """An agent that answers at a URL, its database and its lines."""

    url: str
    store: BookingStore
    lines: Lines
    browser_lines: Lines
    server: Server

    @property
    def origin(self) -> str:
        return self.url.removesuffix("/twilio")


@asynccontextmanager
async def agent(
    database: str,
    *,
    calls: int = 2,
    browser_calls: int = 2,
    pulse: PulseServer | None = None,
    most_seconds: float = MOST_SECONDS,
) -> AsyncIterator[Agent]:
    lines, browser_lines, store = Lines(calls), Lines(browser_calls), BookingStore(database)
    app = make_app(
        store, lines=lines, browser_lines=browser_lines, pulse=pulse, most_seconds=most_seconds
    )
    server = make_server(app, "127.0.0.1", 0, (lines, browser_lines))
    serving = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(20):
            while not server.started:  # noqa: ASYNC110 - uvicorn signals it in no other way
                await asyncio.sleep(0.01)
        url = f"http://127.0.0.1:{port_of(server)}/twilio"
        yield Agent(url, store, lines, browser_lines, server)
    finally:
        server.should_exit = True
        await serving


async def all_free(lines: Lines, seconds: float = 10.0) -> None:
    """Wait until no call is in progress."""
    async with asyncio.timeout(seconds):
        while lines.open:  # noqa: ASYNC110 - `Lines` signals it in no other way
            await asyncio.sleep(0.05)
