"""The requests that the server itself makes: bodies by URL, and webhooks.

Only this machine is called, and hosts that `allowed_hosts` names: a stand-in on a developer's
machine must not fetch or post for strangers.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from urllib.parse import urlsplit

import aiohttp

from pulse_plugins.core.client.http import is_loopback
from pulse_plugins.local.prerecorded.body import Body, receive
from pulse_plugins.local.settings import ServerOptions
from pulse_plugins.local.wire.messages import Json
from pulse_plugins.local.wire.refusals import RefusedError

_LOG = logging.getLogger(__name__)
_TRIES = 11  # the service documents up to 10 repeats after an answer of 500 and more
_FIRST_PAUSE = 0.2  # seconds; doubled after each try, up to 10


def check(url: str, options: ServerOptions, parameter: str) -> None:
    """Find out whether this server may call a URL.

    Raises:
        RefusedError: It is no `http` or `https` URL of this machine or of an allowed host.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        parts, host = urlsplit(""), ""
    if parts.scheme not in ("http", "https") or not host:
        raise RefusedError(400, f"{parameter} is not a URL", parameter=parameter)
    if not is_loopback(host) and host not in options.allowed_hosts:
        text = (
            f"{parameter}: this local server calls its own machine only; "
            "allow another host with allowed_hosts"
        )
        raise RefusedError(400, text, parameter=parameter)


async def fetch(url: str, options: ServerOptions) -> Body:
    """Read a body from a URL; redirects are not followed.

    Raises:
        RefusedError: The URL is not allowed, or does not give a body.
    """
    check(url, options, "url")
    timeout = aiohttp.ClientTimeout(connect=10, sock_read=10)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session,
            session.get(url, allow_redirects=False) as answer,
        ):
            if answer.status != 200:
                text = f"url answers with status {answer.status}"
                raise RefusedError(400, text, parameter="url")
            return await receive(
                answer.content, limit=options.max_body_bytes, timeout=options.upload_timeout
            )
    except (aiohttp.ClientError, TimeoutError, ValueError):
        raise RefusedError(400, "url cannot be read", parameter="url") from None


async def deliver(url: str, method: str, answer: Mapping[str, Json]) -> None:
    """Call a webhook with an answer, again where it fails with 500 and more.

    Args:
        url: Checked already.
        method: `POST` sends the answer as JSON; `GET` sends its fields as the query, without lists
            and with objects as JSON.
        answer: The body.
    """
    plain = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in answer.items()
        if not isinstance(value, list)
    }
    pause = _FIRST_PAUSE
    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        for _ in range(_TRIES):
            try:
                if method == "GET":
                    call = session.get(url, params=plain, allow_redirects=False)
                else:
                    call = session.post(url, json=answer, allow_redirects=False)
                async with call as response:
                    if response.status < 500:
                        return
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(pause)
            pause = min(2 * pause, 10.0)
    _LOG.warning("a webhook was not taken after %d tries", _TRIES)
