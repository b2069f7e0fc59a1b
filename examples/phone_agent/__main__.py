"""Starts the phone agent. Without any key, all parts of it run on this machine.

    python -m examples.phone_agent

The agent answers telephone calls at `/twilio` (see `telephone.py`) and browsers at `/` (see
`browser.py`). `python -m examples.phone_agent.simulate_call` is a caller for it. If neither
`SMALLEST_API_KEY` nor `PULSE_URL` is set, the agent starts the local Pulse server with a language
model for bookings.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

from fastapi import FastAPI
from loguru import logger
from pipecat.transports.base_transport import BaseTransport

from examples.phone_agent import browser, telephone
from examples.phone_agent.admission import Lines
from examples.phone_agent.bookings import BookingStore, default_store
from examples.phone_agent.dialogue import Dialogue
from examples.phone_agent.pipecat_bot import MOST_SECONDS, TELEPHONE_RATE, run_bot
from examples.phone_agent.settings import (
    SettingError,
    allowed_hosts,
    check_exposure,
    setting,
)
from examples.phone_agent.web import make_protected_app, make_server
from pulse_plugins.local import PulseServer, ServerOptions
from pulse_plugins.local.recognizers.pocketsphinx import PocketSphinxRecognizer

_DATA_CHANNEL = "pipecat.transports.smallwebrtc.connection"
CUT_SECONDS = 2.5  # long enough to be seen on the page; the replay buffer holds much more


def make_app(
    store: BookingStore,
    *,
    lines: Lines,
    browser_lines: Lines,
    pulse: PulseServer | None = None,
    host: str = "127.0.0.1",
    most_seconds: float = MOST_SECONDS,
) -> FastAPI:
    """Make the agent's web application.

    Args:
        store: Where bookings go.
        lines: Counts telephone calls.
        browser_lines: Counts calls from browsers. If it allows none, the page is not served.
        pulse: A local Pulse server to use, instead of the one that the environment names.
        host: The address that the web server listens on.
        most_seconds: A call ends after this time in any case.
    """
    url = pulse.url if pulse else None
    app = make_protected_app(allowed_hosts(host))

    async def on_the_phone(transport: BaseTransport) -> None:
        await run_bot(
            transport,
            dialogue=Dialogue(store),
            rate=TELEPHONE_RATE,
            pulse_url=url,
            most_seconds=most_seconds,
        )

    async def in_the_browser(transport: BaseTransport) -> None:
        await run_bot(
            transport,
            dialogue=Dialogue(store),
            pulse_url=url,
            most_seconds=most_seconds,
            page=browser.ClientReadyOnly(),
            on_ready=browser.show_call,
        )

    telephone.add_routes(app, lines, on_the_phone)
    if browser_lines.most > 0:
        cut = None
        if pulse is not None and setting("PUBLIC_URL") is None:
            cut = partial(cut_line, pulse)
        browser.add_routes(app, browser_lines, in_the_browser, cut)
    return app


def cut_line(pulse: PulseServer) -> None:
    """Drop a connection to the local Pulse server, and refuse new ones for `CUT_SECONDS`."""
    pulse.faults.add(["drop@audio=0.01", "refuse=503@times=0"])
    asyncio.get_running_loop().call_later(CUT_SECONDS, pulse.faults.clear)


@asynccontextmanager
async def local_pulse(calls: int) -> AsyncIterator[PulseServer | None]:
    """Run a local Pulse server, unless the environment has a key or names a server.

    Args:
        calls: How many calls it hears at once.
    """
    if setting("SMALLEST_API_KEY") or setting("PULSE_URL"):
        yield None
        return
    recognizer = PocketSphinxRecognizer(language_model="bookings", decoders=calls)
    try:
        await recognizer.warm()
        async with PulseServer(ServerOptions(recognizer=recognizer)) as server:
            yield server
    finally:
        await recognizer.close()


async def serve(given: argparse.Namespace) -> None:
    """Answer calls until the process is asked to stop.

    Args:
        given: The command line, as `main` reads it.
    """
    store = default_store()
    async with local_pulse(given.calls + given.browser_calls) as pulse:
        lines, browser_lines = Lines(given.calls), Lines(given.browser_calls)
        app = make_app(
            store,
            lines=lines,
            browser_lines=browser_lines,
            pulse=pulse,
            host=given.host,
            most_seconds=60.0 * given.most_minutes,
        )
        await make_server(app, given.host, given.port, (lines, browser_lines)).serve()


def _number(least: int, most: int) -> Callable[[str], int]:
    """A reader of whole numbers from `least` to `most`."""

    def read(text: str) -> int:
        if text.isdecimal() and least <= int(text) <= most:
            return int(text)
        raise argparse.ArgumentTypeError(f"{text!r}: use a whole number from {least} to {most}")

    return read


def _minutes(text: str) -> float:
    with suppress(ValueError):
        if 0 < float(text) <= 1440:
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r}: use a number above 0 and up to 1440")


def main() -> None:
    """Read the command line, and run until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.phone_agent", description="A phone agent that books tables."
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; any other than this machine's own needs TWILIO_AUTH_TOKEN "
        "and PUBLIC_URL (default: 127.0.0.1)",
    )
    parser.add_argument("--port", type=_number(0, 65_535), default=7860, help="default: 7860")
    parser.add_argument(
        "--calls", type=_number(1, 1000), default=10, help="telephone calls at once (default: 10)"
    )
    parser.add_argument(
        "--browser-calls",
        type=_number(0, 1000),
        default=3,
        help="calls from browsers at once; 0 does not serve the page (default: 3)",
    )
    parser.add_argument(
        "--most-minutes",
        type=_minutes,
        default=MOST_SECONDS / 60,
        help="a call ends after this time in any case (default: 10)",
    )
    given = parser.parse_args()
    logger.remove()
    # The frameworks write transcripts at debug level. The second module writes whatever a browser
    # sends through its data channel.
    quiet: dict[str | None, str | int | bool] = {_DATA_CHANNEL: False}
    logger.add(sys.stderr, level="INFO", filter=quiet)
    try:
        check_exposure(given.host)
        asyncio.run(serve(given))
    except SettingError as error:
        raise SystemExit(str(error)) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
