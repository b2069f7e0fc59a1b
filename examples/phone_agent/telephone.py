"""Answers telephone calls that come through Twilio Media Streams.

Twilio announces a call at `POST /twilio`. The answer is TwiML, which makes Twilio open a WebSocket
to `/twilio/media` for the call's audio. Three checks tie the audio to a call of this account:

1. Twilio signs both requests. A request without a signature is refused before its body is read.
2. The TwiML carries a token, which the first message of the WebSocket must bring back. The token is
   bound to the call's id, is valid for 60 seconds, and admits one WebSocket.
3. A WebSocket that does not begin within five seconds is closed. It holds no line until then.

Source: Twilio's documents on Media Streams, on `<Stream>` and on the security of webhooks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from urllib.parse import parse_qsl

import msgspec
from fastapi import FastAPI, HTTPException, Request, Response, WebSocket
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.transports.base_transport import BaseTransport
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from starlette.datastructures import Headers
from starlette.websockets import WebSocketDisconnect
from twilio.request_validator import (
    SIGNATURE_HEADER,
    SIGNATURE_SETTINGS_HEADER,
    RequestValidator,
    get_signature_algorithm,
)
from twilio.twiml.voice_response import Connect, VoiceResponse

from examples.phone_agent.admission import CallTokens, Lines, Refusals
from examples.phone_agent.settings import TwilioAccount, setting
from examples.phone_agent.web import read_body

TOKEN_SECONDS = 60
START_SECONDS = 5.0  # Twilio sends its first messages at once
MOST_WAITING = 20  # WebSockets that have not begun yet
_MOST_FIELDS = 200
_POLICY, _TRY_LATER = 1008, 1013

Answer = Callable[[BaseTransport], Awaitable[None]]


class Start(msgspec.Struct, rename="camel"):
    """What the `start` message of a media stream says. Source: Twilio's WebSocket messages.

    Attributes:
        stream_sid: The id of the stream.
        call_sid: The id of the call.
        custom_parameters: The parameters of the TwiML, with the token. `simulate_call` adds one
            that asks for the words as well; Twilio sends none that our own TwiML does not name.
    """

    stream_sid: str
    call_sid: str
    custom_parameters: dict[str, str] = {}

    @property
    def wants_captions(self) -> bool:
        """Whether the other end can show the words."""
        return self.custom_parameters.get("captions") == "yes"


class _Message(msgspec.Struct):
    event: str
    start: Start | None = None


def add_routes(app: FastAPI, lines: Lines, answer: Answer) -> None:
    """Serve Twilio's two requests.

    Args:
        app: The web server.
        lines: Counts the calls.
        answer: Talks to a caller until the call is over.
    """
    account = TwilioAccount.from_environment()
    tokens = CallTokens("telephone", account.auth_token or account.shared_key, TOKEN_SECONDS)
    waiting, refusals = Lines(MOST_WAITING), Refusals()

    @app.post("/twilio")
    async def webhook(request: Request) -> Response:
        if not _has_signature(account, request.headers):
            raise _unsigned(refusals)
        fields = await _form(request)
        if not is_signed(account, request.headers, _public(str(request.url)), fields):
            raise _unsigned(refusals)
        call = fields.get("CallSid", "").strip()
        if not call:
            raise HTTPException(400, "the form has no CallSid")
        response = VoiceResponse()
        if lines.is_full:
            refusals.tell("a call, because all lines are busy")
            response.reject(reason="busy")
        else:
            connect = Connect()
            stream = connect.stream(
                url=_public(str(request.url_for("media"))).replace("http", "ws", 1)
            )
            stream.parameter(name="token", value=tokens.issue(call))
            response.append(connect)
        return Response(str(response), media_type="application/xml")

    @app.websocket("/twilio/media")
    async def media(websocket: WebSocket) -> None:
        url = _public(str(websocket.url))
        if waiting.is_full or not is_signed(account, websocket.headers, url, {}):
            refusals.tell("a media stream that is not signed, or one of too many that wait")
            await websocket.close(_POLICY)
            return
        await websocket.accept()
        start = await _admitted(websocket, waiting, tokens)
        if start is None:
            refusals.tell("a media stream that did not begin with the token of a call")
            await _close(websocket, _POLICY)
        elif not lines.take():
            refusals.tell("a media stream, because all lines are busy")
            await _close(websocket, _TRY_LATER)
        else:
            try:
                await answer(_transport(websocket, start, account))
            finally:
                lines.free()
            await _close(websocket)


def is_signed(
    account: TwilioAccount, headers: Headers, url: str, fields: Mapping[str, str]
) -> bool:
    """Whether Twilio signed a request. True if the account has no secret to check with.

    Twilio signs with the account's token and HMAC-SHA1. If a webhooks rule says so, it signs with a
    shared key and the algorithm that `X-Twilio-Webhooks-Signature-Settings` names.

    Args:
        account: Holds the secrets.
        headers: The request's.
        url: As Twilio called it, with its query.
        fields: The form's; none for a WebSocket.
    """
    if not account.signs:
        return True
    settings = headers.get(SIGNATURE_SETTINGS_HEADER)
    secret = account.auth_token if settings is None else account.shared_key
    signature = headers.get(SIGNATURE_HEADER)
    if secret is None or not signature:
        return False
    try:
        validator = RequestValidator(secret)
        algorithm = get_signature_algorithm(settings)
        return bool(validator.validate(url, dict(fields), signature, algorithm))
    except ValueError:  # such as a port that is no number
        return False


def _has_signature(account: TwilioAccount, headers: Headers) -> bool:
    return not account.signs or SIGNATURE_HEADER in headers


def _unsigned(refusals: Refusals) -> HTTPException:
    refusals.tell("a webhook without a valid signature")
    return HTTPException(403, "the signature is missing or wrong")


async def _form(request: Request) -> dict[str, str]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise HTTPException(415, "the body must be a URL-encoded form")
    body = await read_body(request)
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict"
        )
    except ValueError:
        raise HTTPException(400, "the form cannot be read") from None
    return dict(pairs)


def _public(url: str) -> str:
    """The URL as the caller's side knows it. Behind a proxy, `PUBLIC_URL` says so."""
    public = (setting("PUBLIC_URL") or "").rstrip("/")
    if not public:
        return url
    path = url.split("/", 3)[3] if url.count("/") > 2 else ""
    scheme = "ws" if url.startswith("ws") else "http"
    return f"{public.replace('http', scheme, 1)}/{path}"


