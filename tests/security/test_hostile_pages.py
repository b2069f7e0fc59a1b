"""Pages of other origins, and strangers at the door for browsers."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiortc import RTCPeerConnection
from pipecat.frames.frames import Frame, InputTransportMessageFrame
from pipecat.processors.frame_processor import FrameDirection
from pipecat.processors.frameworks.rtvi import RTVIProcessor
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from examples.phone_agent.browser import CONNECT_SECONDS, TOKEN_HEADER, ClientReadyOnly
from examples.phone_agent.dial import announce
from examples.phone_agent.simulate_call import Caller, tell_nothing
from examples.phone_agent.web import MOST_BODY_BYTES
from pulse_plugins.local import PulseServer, ServerOptions
from tests.phone_agent.answering import Agent, agent, all_free

EVIL = "https://evil.example"
GARBAGE = {"sdp": "v=0\r\nthis is no offer\r\n", "type": "offer"}


@pytest_asyncio.fixture
async def answering(tmp_path: Path) -> AsyncIterator[Agent]:
    async with agent(f"sqlite:///{tmp_path}/b.db", calls=3, browser_calls=2) as made:
        yield made


@pytest_asyncio.fixture
async def session(answering: Agent) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(answering.origin) as made:
        yield made


async def token(session: aiohttp.ClientSession) -> dict[str, str]:
    async with session.post("/api/token") as answer:
        return {TOKEN_HEADER: (await answer.json())["token"]}


async def offer(session: aiohttp.ClientSession, body: Any, headers: dict[str, str]) -> int:
    async with session.post("/api/offer", json=body, headers=headers) as answer:
        return answer.status


async def real_offer() -> dict[str, str]:
    """An offer of a real WebRTC peer, which then never connects."""
    peer = RTCPeerConnection()
    peer.createDataChannel("messages")
    peer.addTransceiver("audio")
    await peer.setLocalDescription(await peer.createOffer())
    described = {"sdp": peer.localDescription.sdp, "type": peer.localDescription.type}
    await peer.close()
    return described


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/page/", "/page/../web.py"])
async def test_nothing_but_the_page_can_be_read(session: aiohttp.ClientSession, path: str) -> None:
    async with session.get(path) as answer:
        assert answer.status == 404


@pytest.mark.parametrize("path", ["/", "/page/page.js", "/favicon.ico", "/nothing"])
async def test_every_answer_has_the_security_headers(
    session: aiohttp.ClientSession, path: str
) -> None:
    async with session.get(path) as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "Server" not in answer.headers


async def test_the_page_has_no_inline_code_that_the_policy_would_have_to_allow(
    session: aiohttp.ClientSession,
) -> None:
    async with session.get("/") as answer:
        html = await answer.text()
    assert "style=" not in html
    assert "onclick" not in html
    assert html.count("<script") == html.count('<script src="/page/')


@pytest.mark.parametrize("path", ["/api/cut", "/api/token", "/api/offer", "/twilio"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://127.0.0.1:1"},
    ],
)
async def test_a_page_of_another_origin_can_change_nothing(
    session: aiohttp.ClientSession, path: str, headers: dict[str, str]
) -> None:
    async with session.post(path, headers=headers) as answer:
        assert answer.status == 403
        assert "cross-origin" in await answer.text()


async def test_the_page_itself_can(session: aiohttp.ClientSession, answering: Agent) -> None:
    headers = {"Origin": answering.origin, "Sec-Fetch-Site": "same-origin"}
    async with session.post("/api/token", headers=headers) as answer:
        assert answer.status == 200
    async with session.post("/api/cut", headers=headers) as answer:
        assert answer.status == 409  # this agent has no local Pulse server


@pytest.mark.parametrize(("public", "status"), [(None, 204), ("https://agent.example", 409)])
async def test_strangers_cannot_cut_the_lines_of_all_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, public: str | None, status: int
) -> None:
    if public is not None:
        monkeypatch.setenv("PUBLIC_URL", public)
    async with (
        PulseServer(ServerOptions(recognizer="scripted")) as pulse,
        agent(f"sqlite:///{tmp_path}/b.db", pulse=pulse) as reached,
        aiohttp.ClientSession(reached.origin) as session,
        session.post("/api/cut") as answer,
    ):
        assert answer.status == status
        assert bool(pulse.faults.armed) == (status == 204)


async def test_a_page_of_another_origin_opens_no_websocket(answering: Agent) -> None:
    with pytest.raises(InvalidStatus, match="403"):
        await connect(f"{answering.url}/media".replace("http", "ws", 1), origin=Origin(EVIL))


@pytest.mark.parametrize("host", ["evil.example", "evil.example:7860", "127.0.0.1.evil.example"])
async def test_a_name_that_was_rebound_to_loopback_is_refused(
    session: aiohttp.ClientSession, host: str
) -> None:
    async with session.get("/", headers={"Host": host}) as answer:
        assert answer.status == 400


async def test_an_offer_without_a_new_token_is_refused(session: aiohttp.ClientSession) -> None:
    used = await token(session)
    assert await offer(session, GARBAGE, used) == 400
    for headers in ({}, {TOKEN_HEADER: "x"}, used):
        assert await offer(session, GARBAGE, headers) == 403


@pytest.mark.parametrize(
    "body", [GARBAGE, [], {"sdp": 1, "type": "offer"}, {"sdp": "", "type": "x"}]
)
async def test_garbage_offers_hold_no_line(
    session: aiohttp.ClientSession, answering: Agent, body: Any
) -> None:
    for _ in range(5):
        assert await offer(session, body, await token(session)) in (400, 422)
        assert answering.browser_lines.open == 0
    assert answering.lines.open == 0


async def test_a_large_offer_is_refused(session: aiohttp.ClientSession) -> None:
    body = {"sdp": "a" * MOST_BODY_BYTES, "type": "offer"}
    assert await offer(session, body, await token(session)) == 413


async def test_offers_that_do_not_connect_hold_no_telephone_line_and_are_over_in_seconds(
    session: aiohttp.ClientSession, answering: Agent
) -> None:
    began = time.monotonic()
    statuses = [await offer(session, await real_offer(), await token(session)) for _ in range(4)]
    assert statuses == [200, 200, 503, 503]
    assert answering.lines.open == 0
    assert await announce(answering.url)
    await all_free(answering.browser_lines, CONNECT_SECONDS + 10)
    assert time.monotonic() - began < CONNECT_SECONDS + 5
    assert await offer(session, await real_offer(), await token(session)) == 200


@pytest.mark.parametrize(
    "message",
    [
        {"label": "rtvi-ai", "type": "send-text", "id": "1", "data": {"content": "a" * 1600}},
        {"label": "rtvi-ai", "type": "llm-function-call-result", "id": "1", "data": {}},
        {"label": "rtvi-ai", "type": "disconnect-bot", "id": "1"},
        ["client-ready"],
        "client-ready",
        None,
    ],
)
async def test_a_page_can_say_that_it_is_ready_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, message: Any
) -> None:
    passed: list[Frame] = []

    async def note(_: RTVIProcessor, frame: Frame, __: FrameDirection) -> None:
        passed.append(frame)

    monkeypatch.setattr(RTVIProcessor, "process_frame", note)
    processor = ClientReadyOnly()
    ready = InputTransportMessageFrame(message={"label": "rtvi-ai", "type": "client-ready"})
    for frame in (InputTransportMessageFrame(message=message), ready):
        await processor.process_frame(frame, FrameDirection.UPSTREAM)
    assert passed == [ready]


async def test_a_call_ends_after_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSE_URL", "ws://127.0.0.1:9")  # nobody listens there
    async with agent(f"sqlite:///{tmp_path}/b.db", most_seconds=8) as answering:
        announced = await announce(answering.url)
        async with connect(announced.url) as socket:
            began = time.monotonic()
            await Caller(socket, announced, tell_nothing).begin()
            async for _ in socket:
                pass  # the agent greets, and says goodbye
            assert 8 <= time.monotonic() - began < 30
        await all_free(answering.lines)
