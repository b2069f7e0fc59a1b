"""A pre-recorded endpoint that answers what a test gives it, for the client of recordings."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from pulse_plugins.core.base.errors import (
    PulseError,
)
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.config.retry import RetryPolicy
from tests.support.privacy import API_KEY

ANSWER = {
    "status": "success",
    "transcription": "Good morning. Thanks for calling. ",
    "words": [
        {"start": 0.1, "end": 0.4, "word": "Good", "confidence": 0.99, "speaker": 0},
        {"start": 0.4, "end": 0.8, "word": "morning.", "speaker": "speaker_1"},
    ],
    "utterances": [{"start": 0.1, "end": 0.8, "text": "Good morning.", "speaker": 0}],
    "gender": "female",
    "emotions": {"happiness": 0.61, "anger": 0.03},
    "metadata": {"duration": 2.9, "fileSize": 92844},
}
NO_DELAY = RetryPolicy(base=0.0)


@dataclass
class Seen:
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass
class Peer:
    """The pre-recorded endpoint by docs/protocol.md: answers what it was given, in order."""

    url: str = ""
    answers: list[web.Response | None] = field(default_factory=list)  # None: hang up
    seen: list[Seen] = field(default_factory=list)
    hold: asyncio.Event | None = None

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.seen.append(Seen(request.path, dict(request.query), dict(request.headers), body))
        if self.hold is not None:
            await self.hold.wait()
        answer = self.answers.pop(0) if self.answers else web.json_response(ANSWER)
        if answer is None:
            assert request.transport is not None
            request.transport.abort()
            raise ConnectionResetError
        return answer

    def options(self, **changes: object) -> PulseOptions:
        options = PulseOptions(base_url=self.url, api_key=API_KEY, retry=NO_DELAY)
        return options.changed(**changes)


@asynccontextmanager
async def recording_peer() -> AsyncIterator[Peer]:
    peer = Peer()
    application = web.Application(client_max_size=2**30)
    application.router.add_post("/{path:.*}", peer.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    peer.url = f"ws://127.0.0.1:{runner.addresses[0][1]}"
    yield peer
    await runner.cleanup()


def refusal(status: int, body: object, **headers: str) -> web.Response:
    return web.json_response(body, status=status, headers=headers)


@asynccontextmanager
async def failing(kind: type[PulseError]) -> AsyncIterator[list[PulseError]]:
    """Expect the error, and that nothing about it shows the key or a query."""
    found: list[PulseError] = []
    with pytest.raises(kind) as caught:
        yield found
    found.append(caught.value)
    shown = "".join(traceback.format_exception(caught.value))
    assert API_KEY not in shown
    assert "word_timestamps=" not in shown
