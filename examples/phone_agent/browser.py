"""Calls from a browser: the page, its WebRTC offer, and what it is told besides the words.

The framework's own RTVI messages bring the transcript; the booking and the state of the line go
out as RTVI server messages, `{"kind": "booking" | "line", …}`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import BackgroundTasks, FastAPI, HTTPException
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frameworks.rtvi import RTVIServerMessageFrame
from pipecat.services.stt_service import STTService
from pipecat.transports.base_transport import BaseTransport, TransportParams
from pipecat.transports.smallwebrtc.connection import SmallWebRTCConnection
from pipecat.transports.smallwebrtc.request_handler import (
    SmallWebRTCRequest,
    SmallWebRTCRequestHandler,
)
from pipecat.transports.smallwebrtc.transport import SmallWebRTCTransport

from examples.phone_agent.telephone import Answer, Lines
from pulse_plugins.pipecat import PulseSTTService

PAGE = Path(__file__).parent / "page"
_BUSY = 503


def add_routes(app: FastAPI, lines: Lines, answer: Answer, cut: Callable[[], None] | None) -> None:
    """Serve the page and its calls.

    Args:
        app: The web server.
        lines: Counts the calls.
        answer: Talks to a caller until the call is over.
        cut: Drops a connection to the local Pulse server; None: there is none to drop.
    """
    handler = SmallWebRTCRequestHandler()
    app.mount("/page", StaticFiles(directory=PAGE), name="page")

    @app.get("/")
    async def page() -> FileResponse:
        return FileResponse(PAGE / "index.html")

    @app.post("/api/offer")
    async def offer(request: SmallWebRTCRequest, tasks: BackgroundTasks) -> dict[str, str] | None:
        if lines.is_full:
            raise HTTPException(_BUSY, "all lines are busy")

        async def talk(connection: SmallWebRTCConnection) -> None:
            params = TransportParams(audio_in_enabled=True, audio_out_enabled=True)
            tasks.add_task(_answered, lines, answer, SmallWebRTCTransport(connection, params))

        return await handler.handle_web_request(request, talk)

    @app.post("/api/cut", status_code=204)
    async def cut_the_line() -> None:
        if cut is None:
            raise HTTPException(409, "only a local Pulse server can be told to drop a connection")
        cut()


async def _answered(lines: Lines, answer: Answer, transport: BaseTransport) -> None:
    with lines:
        await answer(transport)


def show_line(worker: PipelineWorker, stt: STTService) -> None:
    """Tell the page whenever the connection to speech-to-text comes or goes."""
    if not isinstance(stt, PulseSTTService):
        return

    def teller(connected: bool) -> Callable[..., Awaitable[None]]:
        async def tell(service: PulseSTTService, *_: object) -> None:
            metrics = service.stream.metrics if service.stream else None
            state = {
                "kind": "line",
                "connected": connected,
                "reconnects": max(0, metrics.connects - 1) if metrics else 0,
                "replayed": metrics.replayed_seconds if metrics else 0.0,
                "lost": metrics.lost_seconds if metrics else 0.0,
            }
            await worker.queue_frame(RTVIServerMessageFrame(state))

        return tell

    for name, connected in (
        ("on_connected", True),
        ("on_disconnected", False),
        ("on_recovered", True),
        ("on_audio_lost", True),
    ):
        stt.add_event_handler(name, teller(connected))
