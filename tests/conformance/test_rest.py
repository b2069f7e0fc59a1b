"""Section 6 of docs/protocol.md: the batch client against answers written by hand."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from pulse_plugins import (
    AccessDeniedError,
    AudioFormat,
    AuthenticationError,
    ConfigurationError,
    PaymentRequiredError,
    PulseBatch,
    PulseError,
    PulseOptions,
    RateLimitError,
    RegionError,
    RequestRejectedError,
    RetryPolicy,
    ServerError,
    Utterance,
    Word,
)
from pulse_plugins.core.client.upload import Webhook
from tests.support.privacy import API_KEY

PATHS = {
    "live": "/waves/v1/stt/",
    "pulse": "/waves/v1/pulse/get_text",
    "legacy": "/api/v1/pulse/get_text",
}
SUCCESS = {"status": "success", "transcription": "Good morning."}


@dataclass
class Service:
    """Answers each request with the next of its answers, then with success."""

    answers: list[tuple[int, Any]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    seen: list[tuple[web.Request, bytes]] = field(default_factory=list)
    url: str = ""

    async def handle(self, request: web.Request) -> web.Response:
        self.seen.append((request, await request.read()))
        status, body = self.answers.pop(0) if self.answers else (200, SUCCESS)
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(
            status=status, text=text, content_type="application/json", headers=self.headers
        )


@asynccontextmanager
async def answering(*answers: tuple[int, Any], **headers: str) -> AsyncIterator[Service]:
    service = Service(list(answers), headers)
    application = web.Application()
    application.router.add_post("/{path:.*}", service.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    service.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield service
    finally:
        await runner.cleanup()


def batch(service: Service, **wanted: Any) -> PulseBatch:
    model = wanted.pop("model", None)
    hasty = RetryPolicy(base=0.0)
    options = PulseOptions(base_url=service.url, api_key=API_KEY, retry=hasty, **wanted)
    return PulseBatch(options, model=model)


# What the client sends.


SENT: list[Any] = [
    pytest.param("live", {}, {"model": "pulse", "language": "en"}, id="6 A current"),
    pytest.param("pulse", {}, {"language": "en"}, id="6 B without model"),
    pytest.param("legacy", {}, {"language": "en"}, id="6 C without model"),
    pytest.param("live", {"model": "pulse-pro"}, {"model": "pulse-pro"}, id="6 pulse-pro"),
    pytest.param("live", {"language": "multi-eu"}, {"language": "multi-eu"}, id="6 language"),
    *(
        pytest.param("live", {name: True}, {name: "true"}, id=f"6 {name}")
        for name in (
            "word_timestamps", "diarize", "emotion_detection", "gender_detection", "redact_pii",
            "redact_pci", "format", "punctuate", "capitalize",
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize(("dialect", "wanted", "sent"), SENT)
async def test_6_a_recording_goes_up_with_its_parameters(
    dialect: str, wanted: dict[str, Any], sent: dict[str, str]
) -> None:
    async with answering() as service:
        async with batch(service, dialect=dialect, **wanted) as client:
            await client.transcribe(b"RIFF")
        ((request, body),) = service.seen
    assert (request.path, body) == (PATHS[dialect], b"RIFF")
    assert request.headers["Authorization"] == f"Bearer {API_KEY}"
    assert request.content_type == "application/octet-stream"
    assert dict(request.query).items() >= sent.items()
    assert ("model" in request.query) is (dialect == "live")


STREAMING_ONLY = {
    "keywords": ["Acme"], "itn_normalize": True, "max_words": 5, "endpointing": True,
    "eou_timeout_ms": 500, "vad_events": True, "full_transcript": True,
}  # fmt: skip


@pytest.mark.parametrize("name", STREAMING_ONLY)
async def test_6_what_is_for_streams_only_is_left_out(name: str) -> None:
    async with answering() as service:
        async with batch(service, **{name: STREAMING_ONLY[name]}) as client:
            await client.transcribe(b"RIFF")
        assert set(service.seen[0][0].query) == {"language", "word_timestamps"}


async def test_6_a_url_goes_up_as_json() -> None:
    async with answering() as service:
        async with batch(service, dialect="live") as client:
            await client.transcribe("https://example.com/a.wav")
        ((request, body),) = service.seen
    assert request.content_type == "application/json"
    assert json.loads(body) == {"url": "https://example.com/a.wav"}


async def test_6_content_type_encoding_and_webhook_can_be_said() -> None:
    hook = Webhook(url="https://example.com/done", method="GET", extra={"k": "v", "k2": "v2"})
    async with answering((200, {"status": "processing", "request_id": "r1"})) as service:
        async with batch(service) as client:
            receipt = await client.transcribe(
                b"\xff\x00",
                content_type="audio/basic",
                audio_format=AudioFormat("mulaw", 8000),
                webhook=hook,
            )
        ((request, _),) = service.seen
    assert (receipt.status, receipt.request_id, receipt.text) == ("processing", "r1", "")
    assert request.content_type == "audio/basic"
    assert (request.query["encoding"], request.query["sample_rate"]) == ("mulaw", "8000")
    assert request.query["webhook_url"] == "https://example.com/done"
    assert (request.query["webhook_method"], request.query["webhook_extra"]) == ("GET", "k:v,k2:v2")


PRO = {"dialect": "live", "model": "pulse-pro"}


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param(PRO | {"language": "hi"}, id="6 pulse-pro is English"),
        pytest.param(PRO | {"diarize": True}, id="6 pulse-pro knows no speakers"),
        pytest.param(PRO | {"dialect": "pulse"}, id="6 pulse-pro is on A only"),
        pytest.param({"dialect": "direct"}, id="1.2 D has no recordings"),
    ],
)
async def test_6_what_cannot_be_asked_is_refused_before(wanted: dict[str, Any]) -> None:
    async with answering() as service:
        with pytest.raises(ConfigurationError):
            batch(service, **wanted)


async def test_6_pulse_pro_takes_no_url() -> None:
    async with answering() as service, batch(service, **PRO) as client:
        with pytest.raises(ConfigurationError):
            await client.transcribe("https://example.com/a.wav")
        assert service.seen == []


# What the client reads.


FULL = {
    **SUCCESS,
    "audio_length": 2.0,
    "words": [{"start": 0.1, "end": 0.4, "word": "Good", "confidence": 0.99, "speaker": 0}],
    "utterances": [{"start": 0.1, "end": 1.2, "text": "Good morning.", "speaker": 0}],
    "gender": "female",
    "emotions": {"happiness": 0.61, "anger": 0.03},
    "metadata": {"duration": 2.9, "fileSize": 92844},
}
GOOD = Word("Good", 0.1, 0.4, 0.99, "0")


def answered(name: str, answer: dict[str, Any], **expected: object) -> Any:
    return pytest.param(answer, expected, id=f"6 {name}")


SPEAKER = [{"start": 0.1, "end": 0.4, "word": "Good", "confidence": 0.99, "speaker": "speaker_0"}]
ANSWERS = [
    answered("transcription", SUCCESS, text="Good morning.", words=(), utterances=()),
    answered("transcript", {"transcript": "Good morning. "}, text="Good morning."),
    answered("empty", {**SUCCESS, "transcription": ""}, text=""),
    answered("words", FULL, words=(GOOD,)),
    answered("words empty", {**SUCCESS, "words": [], "utterances": []}, words=(), utterances=()),
    answered(
        "speaker speaker_0",
        {**SUCCESS, "words": SPEAKER},
        words=(Word("Good", 0.1, 0.4, 0.99, "speaker_0"),),
    ),
    answered("utterances", FULL, utterances=(Utterance("Good morning.", 0.1, 1.2, "0"),)),
    answered("gender", FULL, gender="female"),
    answered("emotions", FULL, emotions={"happiness": 0.61, "anger": 0.03}),
    answered("emotions other labels", {**SUCCESS, "emotions": {"joy": 1}}, emotions={"joy": 1.0}),
    answered("metadata.duration first", FULL, duration=2.9),
    answered("audio_length", {**SUCCESS, "audio_length": 2.0}, duration=2.0),
    answered("no duration", SUCCESS, duration=None),
    answered("metadata.filename", {**SUCCESS, "metadata": {"filename": "a.wav"}},
             metadata={"filename": "a.wav"}),
    answered(
        "pulse-pro fields",
        {**SUCCESS, "language": "en", "request_id": "r1", "totalBytes": 9},
        language="en",
        request_id="r1",
        extra={"totalBytes": 9},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "expected"), ANSWERS)
async def test_6_an_answer_is_read(answer: dict[str, Any], expected: dict[str, object]) -> None:
    async with answering((200, answer)) as service, batch(service) as client:
        transcript = await client.transcribe(b"RIFF")
    assert {name: getattr(transcript, name) for name in expected} == expected


def fails(name: str, status: int, body: Any, kind: type[PulseError], detail: str = "no") -> Any:
    return pytest.param(status, body, kind, detail, id=f"6 {status} {name}")


REGION = {"status": "error", "message": "no", "error_code": "LANGUAGE_NOT_ENABLED_IN_REGION"}
QUERY = {"errors": [{"path": "model", "message": "no"}]}
FAILURES = [
    fails("error", 400, {"error": "no", "message": "x"}, RequestRejectedError),
    fails("message", 400, {"message": "no", "errors": "x"}, RequestRejectedError),
    fails("errors text", 400, {"errors": "no"}, RequestRejectedError),
    fails("errors list", 400, QUERY, RequestRejectedError, str(QUERY["errors"])),
    fails("region", 400, REGION, RegionError),
    fails("region as code", 400, {"error": "no", "code": REGION["error_code"]}, RegionError),
    fails("NoAudio", 400, {"error": "no", "code": "NoAudio"}, RequestRejectedError),
    fails("too large", 400, {"error": "no"}, RequestRejectedError),
    fails("no JSON", 400, "<html>", RequestRejectedError, ""),
    fails("missing key", 401, {"message": "no"}, AuthenticationError),
    fails("credit", 402, {"error": "no"}, PaymentRequiredError),
    fails("access", 403, {"error": "no"}, AccessDeniedError),
    fails("not found", 404, {}, RequestRejectedError, ""),
    fails("too large", 413, {"error": "no"}, RequestRejectedError),
    fails("limit", 429, {"error": "no"}, RateLimitError),
    fails("fault", 500, {"error": "no"}, ServerError),
    fails("gateway", 502, "<html>", ServerError, ""),
    fails("no worker", 503, {"message": "no"}, ServerError),
    fails("status error", 200, {"status": "error", "message": "no"}, ServerError),
    fails("status error, region", 200, REGION, RegionError),
    fails("no transcript", 200, {"status": "success"}, ServerError, ""),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "kind", "detail"), FAILURES)
async def test_6_a_failure_is_typed_and_tried_again_where_that_helps(
    status: int, body: Any, kind: type[PulseError], detail: str
) -> None:
    async with answering(*[(status, body)] * 4, **{"x-request-id": "r9"}) as service:
        async with batch(service) as client:
            with pytest.raises(PulseError) as failed:
                await client.transcribe(b"RIFF")
        assert len(service.seen) == (4 if kind.retryable else 1)
    assert (type(failed.value), failed.value.detail) == (kind, detail)
    assert any("r9" in note for note in failed.value.__notes__)
    assert API_KEY not in repr(failed.value)
