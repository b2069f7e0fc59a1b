"""The web server of the phone agent, and the protection that all its routes share."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import urlsplit

import uvicorn
from fastapi import FastAPI, HTTPException, Request
from loguru import logger
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from examples.phone_agent.admission import Lines
from examples.phone_agent.settings import setting

MOST_MESSAGE_BYTES = 16_384  # a second of mu-law in base64 is 10,700 bytes; Twilio sends 20 ms
MOST_BODY_BYTES = 32_768  # Chromium's offer has about 2,000 bytes, a form of Twilio 1,000
_BODY_SECONDS = 5.0
_DRAIN_SECONDS = 300  # the grace period of compose.yaml; calls end after 10 minutes at the latest
_CLOSE_SECONDS = 10  # for connections that are left after the calls
_POLICY = 1008
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class SecurityHeaders:
    """Adds `_HEADERS` to every HTTP response.

    Args:
        app: The application behind it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)


class SameOrigin:
    """Refuses WebSockets and changing requests that a page of another origin sends.

    A browser names the origin in `Sec-Fetch-Site` and `Origin`. Requests without both headers do
    not come from a browser, and pass: they carry no rights of a browser's user.

    Args:
        app: The application behind it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse one request."""
        kind = scope["type"]
        guarded = kind == "websocket" or (kind == "http" and scope["method"] not in _SAFE_METHODS)
        if not guarded or not _is_cross_origin(Headers(scope=scope)):
            await self._app(scope, receive, send)
        elif kind == "websocket":
            await send({"type": "websocket.close", "code": _POLICY, "reason": ""})
        else:
            await send({"type": "http.response.start", "status": 403, "headers": []})
            await send({"type": "http.response.body", "body": b"the request is cross-origin"})


def _is_cross_origin(headers: Headers) -> bool:
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return True
    origin = headers.get("origin")
    if origin is None:
        return False
    ours = {headers.get("host", ""), urlsplit(setting("PUBLIC_URL") or "").netloc} - {""}
    return origin.partition("://")[2] not in ours


def make_protected_app(hosts: Sequence[str]) -> FastAPI:
    """Make an application without routes, behind the shared protection.

    Args:
        hosts: The values of the `Host` header that it answers to, without ports.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, max_body_size=MOST_BODY_BYTES)
    app.add_middleware(SameOrigin)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)
    return app


async def read_body(request: Request) -> bytes:
    """Read a request's body, for at most five seconds. `MOST_BODY_BYTES` limits its size.

    Args:
        request: The request.

    Raises:
        HTTPException: 408 if the body comes too slowly, 400 if it ends early.
    """
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            return await request.body()
    except TimeoutError:
        raise HTTPException(408, "the body comes too slowly") from None
    except ClientDisconnect:
        raise HTTPException(400, "the body ends early") from None


class Server(uvicorn.Server):
    """Uvicorn, which lets calls end before it stops.

    Uvicorn alone closes all WebSockets when it is asked to stop, and with them telephone calls.

    Args:
        config: Uvicorn's.
        lines: Count the calls.
    """

    def __init__(self, config: uvicorn.Config, lines: Sequence[Lines]) -> None:
        super().__init__(config)
        self._lines = lines

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        if self.started:
            logger.info(f"the agent answers at http://{self.config.host}:{port_of(self)}")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no new calls, wait until the others have ended, and stop."""
        for line in self._lines:
            line.most = 0
        if self._calls:
            logger.info(
                f"calls in progress: {self._calls}; waiting for their end; Ctrl-C ends them now"
            )
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                while self._calls and not self.force_exit:  # noqa: ASYNC110 - signals set it
                    await asyncio.sleep(0.1)
        await super().shutdown(sockets)

    @property
    def _calls(self) -> int:
        return sum(line.open for line in self._lines)


def make_server(app: FastAPI, host: str, port: int, lines: Sequence[Lines]) -> Server:
    """Make the web server around an application.

    Args:
        app: The application.
        host: The address to listen on.
        port: The port to listen on; 0 lets the system choose one.
        lines: Count the calls that must end before the server stops.
    """
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        lifespan="off",  # nothing uses it, and Ctrl-C while it starts prints a traceback
        server_header=False,
        ws_max_size=MOST_MESSAGE_BYTES,
        timeout_graceful_shutdown=_CLOSE_SECONDS,
    )
    return Server(config, lines)


def port_of(server: uvicorn.Server) -> int:
    """The port on which a started server listens."""
    listening: socket.socket = server.servers[0].sockets[0]
    return int(listening.getsockname()[1])
