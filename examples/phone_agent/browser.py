"""Answers calls from a browser: the page, its WebRTC offer, and what the page is told.

A call needs a token, which `POST /api/token` gives to a page of this origin. The offer takes a line
at once, but the agent answers only when the browser's data channel is open. An offer whose channel
does not open within `CONNECT_SECONDS` gives its line back.

The page receives the framework's own RTVI messages. The words come as `user-transcription` and
`bot-output`. The rest comes as server messages: `{"kind": "booking" | "line" | "answered", …}`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal

from fastapi import BackgroundTasks, FastAPI, HTTPException, Request
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from pipecat.frames.frames import CancelFrame, EndFrame, Frame, InputTransportMessageFrame
from pipecat.observers.base_observer import BaseObserver, FramePushed
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection
from pipecat.processors.frameworks.rtvi import RTVIProcessor
from pipecat.services.stt_service import STTService
from pipecat.transports.base_transport import TransportParams
from pipecat.transports.smallwebrtc.connection import SmallWebRTCConnection
from pipecat.transports.smallwebrtc.transport import SmallWebRTCTransport
from pydantic import BaseModel, ValidationError

from examples.phone_agent.admission import CallTokens, Lines, Refusals
from examples.phone_agent.settings import TwilioAccount
from examples.phone_agent.stopwatch import Stopwatch
from examples.phone_agent.telephone import Answer
from examples.phone_agent.web import read_body
from pulse_plugins.pipecat import PulseSTTService

PAGE = Path(__file__).parent / "page"
TOKEN_SECONDS = 30  # the page asks for a token when the caller presses "Call"
TOKEN_HEADER = "X-Call-Token"
CONNECT_SECONDS = 8.0
_SUBJECT = "page"
_BUSY = 503


class Offer(BaseModel):
    """A browser's WebRTC offer."""

    sdp: str
    type: Literal["offer"]


