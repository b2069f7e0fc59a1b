"""Faults and records over HTTP, for tests that run in another process than the server."""

from __future__ import annotations

import json
from collections.abc import Sequence

from aiohttp import web

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.local.connection.records import ConnectionRecord
from pulse_plugins.local.faults import Schedule, parse
from pulse_plugins.local.wire.refusals import RefusedError, stream_refusal


def add_routes(
    router: web.UrlDispatcher, schedule: Schedule, connections: Sequence[ConnectionRecord]
) -> None:
    """Serve `POST` and `DELETE /_control/faults` and `GET /_control/stats`."""

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
            # A LookupError is a charset that nobody knows.
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
                "connections": [record.to_json() for record in connections],
            }
        )

    router.add_post("/_control/faults", add)
    router.add_delete("/_control/faults", clear)
    router.add_get("/_control/stats", stats)
