"""Starts the phone agent: one command, and with no key all of it runs on this machine.

    python -m examples.phone_agent

It answers telephone calls at `/twilio` (see `telephone.py`) and the browser at `/` (`browser.py`);
`python -m examples.phone_agent.simulate_call` is a caller. Without `SMALLEST_API_KEY` it starts the
local Pulse server with the language model of bookings, unless `PULSE_URL` names one.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI
from loguru import logger
from pipecat.transports.base_transport import BaseTransport

from examples.phone_agent import browser, telephone
from examples.phone_agent.bookings import BookingStore, default_store
from examples.phone_agent.dialogue import Dialogue
from examples.phone_agent.pipecat_bot import TELEPHONE_RATE, run_bot
from examples.phone_agent.telephone import MOST_MESSAGE_BYTES, Lines
from pulse_plugins.local import PulseServer, ServerOptions
from pulse_plugins.local.recognizers.pocketsphinx import PocketSphinxRecognizer


def make_app(lines: Lines, store: BookingStore, pulse: PulseServer | None = None) -> FastAPI:
    """The agent's web server.

    Args:
        lines: How many calls it takes.
        store: Where bookings go.
        pulse: A local Pulse server to use, instead of what the environment says.
    """
    url = pulse.url if pulse else None
    app = FastAPI(title="Phone agent")

    async def on_the_phone(transport: BaseTransport) -> None:
        dialogue = Dialogue(store)
        await run_bot(transport, dialogue=dialogue, rate=TELEPHONE_RATE, pulse_url=url)

    async def in_the_browser(transport: BaseTransport) -> None:
        dialogue = Dialogue(store)
        await run_bot(transport, dialogue=dialogue, pulse_url=url, on_ready=browser.show_line)

    def cut() -> None:
        assert pulse is not None
        pulse.faults.add(["drop@audio=0.01"])  # every connection is past that

    telephone.add_routes(app, lines, on_the_phone)
    browser.add_routes(app, lines, in_the_browser, cut if pulse else None)
    return app


def make_server(app: FastAPI, host: str, port: int) -> uvicorn.Server:
    """The web server around it; a call in progress is finished after SIGTERM."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            log_level="warning",
            ws_max_size=MOST_MESSAGE_BYTES,
            timeout_graceful_shutdown=300,
        )
    )


@asynccontextmanager
async def local_pulse(calls: int) -> AsyncIterator[PulseServer | None]:
    """A local Pulse server, where the environment names neither a key nor a server.

    Args:
        calls: How many it hears at once.
    """
    if os.environ.get("SMALLEST_API_KEY") or os.environ.get("PULSE_URL"):
        yield None
        return
    recognizer = PocketSphinxRecognizer(language_model="bookings", decoders=calls)
    try:
        await recognizer.warm()
        async with PulseServer(ServerOptions(recognizer=recognizer)) as server:
            yield server
    finally:
        await recognizer.close()


async def main() -> None:
    """Run until stopped."""
    parser = argparse.ArgumentParser(description="A phone agent that books tables.")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0: every interface")
    parser.add_argument("--port", type=int, default=7860)
    parser.add_argument("--calls", type=int, default=10, help="at once; one more is busy")
    given = parser.parse_args()
    logger.remove()
    logger.add(sys.stderr, level="INFO")  # the frameworks write what was said at debug level
    async with local_pulse(given.calls) as pulse:
        address = f"http://{given.host}:{given.port}"
        logger.info(f"answering calls at {address}/twilio, and in the browser at {address}")
        app = make_app(Lines(given.calls), default_store(), pulse)
        await make_server(app, given.host, given.port).serve()


if __name__ == "__main__":
    asyncio.run(main())
