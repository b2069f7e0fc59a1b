"""Telephone calls: who is answered, and what the webhook says."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from starlette.datastructures import Headers
from twilio.request_validator import RequestValidator
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from examples.phone_agent.dial import CallError, announce
from examples.phone_agent.settings import TwilioAccount
from examples.phone_agent.simulate_call import Caller, tell_nothing
from examples.phone_agent.telephone import is_signed
from examples.phone_agent.web import MOST_MESSAGE_BYTES
from tests.phone_agent.answering import agent

DOCUMENTED = {  # the example of Twilio's documents on the security of webhooks
    "CallSid": "CA1234567890ABCDE",
    "Caller": "+14158675309",
    "Digits": "1234",
    "From": "+14158675309",
    "To": "+18005551212",
}
URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
SIGNATURE = "RSOYDt4T1cUTdK1PDd93/VVr8B8="
SETTINGS = "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256"


def test_the_signature_of_twilios_documents_is_valid() -> None:
    headers = Headers({"X-Twilio-Signature": SIGNATURE})
    assert is_signed(TwilioAccount("12345"), headers, URL, DOCUMENTED)
    assert not is_signed(TwilioAccount("12345"), headers, URL, {**DOCUMENTED, "Digits": "0"})
    assert not is_signed(TwilioAccount("54321"), headers, URL, DOCUMENTED)


def test_a_signature_with_a_shared_key_and_sha256_is_valid() -> None:
    signature = RequestValidator("shared").compute_signature(URL, DOCUMENTED, "HMAC_SHA256")
    headers = {
        "X-Twilio-Signature": signature,
        "X-Twilio-Webhooks-Signature-Settings": SETTINGS,
    }
    assert is_signed(TwilioAccount("12345", "shared"), Headers(headers), URL, DOCUMENTED)
    assert not is_signed(TwilioAccount("12345"), Headers(headers), URL, DOCUMENTED)
    assert not is_signed(TwilioAccount("shared"), Headers(headers), URL, DOCUMENTED)
    del headers["X-Twilio-Webhooks-Signature-Settings"]
    assert not is_signed(TwilioAccount("shared", "shared"), Headers(headers), URL, DOCUMENTED)


async def test_a_call_that_twilio_signed_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "secret-token")
    async with agent(f"sqlite:///{tmp_path}/b.db") as answering:
        announced = await announce(answering.url)
    assert announced.url == f"{answering.url}/media".replace("http", "ws", 1)
    assert announced.parameters["token"]


async def test_behind_a_proxy_the_public_url_is_signed_and_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "secret-token")
    monkeypatch.setenv("PUBLIC_URL", "https://agent.example/")
    monkeypatch.setattr(
        "examples.phone_agent.dial.signed",
        lambda _, fields: {
            "Host": "agent.example",
            "X-Twilio-Signature": RequestValidator("secret-token").compute_signature(
                "https://agent.example/twilio", fields
            ),
        },
    )
    async with agent(f"sqlite:///{tmp_path}/b.db") as answering:
        assert (await announce(answering.url)).url == "wss://agent.example/twilio/media"


async def test_an_oversized_frame_ends_that_call_alone(tmp_path: Path) -> None:
    async with agent(f"sqlite:///{tmp_path}/b.db") as answering:
        async with connect((await announce(answering.url)).url) as socket:
            await socket.send("x" * (MOST_MESSAGE_BYTES + 1))
            with pytest.raises(ConnectionClosed):
                await socket.recv()
            assert socket.close_code == 1009
        assert await announce(answering.url)


async def test_a_full_agent_is_busy(tmp_path: Path) -> None:
    async with agent(f"sqlite:///{tmp_path}/b.db", calls=1) as answering:
        announced = await announce(answering.url)
        answering.lines.take()
        with pytest.raises(CallError, match="Reject"):
            await announce(answering.url)
        async with connect(announced.url) as socket:
            await Caller(socket, announced, tell_nothing).begin()
            with pytest.raises(ConnectionClosed):
                await socket.recv()
            assert socket.close_code == 1013
        answering.lines.free()


async def test_a_call_in_progress_is_finished_when_the_agent_is_asked_to_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULSE_URL", "ws://127.0.0.1:9")  # nobody listens there
    async with agent(f"sqlite:///{tmp_path}/b.db", most_seconds=60) as answering:
        announced = await announce(answering.url)
        async with connect(announced.url) as socket:
            began = time.monotonic()
            await Caller(socket, announced, tell_nothing).begin()
            await socket.recv()  # the agent greets
            answering.server.should_exit = True
            while not answering.lines.is_full:  # noqa: ASYNC110 - `Lines` signals it in no other way
                await asyncio.sleep(0.05)
            with pytest.raises(CallError, match="Reject"):
                await announce(answering.url)
            async for _ in socket:
                pass
            assert time.monotonic() - began >= 60
            assert socket.close_code == 1000
