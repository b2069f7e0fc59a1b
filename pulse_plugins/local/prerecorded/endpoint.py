"""The pre-recorded endpoint: one upload, one answer."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import Coroutine
from typing import Any

from aiohttp import web

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.local.output import formatting
from pulse_plugins.local.prerecorded import outbound
from pulse_plugins.local.prerecorded.body import Body, receive
from pulse_plugins.local.prerecorded.recognition import (
    AbandonedError,
    Request,
    Transcript,
    request_of,
    transcribe,
)
from pulse_plugins.local.recognizers.contract import Recognizer
from pulse_plugins.local.settings import ServerOptions
from pulse_plugins.local.wire.messages import DialectName, Json
from pulse_plugins.local.wire.refusals import RefusedError, batch_refusal

_LOG = logging.getLogger(__name__)
_LONGEST_URL_BODY = 1 << 16  # bytes of `{"url": "…"}`


class UploadEndpoint:
    """Answers uploads on all paths of the pre-recorded endpoint."""

    def __init__(self, options: ServerOptions, recognizer: Recognizer) -> None:
        self._options = options
        self._recognizer = recognizer
        self._slots = asyncio.Semaphore(options.max_uploads)
        self._tasks: set[asyncio.Task[None]] = set()

    async def answer(self, dialect: DialectName, request: web.Request) -> web.StreamResponse:
        """Answer one upload; every answer has an `x-request-id`."""
        request_id = str(uuid.uuid4())
        try:
            return await self._answer(dialect, request, request_id)
        except RefusedError as error:
            return batch_refusal(error, request_id)
        except ConfigurationError as error:
            return batch_refusal(RefusedError(400, str(error)), request_id)
        except AbandonedError:
            return web.Response(status=499)  # the client is gone
        except Exception as error:
            # The type alone: a text could hold what was said.
            _LOG.error("local Pulse server: an upload failed with %s", type(error).__name__)
            _LOG.debug("upload %s", request_id, exc_info=error)
            return batch_refusal(RefusedError(500, "Internal server error"), request_id)

    async def aclose(self) -> None:
        """Give up webhooks that are still to be called."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _answer(
        self, dialect: DialectName, request: web.Request, request_id: str
    ) -> web.Response:
        options = self._options
        encoding = request.headers.get("Content-Encoding", "identity").lower()
        if encoding != "identity":
            # Nothing is unpacked: a small packed body can hold gigabytes.
            raise RefusedError(415, f"Content-Encoding {encoding[:20]} is not supported")
        asked = request_of(dialect, request.query, self._recognizer, options)
        formatting.check(asked.parameters)
        if asked.webhook:
            outbound.check(asked.webhook, options, "webhook_url")
        is_url = request.content_type == "application/json"
        if is_url and asked.pro:
            raise RefusedError(400, "pulse-pro takes no URL", parameter="model")
        limit = _LONGEST_URL_BODY if is_url else options.max_body_bytes
        body = await receive(request.content, limit=limit, timeout=options.upload_timeout)
        name = ""
        if is_url:
            url = _url_in(body)
            name = url.partition("?")[0].rpartition("/")[2]
            body = await outbound.fetch(url, options)
        headers = {"x-request-id": request_id, **_simulated(asked)}
        if asked.webhook:
            self._spawn(self._call_webhook(body, asked, request, request_id, name))
            return web.json_response(
                {"status": "processing", "request_id": request_id}, headers=headers
            )

        def wanted() -> bool:
            return request.transport is not None and not request.transport.is_closing()

        with body:
            async with self._slots:
                found = await transcribe(body, asked, self._recognizer, options, wanted=wanted)
        return web.json_response(
            _fields(found, asked, body.size, request_id, name), headers=headers
        )

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="pulse-local-webhook")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _call_webhook(
        self, body: Body, asked: Request, request: web.Request, request_id: str, name: str
    ) -> None:
        answer: dict[str, Json]
        try:
            with body:
                async with self._slots:
                    found = await transcribe(
                        body, asked, self._recognizer, self._options, wanted=lambda: True
                    )
            answer = _fields(found, asked, body.size, request_id, name)
        except (RefusedError, ConfigurationError) as error:
            answer = {"status": "error", "message": str(error)}
        answer["request_id"] = request_id
        for pair in request.query.get("webhook_extra", "").split(","):
            key, colon, value = pair.partition(":")
            if colon:
                answer.setdefault(key.strip(), value.strip())
        method = request.query.get("webhook_method", "POST").upper()
        await outbound.deliver(asked.webhook, method, answer)


def _url_in(body: Body) -> str:
    with body:
        try:
            sent = json.loads(body.file().read())
        except (ValueError, RecursionError):
            sent = None
    url = sent.get("url") if isinstance(sent, dict) else None
    if not isinstance(url, str):
        raise RefusedError(400, 'the body is JSON and has no "url"', parameter="url")
    return url


def _simulated(asked: Request) -> dict[str, str]:
    """A header that names what the answer makes up."""
    names = {
        "speakers": asked.parameters.diarize,
        "gender": asked.parameters.gender,
        "emotions": asked.parameters.emotion,
        "age": asked.age,
        "redaction": asked.parameters.redact_pii or asked.parameters.redact_pci,
    }
    made_up = ",".join(name for name, there in names.items() if there)
    return {"x-pulse-local": f"simulated={made_up}" if made_up else "not-the-service"}


def _fields(
    found: Transcript, asked: Request, size: int, request_id: str, name: str
) -> dict[str, Json]:
    parameters = asked.parameters
    seconds = round(found.seconds, 3)
    metadata: dict[str, Json] = {"duration": seconds, "fileSize": size}
    if name:
        metadata["filename"] = name
    fields: dict[str, Json] = {
        "status": "success",
        "transcription": found.text,
        "audio_length": seconds,
        "words": found.words if parameters.word_timestamps else [],
        "utterances": found.utterances if parameters.word_timestamps else [],
        "metadata": metadata,
    }
    if asked.pro:
        fields |= {"language": "en", "request_id": request_id, "totalBytes": size}
        return fields
    if found.redacted is not None:
        fields["redacted_entities"] = found.redacted
    if found.voice is not None:
        if parameters.gender and found.voice.gender is not None:
            fields["gender"] = found.voice.gender
        if asked.age and found.voice.age is not None:
            fields["age"] = found.voice.age
        if parameters.emotion and found.emotions is not None:
            fields["emotions"] = dict(found.emotions)
    return fields
