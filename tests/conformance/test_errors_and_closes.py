"""Sections 4.5 and 5 of docs/protocol.md: refusals, error messages and closes, each retry or not.

A stream that may try again finds a service that works the second time; one that may not, ends.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from pulse_plugins import (
    AccessDeniedError,
    AuthenticationError,
    Connected,
    ConnectionLostError,
    Disconnected,
    Final,
    PaymentRequiredError,
    PulseError,
    PulseStream,
    RateLimitError,
    Reconnecting,
    RegionError,
    RequestRejectedError,
    RetryPolicy,
    ServerError,
    ServerReported,
    Timeouts,
)
from tests.conformance.service import (
    DEADLINE,
    LAST,
    LOUD,
    Close,
    Frame,
    Refusal,
    Script,
    Service,
    attend,
    options,
    service,
)
from tests.support.privacy import API_KEY

SECRET = "the words of the caller"
WORKS = Script(heard=[{"session_id": "s2", "transcript": "hello", "is_final": True}])


def refused(name: str, status: int, kind: type[PulseError], body: str = "{}") -> Any:
    return pytest.param(Refusal(status, body), kind, id=f"5 HTTP {name}")


REGION = '{"status":"error","message":"no","error_code":"LANGUAGE_NOT_ENABLED_IN_REGION"}'
ERRORS_LIST = (
    '{"status":"error","message":"bad","errors":[{"path":"model","message":"is missing"}]}'
)
PARAMETER = '{"message":"Invalid query parameters","errors":[{"path":"language"}]}'  # N7
UNAUTHORIZED = '{"message":"Unauthorized: No tokens provided"}'

FATAL_HANDSHAKES = [
    refused("400 error", 400, RequestRejectedError, '{"error":"bad model","request_id":"r1"}'),
    refused("400 errors", 400, RequestRejectedError, ERRORS_LIST),
    refused("400 errors alone", 400, RequestRejectedError, PARAMETER),
    refused("400 LANGUAGE_NOT_ENABLED_IN_REGION", 400, RegionError, REGION),
    refused("400 region as code", 400, RegionError, REGION.replace("error_code", "code")),
    refused("400 without a body", 400, RequestRejectedError, ""),
    refused("400 HTML body", 400, RequestRejectedError, "<html>"),
    refused("401 missing key", 401, AuthenticationError, UNAUTHORIZED),
    refused("401 bad key", 401, AuthenticationError, '{"error":"unauthorized"}'),
    refused("402", 402, PaymentRequiredError, '{"error":"no credit"}'),
    refused("403", 403, AccessDeniedError, '{"error":"not in plan"}'),
    refused("404", 404, RequestRejectedError),
    refused("413", 413, RequestRejectedError, '{"error":"Audio data too large"}'),
]
PASSING_HANDSHAKES = [
    refused("429", 429, RateLimitError, '{"error":"too many"}'),
    refused("500", 500, ServerError),
    refused("502", 502, ServerError, "<html>bad gateway</html>"),
    refused("503", 503, ServerError),
]


async def read(stream: PulseStream, events: list[object]) -> None:
    async with asyncio.timeout(DEADLINE):
        async for event in stream:
            events.append(event)


async def failure(
    running: Service, *, pcm: bytes = b"", **wanted: Any
) -> tuple[PulseError, list[object]]:
    """How a stream ended for good, and what was told before."""
    stream = PulseStream(options(running, **wanted))
    events: list[object] = []
    stream.start()
    stream.push(pcm)
    try:
        with pytest.raises(PulseError) as caught:
            await read(stream, events)
    finally:
        stream.abort()
        await stream.wait_closed()
    return caught.value, events


def assert_nothing_private(error: PulseError) -> None:
    shown = f"{error} {error!r} {error.__cause__} {error.__context__}"
    assert API_KEY not in shown
    assert SECRET not in shown
    assert "?" not in str(error)  # no URL with a query


@pytest.mark.parametrize(("refusal", "kind"), FATAL_HANDSHAKES)
async def test_a_refusal_that_stays_is_not_tried_again(
    refusal: Refusal, kind: type[PulseError]
) -> None:
    async with service(refusal, WORKS) as running:
        error, events = await failure(running)
        assert len(running.visits) == 1
    assert type(error) is kind
    assert (error.status, error.retryable, events) == (refusal.status, False, [])
    assert_nothing_private(error)


@pytest.mark.parametrize(("refusal", "kind"), PASSING_HANDSHAKES)
async def test_a_refusal_that_may_pass_is_tried_again(
    refusal: Refusal, kind: type[PulseError]
) -> None:
    async with service(refusal, WORKS) as running:
        events = await attend(running)
        assert len(running.visits) == 2
    first = events[0]
    assert isinstance(first, Reconnecting)
    assert (type(first.error), first.reason) == (kind, f"http_{refusal.status}")
    assert [event.text for event in events if isinstance(event, Final)] == ["hello"]


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        pytest.param("7", 7.0, 7.0, id="5 Retry-After 7"),
        pytest.param("0", 0.5, 1.0, id="5 Retry-After 0 makes it no faster"),
        pytest.param("86400", 30.0, 30.0, id="5 Retry-After of a day is cut"),
    ],
)
async def test_retry_after_is_honoured(header: str, low: float, high: float) -> None:
    refusal = Refusal(429, headers=(("Retry-After", header),))
    async with service(refusal, WORKS) as running:
        stream = PulseStream(options(running))
        stream.start()
        event = await asyncio.wait_for(anext(stream.__aiter__()), DEADLINE)
        stream.abort()
        await stream.wait_closed()
    assert isinstance(event, Reconnecting)
    assert low - 0.001 <= event.delay <= high + 0.001


async def test_a_limit_is_met_with_a_back_off() -> None:
    async with service(Refusal(429)) as running:
        stream = PulseStream(options(running, retry=RetryPolicy()))
        stream.start()
        event = await asyncio.wait_for(anext(stream.__aiter__()), DEADLINE)
        stream.abort()
        await stream.wait_closed()
    assert isinstance(event, Reconnecting)
    assert event.delay >= 0.5


def error(name: str, kind: type[PulseError], **message: object) -> Any:
    return pytest.param(message, kind, id=f"4.5 {name}")


FATAL_ERRORS = [
    error(
        "error_code LANGUAGE_NOT_ENABLED_IN_REGION",
        RegionError,
        type="error",
        error_code="LANGUAGE_NOT_ENABLED_IN_REGION",
        message=SECRET,
    ),
    error(
        "code LANGUAGE_NOT_ENABLED_IN_REGION",
        RegionError,
        type="error",
        code="LANGUAGE_NOT_ENABLED_IN_REGION",
        error=SECRET,
    ),
    error("code 402", PaymentRequiredError, type="error", code=402, message=SECRET),
    error("unauthorized", AuthenticationError, error="unauthorized"),
    error("credit", PaymentRequiredError, error=f"no credit left: {SECRET}"),
]
REFUSED_OPTIONS = [
    error("invalid", RequestRejectedError, type="error", message=f"Invalid language: {SECRET}"),
    error("errors list", RequestRejectedError, status="error", errors=[{"message": "invalid"}]),
]
PASSING_ERRORS = [
    error("type and status", ServerError, type="error", status="error", message=SECRET),
    error("type alone", ServerError, type="error"),
    error("status alone", ServerError, status="error", message=SECRET),
    error("D error alone", ServerError, error=SECRET),
    error("error object", ServerError, error={"reason": SECRET}),
    error("error beside empty type", ServerError, type=None, error=SECRET),
    error("status error with a transcript", ServerError, status="error", transcript="x"),
    error("error_code of another kind", ServerError, type="error", error_code=17, message="x"),
    error("concurrency", RateLimitError, type="error", message="Too many concurrent streams"),
]
DIALECTS = ["live", "pulse", "legacy", "direct"]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(("message", "kind"), FATAL_ERRORS)
async def test_an_error_message_that_stays_ends_the_stream(
    message: dict[str, Any], kind: type[PulseError], dialect: str
) -> None:
    async with service(Script(greeting=[message, Close(1000)]), WORKS) as running:
        error, events = await failure(running, dialect=dialect)
        assert len(running.visits) == 1
    assert type(error) is kind
    assert [type(event) for event in events] == [Connected, Disconnected]
    assert_nothing_private(error)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(("message", "kind"), REFUSED_OPTIONS)
async def test_an_option_that_is_refused_in_the_stream_ends_it_in_time(
    message: dict[str, Any], kind: type[PulseError], dialect: str
) -> None:
    async with service(Script(greeting=[message, Close(1000)])) as running:
        timeouts = Timeouts(max_outage=2.0)
        error, events = await failure(running, pcm=LOUD, dialect=dialect, timeouts=timeouts)
    assert type(error) is kind
    assert_nothing_private(error)
    reported = [event.error for event in events if isinstance(event, ServerReported)]
    assert [type(each) for each in reported] == [kind] * len(running.visits)


async def test_section_10_a_timeout_that_the_server_reports_is_no_end() -> None:
    """N2: the message comes inside the stream, and the connection goes on."""
    told = {"status": "error", "message": "Request timed out, try again later"}
    spoken = {"session_id": "s1", "transcript": "hello", "is_final": True}
    async with service(Script(heard=[told, spoken])) as running:
        events = await attend(running)
        assert len(running.visits) == 1
        assert running.visits[0].audio == LOUD
    assert [type(event) for event in events] == [Connected, ServerReported, Final, Disconnected]
    (reported,) = [event.error for event in events if isinstance(event, ServerReported)]
    assert reported.code == "error_timeout"


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(("message", "kind"), PASSING_ERRORS)
async def test_an_error_message_that_may_pass_is_answered_by_another_connection(
    message: dict[str, Any], kind: type[PulseError], dialect: str
) -> None:
    async with service(Script(greeting=[message, Close(1011)]), WORKS) as running:
        events = await attend(running, dialect=dialect)
    retried = [event for event in events if isinstance(event, Reconnecting)]
    assert [type(event.error) for event in retried] == [kind]
    assert_nothing_private(retried[0].error)
    assert [event.text for event in events if isinstance(event, Final)] == ["hello"]


async def test_a_complaint_in_mid_stream_is_not_taken_for_bad_options() -> None:
    spoken = {"session_id": "s1", "transcript": "hi", "is_final": False}
    complaint = {"type": "error", "message": "invalid frame"}
    async with service(Script(heard=[spoken, complaint, Close(1000)]), WORKS) as running:
        events = await attend(running)
    assert [e.reason for e in events if isinstance(e, Reconnecting)] == ["error_message"]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        pytest.param(1000, ConnectionLostError, id="5 close 1000 in mid-speech"),
        pytest.param(1001, ConnectionLostError, id="5 close 1001"),
        pytest.param(1003, ServerError, id="5 close 1003"),
        pytest.param(1006, ConnectionLostError, id="5 close 1006"),
        pytest.param(1008, RateLimitError, id="5 close 1008"),
        pytest.param(1009, ServerError, id="5 close 1009"),
        pytest.param(1011, ServerError, id="5 close 1011"),
        pytest.param(1012, ConnectionLostError, id="5 close 1012"),
        pytest.param(4000, ServerError, id="5 close 4000"),
    ],
)
async def test_a_close_in_mid_speech_is_mended_by_another_connection(
    code: int, kind: type[PulseError]
) -> None:
    spoken = {"session_id": "s1", "transcript": "hel", "is_final": False}
    async with service(Script(heard=[spoken, Close(code)]), WORKS) as running:
        events = await attend(running)
        assert [visit.audio for visit in running.visits] == [LOUD, LOUD]
    (retried,) = [event for event in events if isinstance(event, Reconnecting)]
    assert (type(retried.error), retried.error.retryable) == (kind, True)
    assert [event.text for event in events if isinstance(event, Final)] == ["hello"]


@pytest.mark.parametrize(
    "scripts",
    [
        pytest.param([Close(1000)], id="5 instant close with no frame"),
        pytest.param([Close(1008)], id="5 instant close 1008"),
        pytest.param([Close(1006)], id="5 instant drop"),
        pytest.param([{"error": "overloaded"}, Close(1011)], id="5 instant error"),
    ],
)
async def test_instant_closes_are_not_tried_for_ever(scripts: Sequence[Frame]) -> None:
    async with service(Script(greeting=scripts)) as running:
        # Audio is owed: an idle stream loses nothing by such a close.
        error, events = await failure(running, pcm=LOUD, timeouts=Timeouts(max_outage=2.0))
        assert len(running.visits) > 1
    assert error.retryable
    assert sum(isinstance(e, Connected) for e in events) == len(running.visits)


async def test_attempts_can_be_counted_as_the_documents_advise() -> None:
    policy = RetryPolicy(base=0.0, max_attempts=5)
    async with service(Refusal(503)) as running:
        error, _ = await failure(running, retry=policy)
        assert len(running.visits) == 5
    assert error.code == "http_503"


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_close_with_1000_after_is_last_is_clean(dialect: str) -> None:
    async with service(Script(closing=[LAST, Close(1000)])) as running:
        events = await attend(running, dialect=dialect)
        assert len(running.visits) == 1
    assert [type(event) for event in events] == [Connected, Disconnected]
    assert events[-1] == Disconnected(None)


async def test_section_10_the_refused_parameter_is_named() -> None:
    async with service(Refusal(400, PARAMETER)) as running:
        error, _ = await failure(running)
    assert "the parameter language" in str(error)


@pytest.mark.parametrize(
    ("language", "says"), [("multi", "multi-eu"), ("zh", "region='us'"), ("pa", "another language")]
)
@pytest.mark.parametrize("where", ["handshake", "stream"])
async def test_section_10_a_refused_language_gets_advice(
    language: str, says: str, where: str
) -> None:
    told = {"error": "no", "code": "LANGUAGE_NOT_ENABLED_IN_REGION"}
    refusal = Refusal(400, json.dumps(told))
    script = refusal if where == "handshake" else Script(greeting=[told, Close(1000)])
    async with service(script) as running:
        error, _ = await failure(running, language=language)
    assert isinstance(error, RegionError)
    assert says in str(error)


async def test_the_message_of_the_server_is_kept_apart_from_the_text() -> None:
    body = f'{{"error":"{SECRET}"}}'
    async with service(Refusal(400, body)) as running:
        error, _ = await failure(running)
    assert error.detail == SECRET
    assert SECRET not in str(error)