class ClientReadyOnly(RTVIProcessor):
    """Takes `client-ready` from the page and drops every other message.

    The framework also accepts text, files and function results from a browser. A voice call needs
    none of them, and a stranger could send them without end.
    """

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Pass a frame on, unless it holds another message of the page."""
        if isinstance(frame, InputTransportMessageFrame) and not _is_client_ready(frame.message):
            return
        await super().process_frame(frame, direction)


def _is_client_ready(message: object) -> bool:
    return isinstance(message, dict) and message.get("type") == "client-ready"


def add_routes(app: FastAPI, lines: Lines, answer: Answer, cut: Callable[[], None] | None) -> None:
    """Serve the page and its calls.

    Args:
        app: The web server.
        lines: Counts the calls from browsers.
        answer: Talks to a caller until the call is over.
        cut: Interrupts the connections to the local Pulse server, those of all calls. None if
            there is no such server, or if strangers can reach the page.
    """
    account = TwilioAccount.from_environment()
    tokens = CallTokens("browser", account.auth_token or account.shared_key, TOKEN_SECONDS)
    refusals = Refusals()
    app.mount("/page", StaticFiles(directory=PAGE), name="page")

    @app.get("/")
    async def page() -> FileResponse:
        return FileResponse(PAGE / "index.html")

    @app.get("/favicon.ico")
    async def icon() -> FileResponse:
        return FileResponse(PAGE / "icon.svg")

    @app.post("/api/token")
    async def token() -> dict[str, str]:
        return {"token": tokens.issue(_SUBJECT)}

    @app.post("/api/offer")
    async def offer(request: Request, tasks: BackgroundTasks) -> dict[str, str]:
        if not tokens.redeem(request.headers.get(TOKEN_HEADER, ""), _SUBJECT):
            raise HTTPException(403, "the token is missing, used or too old")
        given = await _offer(request)
        if not lines.take():
            raise HTTPException(_BUSY, "all lines are busy")
        connection = SmallWebRTCConnection()
        opened = asyncio.Event()
        connection.pc.on("datachannel", lambda _: opened.set())
        try:
            return_to_page = await _answer_to(connection, given, refusals)
        except BaseException:
            lines.free()
            await connection.disconnect()  # type: ignore[no-untyped-call]
            raise
        tasks.add_task(_talk, connection, opened, lines, answer, refusals)
        return return_to_page

    @app.post("/api/cut", status_code=204)
    async def cut_the_line() -> None:
        if cut is None:
            raise HTTPException(409, "the lines of this agent cannot be cut from here")
        cut()


async def _offer(request: Request) -> Offer:
    body = await read_body(request)
    try:
        return Offer.model_validate_json(body)
    except ValidationError:
        raise HTTPException(422, "this is not an offer") from None


async def _answer_to(
    connection: SmallWebRTCConnection, offer: Offer, refusals: Refusals
) -> dict[str, str]:
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await connection.initialize(offer.sdp, offer.type)
        if connection.pc.sctp is None or not connection.pc.getTransceivers():
            raise ValueError("the offer has no audio or no data channel")
        answer = connection.get_answer()  # type: ignore[no-untyped-call]
    except Exception as error:  # aiortc raises many kinds for an SDP that it cannot use
        refusals.tell(f"an offer that cannot be answered ({type(error).__name__})")
        raise HTTPException(400, "the offer cannot be answered") from None
    return {"sdp": answer["sdp"], "type": answer["type"]}


async def _talk(
    connection: SmallWebRTCConnection,
    opened: asyncio.Event,
    lines: Lines,
    answer: Answer,
    refusals: Refusals,
) -> None:
    """Wait until the browser is connected, then answer; gives the line back in any case."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await opened.wait()
        params = TransportParams(audio_in_enabled=True, audio_out_enabled=True)
        await answer(SmallWebRTCTransport(connection, params))
    except TimeoutError:
        refusals.tell("an offer that did not connect in time")
    finally:
        lines.free()
        await connection.disconnect()  # type: ignore[no-untyped-call]


def show_call(worker: PipelineWorker, stt: STTService) -> None:
    """Tell the page how soon each turn was answered, and how the connection to Pulse is.

    Args:
        worker: The call's pipeline.
        stt: Its speech-to-text.
    """

    async def tell_answered(parts: tuple[float, ...]) -> None:
        told = {"kind": "answered", "seconds": round(sum(parts), 2)}
        await worker.rtvi.send_server_message(told)

    worker.add_observer(Stopwatch(tell_answered))
    if isinstance(stt, PulseSTTService):
        _show_line(worker, stt)


class _Ending(BaseObserver):
    """Notes that the call ends, because the connection that ends with it was not cut."""

    def __init__(self) -> None:
        super().__init__()
        self.noted = False

    async def on_push_frame(self, data: FramePushed) -> None:
        """See a frame pass from one processor to the next."""
        if isinstance(data.frame, EndFrame | CancelFrame):
            self.noted = True


def _show_line(worker: PipelineWorker, stt: PulseSTTService) -> None:
    ending = _Ending()
    worker.add_observer(ending)

    def teller(connected: bool) -> Callable[..., Awaitable[None]]:
        async def tell(service: PulseSTTService, *_: object) -> None:
            if ending.noted:
                return
            metrics = service.stream.metrics if service.stream else None
            state = {
                "kind": "line",
                "connected": connected,
                "reconnects": max(0, metrics.connects - 1) if metrics else 0,
                "replayed": metrics.replayed_seconds if metrics else 0.0,
                "lost": metrics.lost_seconds if metrics else 0.0,
            }
            await worker.rtvi.send_server_message(state)

        return tell

    for name, connected in (
        ("on_connected", True),
        ("on_disconnected", False),
        ("on_recovered", True),
        ("on_audio_lost", True),
    ):
        stt.add_event_handler(name, teller(connected))
