"""Telephone calls by Twilio Media Streams: the webhook, the signature, the audio.

`POST /twilio` answers with TwiML that connects the call to `WS /twilio/media`. Requests are signed
by Twilio; with `TWILIO_AUTH_TOKEN` set, one that is not is refused. Source: Twilio's documents on
Media Streams, `<Stream>` and webhook security.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from xml.sax.saxutils import quoteattr

from fastapi import FastAPI, Request, Response, WebSocket
from loguru import logger
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.transports.base_transport import BaseTransport
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from starlette.websockets import WebSocketDisconnect

MOST_MESSAGE_BYTES = 16_384  # a second of mu-law in base64 is 10,700; Twilio sends 20 ms
_START_SECONDS = 10.0
_POLICY, _TRY_LATER = 1008, 1013

Answer = Callable[[BaseTransport], Awaitable[None]]


class Lines:
    """How many calls are answered at once.

    Args:
        most: One more hears that the line is busy.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.open = 0

    @property
    def is_full(self) -> bool:
        """Whether one more call would be too many."""
        return self.open >= self.most

    def __enter__(self) -> None:
        self.open += 1

    def __exit__(self, *_: object) -> None:
        self.open -= 1


def signature(token: str, url: str, fields: Mapping[str, str]) -> str:
    """What Twilio puts into `X-Twilio-Signature`.

    Args:
        token: The account's.
        url: As Twilio called it, with its query.
        fields: The form's.
    """
    signed = url + "".join(f"{name}{fields[name]}" for name in sorted(fields))
    digest = hmac.new(token.encode(), signed.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def add_routes(app: FastAPI, lines: Lines, answer: Answer) -> None:
    """Serve Twilio's two requests.

    Args:
        app: The web server.
        lines: Counts the calls.
        answer: Talks to a caller until the call is over.
    """

    @app.post("/twilio")
    async def webhook(request: Request) -> Response:
        fields = {name: str(value) for name, value in (await request.form()).items()}
        if not _is_signed(request.headers, _public(str(request.url)), fields):
            logger.warning("a webhook without a valid signature was refused")
            return Response("the signature is missing or wrong", 403)
        if lines.is_full:
            logger.warning(f"all {lines.most} lines are busy")
            return _twiml('<Reject reason="busy"/>')
        media = _public(str(request.url_for("media"))).replace("http", "ws", 1)
        return _twiml(f"<Connect><Stream url={quoteattr(media)}/></Connect>")

    @app.websocket("/twilio/media")
    async def media(websocket: WebSocket) -> None:
        if not _is_signed(websocket.headers, _public(str(websocket.url)), {}):
            logger.warning("a media stream without a valid signature was refused")
            await websocket.close(_POLICY)
            return
        await websocket.accept()
        if lines.is_full:
            logger.warning(f"all {lines.most} lines are busy")
            await websocket.close(_TRY_LATER)
            return
        with lines:
            start = await _start(websocket)
            if start is None:
                await websocket.close(_POLICY)
                return
            await answer(_transport(websocket, start))
        with suppress(RuntimeError, WebSocketDisconnect):  # the caller has hung up
            await websocket.close()


def _twiml(verbs: str) -> Response:
    document = f'<?xml version="1.0" encoding="UTF-8"?><Response>{verbs}</Response>'
    return Response(document, media_type="application/xml")


def _public(url: str) -> str:
    """The URL as the caller's side knows it: behind a proxy, `PUBLIC_URL` says."""
    public = os.environ.get("PUBLIC_URL", "").rstrip("/")
    if not public:
        return url
    path = url.split("/", 3)[3] if url.count("/") > 2 else ""
    scheme = "ws" if url.startswith("ws") else "http"
    return f"{public.replace('http', scheme, 1)}/{path}"


def _is_signed(headers: Mapping[str, str], url: str, fields: Mapping[str, str]) -> bool:
    token = os.environ.get("TWILIO_AUTH_TOKEN")
    if not token:
        return True
    given = headers.get("x-twilio-signature", "")
    return hmac.compare_digest(given.encode(), signature(token, url, fields).encode())


async def _start(websocket: WebSocket) -> dict[str, str] | None:
    """The `start` message's ids; None for whoever does not speak this protocol."""
    try:
        async with asyncio.timeout(_START_SECONDS):
            for _ in range(2):  # "connected", then "start"
                message = json.loads(await websocket.receive_text())
                if message["event"] == "start":
                    start = message["start"]
                    return {name: str(start[name]) for name in ("streamSid", "callSid")}
    except (TimeoutError, ValueError, KeyError, TypeError, WebSocketDisconnect):
        pass
    logger.warning("a media stream did not begin as one")
    return None


def _transport(websocket: WebSocket, start: dict[str, str]) -> BaseTransport:
    account = os.environ.get("TWILIO_ACCOUNT_SID")
    token = os.environ.get("TWILIO_AUTH_TOKEN")
    hangs_up = account is not None and token is not None
    serializer = TwilioFrameSerializer(
        stream_sid=start["streamSid"],
        call_sid=start["callSid"],
        account_sid=account,
        auth_token=token,
        params=TwilioFrameSerializer.InputParams(auto_hang_up=hangs_up),
    )
    return FastAPIWebsocketTransport(
        websocket,
        FastAPIWebsocketParams(
            audio_in_enabled=True, audio_out_enabled=True, serializer=serializer
        ),
    )
