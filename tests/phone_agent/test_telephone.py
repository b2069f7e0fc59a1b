"""Who may call, and what becomes of those who may not."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from examples.phone_agent.simulate_call import CallError, media_url
from examples.phone_agent.telephone import MOST_MESSAGE_BYTES, signature
from tests.phone_agent.answering import agent

pytestmark = pytest.mark.process


def test_the_signature_is_the_one_of_twilios_documents() -> None:
    fields = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675309",
        "Digits": "1234",
        "From": "+14158675309",
        "To": "+18005551212",
    }
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    assert signature("12345", url, fields) == "RSOYDt4T1cUTdK1PDd93/VVr8B8="


async def test_a_request_without_twilios_signature_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "secret-token")
    async with agent(f"sqlite:///{tmp_path}/b.db") as answering:
        assert await media_url(answering.url)  # the simulator signs
        async with aiohttp.ClientSession() as session:
            for headers in ({}, {"X-Twilio-Signature": "bm8="}):
                async with session.post(answering.url, data={"a": "b"}, headers=headers) as refused:
                    assert refused.status == 403
                    assert "secret" not in await refused.text()
        with pytest.raises(InvalidStatus, match="403"):
            await connect(f"{answering.url}/media".replace("http", "ws", 1))


async def test_behind_a_proxy_the_public_url_is_signed_and_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "secret-token")
    monkeypatch.setenv("PUBLIC_URL", "https://agent.example")
    fields = {"CallSid": "CA1"}
    signed = signature("secret-token", "https://agent.example/twilio", fields)
    async with (
        agent(f"sqlite:///{tmp_path}/b.db") as answering,
        aiohttp.ClientSession() as session,
        session.post(
            answering.url, data=fields, headers={"X-Twilio-Signature": signed}
        ) as response,
    ):
        assert response.status == 200
        assert 'url="wss://agent.example/twilio/media"' in await response.text()


async def test_an_oversized_frame_ends_that_call_alone(tmp_path: Path) -> None:
    async with agent(f"sqlite:///{tmp_path}/b.db") as answering:
        async with connect(await media_url(answering.url)) as socket:
            await socket.send("x" * (MOST_MESSAGE_BYTES + 1))
            with pytest.raises(ConnectionClosed):
                await socket.recv()
            assert socket.close_code == 1009
        assert await media_url(answering.url)


async def test_who_does_not_speak_the_protocol_is_sent_away(tmp_path: Path) -> None:
    async with (
        agent(f"sqlite:///{tmp_path}/b.db") as answering,
        connect(await media_url(answering.url)) as socket,
    ):
        await socket.send("hello")
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 1008


async def test_a_full_agent_is_busy(tmp_path: Path) -> None:
    async with agent(f"sqlite:///{tmp_path}/b.db", calls=0) as answering:
        with pytest.raises(CallError, match="Reject"):
            await media_url(answering.url)
        async with connect(f"{answering.url}/media".replace("http", "ws", 1)) as socket:
            with pytest.raises(ConnectionClosed):
                await socket.recv()
            assert socket.close_code == 1013
