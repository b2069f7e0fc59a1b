"""Strangers at the telephone's two doors: the webhook, and the WebSocket of a call's audio."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from loguru import logger
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from examples.phone_agent.admission import CallTokens
from examples.phone_agent.dial import Announced, announce, signed
from examples.phone_agent.settings import SettingError, check_exposure
from examples.phone_agent.telephone import MOST_WAITING, START_SECONDS
from tests.phone_agent.answering import Agent, agent

MEGABYTE = 2**20
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest_asyncio.fixture
async def answering(tmp_path: Path) -> AsyncIterator[Agent]:
    """An agent on loopback that cannot check signatures."""
    async with agent(f"sqlite:///{tmp_path}/b.db") as made:
        yield made


@pytest_asyncio.fixture
async def guarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Agent]:
    """An agent with the token of a Twilio account."""
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "secret-token")
    async with agent(f"sqlite:///{tmp_path}/b.db") as made:
        yield made


def media(answering: Agent) -> str:
    return f"{answering.url}/media".replace("http", "ws", 1)


def start(call: str, **parameters: object) -> str:
    told = {"streamSid": "MZ1", "callSid": call, "customParameters": parameters}
    return json.dumps({"event": "start", "start": told})


async def close_code(socket: ClientConnection) -> int | None:
    with pytest.raises(ConnectionClosed):
        await socket.recv()
    return socket.close_code


@asynccontextmanager
async def stream(announced: Announced) -> AsyncIterator[ClientConnection]:
    async with connect(announced.url, additional_headers=signed(announced.url, {})) as socket:
        yield socket


@pytest.mark.parametrize("headers", [{}, {"X-Twilio-Signature": "bm8="}])
async def test_a_webhook_that_is_not_signed_is_refused(
    guarded: Agent, headers: dict[str, str]
) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.post(guarded.url, data={"CallSid": "CA1"}, headers=headers) as refused,
    ):
        assert refused.status == 403
        assert "secret" not in await refused.text()


async def sent_of_a_large_form(url: str, headers: dict[str, str]) -> tuple[int, int]:
    """The status that a form of 200 MB is answered with, and how many bytes the agent took."""
    sent = 0

    async def form() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(200):
            yield b"a" * MEGABYTE
            sent += MEGABYTE

    async with aiohttp.ClientSession() as session:
        try:
            async with session.post(url, data=form(), headers={**FORM, **headers}) as answer:
                return answer.status, sent
        except aiohttp.ClientError:  # the agent closes the connection while the form is sent
            return 0, sent


@pytest.mark.parametrize("headers", [{}, {"X-Twilio-Signature": "bm8="}])
async def test_a_form_of_200_megabytes_is_refused_before_it_is_read(
    guarded: Agent, headers: dict[str, str]
) -> None:
    status, sent = await sent_of_a_large_form(guarded.url, headers)
    assert status in (0, 403, 413)
    assert sent < 20 * MEGABYTE  # what the buffers of both ends and of the system may hold


async def test_a_form_that_names_a_large_size_is_refused_before_it_is_sent(
    answering: Agent,
) -> None:
    host, port = answering.origin.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST /twilio HTTP/1.1\r\nHost: {host}\r\nContent-Length: {200 * MEGABYTE}\r\n"
    writer.write(f"{head}Content-Type: {FORM['Content-Type']}\r\n\r\n".encode())
    assert (await reader.readline()).startswith(b"HTTP/1.1 413")
    writer.close()


async def test_a_form_that_trickles_in_is_given_up(answering: Agent) -> None:
    host, port = answering.origin.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST /twilio HTTP/1.1\r\nHost: {host}\r\nContent-Length: 100\r\n"
    writer.write(f"{head}Content-Type: {FORM['Content-Type']}\r\n\r\na".encode())
    async with asyncio.timeout(20):
        assert (await reader.readline()).startswith(b"HTTP/1.1 408")
    writer.close()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("CallSid=%ff", FORM),
        ("a=1&" * 3000, FORM),
        ("From=%2B15550100", FORM),
        ("CallSid=+++", FORM),
        ("{}", {"Content-Type": "application/json"}),
    ],
)
async def test_a_body_that_is_no_form_of_a_call_is_refused(
    answering: Agent, body: str, kind: dict[str, str]
) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.post(answering.url, data=body, headers=kind) as answer,
    ):
        assert answer.status in (400, 415)


async def test_a_media_stream_that_is_not_signed_is_refused(guarded: Agent) -> None:
    with pytest.raises(InvalidStatus, match="403"):
        await connect(media(guarded))
    with pytest.raises(InvalidStatus, match="403"):
        await connect(media(guarded), additional_headers={"X-Twilio-Signature": "bm8="})


@pytest.mark.parametrize(
    "message",
    [
        "hello",
        "[]",
        "null",
        '{"event": "start"}',
        '{"event": "start", "start": []}',
        '{"event": "start", "start": {"callSid": "CA1", "streamSid": "MZ1"}}',
        start("CA1"),
        start("CA1", token=None),
        start("CA1", token="x" * 10_000),
        start("CA1", token="InBhZ2Ui.aQ.x"),
        "[" * 5_000,
    ],
)
async def test_a_stream_without_a_valid_token_is_closed_and_holds_no_line(
    answering: Agent, message: str
) -> None:
    async with connect(media(answering)) as socket:
        await socket.send(message)
        if message == "[]":
            await socket.send(message)
        assert await close_code(socket) == 1008
    assert answering.lines.open == 0


async def test_a_token_is_valid_for_its_own_call_only(answering: Agent) -> None:
    announced = await announce(answering.url)
    async with stream(announced) as socket:
        await socket.send(start("CA_of_somebody_else", **announced.parameters))
        assert await close_code(socket) == 1008
    assert answering.lines.open == 0


async def test_a_token_admits_one_stream(answering: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "PULSE_URL", "ws://127.0.0.1:9"
    )  # nobody listens; the agent greets all the same
    announced = await announce(answering.url)
    async with stream(announced) as first, stream(announced) as second:
        await first.send(start(announced.call, **announced.parameters))
        await first.recv()  # the agent greets
        await second.send(start(announced.call, **announced.parameters))
        assert await close_code(second) == 1008
        assert answering.lines.open == 1


async def test_streams_that_never_begin_hold_no_line_and_are_closed_in_seconds(
    answering: Agent,
) -> None:
    began = time.monotonic()
    sockets = [await connect(media(answering)) for _ in range(MOST_WAITING)]
    with pytest.raises(InvalidStatus, match="403"):
        await connect(media(answering))
    assert answering.lines.open == 0
    assert await announce(answering.url)
    assert {await close_code(socket) for socket in sockets} == {1008}
    assert time.monotonic() - began < START_SECONDS + 5
    async with connect(media(answering)):
        pass


async def test_an_old_token_is_refused() -> None:
    tokens = CallTokens("telephone", None, seconds=5)
    token = tokens.issue("CA1")
    await asyncio.sleep(7)
    assert not tokens.redeem(token, "CA1")
    assert tokens.redeem(tokens.issue("CA1"), "CA1")


async def test_a_flood_of_refused_requests_does_not_fill_the_log(guarded: Agent) -> None:
    lines: list[str] = []
    sink = logger.add(lines.append, level="INFO")
    try:
        async with aiohttp.ClientSession() as session:
            for _ in range(50):
                async with session.post(guarded.url, data={"CallSid": "CA1"}) as refused:
                    assert refused.status == 403
            await asyncio.sleep(11)
            async with session.post(guarded.url, data={"CallSid": "CA1"}) as refused:
                assert refused.status == 403
    finally:
        logger.remove(sink)
    told = [line for line in lines if "refused" in line]
    assert len(told) == 2
    assert "49 more were not logged" in told[1]


def test_a_token_of_the_page_admits_no_telephone_call() -> None:
    page = CallTokens("browser", "one secret", 60)
    telephone = CallTokens("telephone", "one secret", 60)
    assert not telephone.redeem(page.issue("CA1"), "CA1")
    assert telephone.redeem(CallTokens("telephone", "one secret", 60).issue("CA1"), "CA1")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "agent.example"])
@pytest.mark.parametrize("token", [None, "", "  "])
def test_without_a_twilio_token_the_agent_listens_on_loopback_only(
    host: str, token: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBLIC_URL", "https://agent.example")
    if token is not None:
        monkeypatch.setenv("TWILIO_AUTH_TOKEN", token)
    with pytest.raises(SettingError, match="TWILIO_AUTH_TOKEN"):
        check_exposure(host)
    monkeypatch.delenv("PUBLIC_URL")
    for loopback in ("127.0.0.1", "::1", "localhost"):
        check_exposure(loopback)


@pytest.mark.parametrize("token", [None, "", "  "])
def test_behind_a_proxy_the_agent_does_not_start_without_a_twilio_token(
    token: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBLIC_URL", "https://agent.example")
    if token is not None:
        monkeypatch.setenv("TWILIO_AUTH_TOKEN", token)
    with pytest.raises(SettingError, match="TWILIO_AUTH_TOKEN"):
        check_exposure("127.0.0.1")
    monkeypatch.setenv("TWILIO_SHARED_KEY_SECRET", "secret")
    check_exposure("127.0.0.1")


def test_without_a_public_url_the_agent_listens_on_loopback_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "secret-token")
    with pytest.raises(SettingError, match="PUBLIC_URL"):
        check_exposure("0.0.0.0")
    monkeypatch.setenv("PUBLIC_URL", "https://agent.example")
    check_exposure("0.0.0.0")