async def _admitted(websocket: WebSocket, waiting: Lines, tokens: CallTokens) -> Start | None:
    """The `start` message, or None if the WebSocket does not begin with a valid token in time."""
    waiting.take()
    try:
        async with asyncio.timeout(START_SECONDS):
            for _ in range(2):  # "connected", then "start"
                text = await websocket.receive_text()
                start = msgspec.json.decode(text, type=_Message).start
                if start is not None:
                    token = start.custom_parameters.get("token", "")
                    return start if tokens.redeem(token, start.call_sid) else None
    except (TimeoutError, ValueError, KeyError, RecursionError, WebSocketDisconnect):
        pass  # KeyError: a binary message
    finally:
        waiting.free()
    return None


def _transport(websocket: WebSocket, start: Start, account: TwilioAccount) -> BaseTransport:
    hangs_up = account.account_sid is not None and account.auth_token is not None
    serializer = TwilioFrameSerializer(
        stream_sid=start.stream_sid,
        call_sid=start.call_sid,
        account_sid=account.account_sid,
        auth_token=account.auth_token,
        params=TwilioFrameSerializer.InputParams(
            auto_hang_up=hangs_up, ignore_rtvi_messages=not start.wants_captions
        ),
    )
    return FastAPIWebsocketTransport(
        websocket,
        FastAPIWebsocketParams(
            audio_in_enabled=True, audio_out_enabled=True, serializer=serializer
        ),
    )


async def _close(websocket: WebSocket, code: int = 1000) -> None:
    with suppress(RuntimeError, WebSocketDisconnect):  # the other end has closed already
        await websocket.close(code)
