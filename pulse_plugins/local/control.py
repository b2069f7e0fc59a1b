"""Faults and records over HTTP, for tests that run in another process than the server."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from aiohttp import web

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.local.connection.records import ConnectionRecord
from pulse_plugins.local.faults import Schedule, parse
from pulse_plugins.local.gate import Gate
from pulse_plugins.local.wire.refusals import RefusedError, stream_refusal

_Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]
# Headers that are of use in a test; any other may hold a secret of the client's.
_SHOWN = ("user-agent", "content-type", "x-source", "x-livekit-version", "x-pipecat-version")


def add_routes(
    router: web.UrlDispatcher,
    schedule: Schedule,
    connections: Sequence[ConnectionRecord],
    gate: Gate,
) -> None:
    """Serve `POST` and `DELETE /_control/faults` and `GET /_control/stats`.

    A server that demands a key demands it here too.
    """

    def armed() -> list[str]:
        return [str(fault) for fault in schedule.armed]

    async def add(request: web.Request) -> web.StreamResponse:
        """The body: one fault in the compact form a line, or a JSON list of them."""
        try:
            text = await request.text()
            listed = json.loads(text) if text.lstrip().startswith("[") else text.splitlines()
            # All are read before any is armed.
            schedule.add([parse(str(line)) for line in listed if str(line).strip()])
        except (LookupError, RecursionError, ValueError, ConfigurationError) as error:
            # A LookupError means that the charset of the body is unknown.
            return stream_refusal(RefusedError(400, str(error)))
        return web.json_response({"armed": armed()})

    async def clear(request: web.Request) -> web.StreamResponse:
        schedule.clear()
        return web.json_response({"armed": []})

    async def stats(request: web.Request) -> web.StreamResponse:
        return web.json_response(
            {
                "open": sum(not record.closed for record in connections),
                "armed": armed(),
                "happened": schedule.happened,
                "connections": [_shown(record) for record in connections],
            }
        )

    def keyed(handler: _Handler) -> _Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                gate.check_key(request, any_key=False)
            except RefusedError as error:
                return stream_refusal(error)
            return await handler(request)

        return handle

    router.add_post("/_control/faults", keyed(add))
    router.add_delete("/_control/faults", keyed(clear))
    router.add_get("/_control/stats", keyed(stats))


def _shown(record: ConnectionRecord) -> dict[str, object]:
    headers = {name: value for name, value in record.headers.items() if name in _SHOWN}
    return record.to_json() | {"headers": headers}
