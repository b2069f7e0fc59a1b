"""What ends a request before it is served, and the documented bodies of such answers."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from aiohttp import web

from pulse_plugins.local.wire.messages import Json


class RefusedError(Exception):
    """The request is answered with a status instead of a connection or a transcript."""

    def __init__(
        self,
        status: int,
        message: str,
        error_code: str | None = None,
        *,
        parameter: str | None = None,
    ) -> None:
        """Describe the refusal.

        Args:
            status: The HTTP status.
            message: One sentence for the client.
            error_code: The service's word for programs, such as `NoAudio`.
            parameter: The query parameter that is wrong. The pre-recorded endpoint names it in
                `errors[].path`.
        """
        super().__init__(message)
        self.status = status
        self.error_code = error_code
        self.parameter = parameter


def stream_refusal(error: RefusedError) -> web.Response:
    """The answer to a refused WebSocket handshake."""
    body = _common(error)
    if body is None:
        body = {"error": str(error), "request_id": str(uuid.uuid4())}
    return _response(error, body)


def batch_refusal(error: RefusedError, request_id: str) -> web.Response:
    """The answer to a refused upload.

    A wrong query parameter is named in `errors[].path` and `errors[].message` only; the `message`
    beside them is the same for all parameters. A third-party client saw this on the live service.
    """
    body = _common(error)
    if body is None and error.parameter is not None:
        body = {
            "status": "error",
            "message": "Invalid query parameters",
            "errors": [{"path": error.parameter, "message": str(error)}],
        }
    elif body is None:
        body = {"error": str(error), "request_id": request_id}
    response = _response(error, body)
    response.headers["x-request-id"] = request_id
    return response


def _common(error: RefusedError) -> dict[str, Json] | None:
    """The bodies that both endpoints share."""
    text = str(error)
    if error.status == 401:
        return {"error": text} if text else {"message": "Unauthorized: No tokens provided"}
    if error.error_code is not None:
        return {"status": "error", "message": text, "error_code": error.error_code}
    return None


def _response(error: RefusedError, body: Mapping[str, Json]) -> web.Response:
    headers = {"Retry-After": "1"} if error.status == 429 else None
    return web.json_response(body, status=error.status, headers=headers)
