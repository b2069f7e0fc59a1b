"""A server that is not what it should be gets no key and no audio, and no error shows the key."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from examples.phone_agent.settings import TwilioAccount
from pulse_plugins import (
    CertificateError,
    Final,
    Interim,
    PulseBatch,
    PulseError,
    PulseOptions,
    RequestRejectedError,
)
from pulse_plugins.core.client import trust
from pulse_plugins.core.config.keys import ENV_API_KEY
from tests.security.hostile_servers import SPEECH, Server, call, failure, running
from tests.support.certificates import certificate
from tests.support.privacy import API_KEY, Watch


async def send_recording(options: PulseOptions) -> None:
    async with PulseBatch(options, attempts=1) as batch:
        await batch.transcribe(SPEECH)


async def test_a_redirect_gets_neither_the_key_nor_the_audio() -> None:
    async with running(Server()) as thief:
        location = thief.url.replace("ws:", "http:") + "/waves/v1/pulse/get_text"
        async with running(Server(location=location)) as server:
            options = PulseOptions(base_url=server.url, api_key=API_KEY)
            error = await failure(options)
            assert len(server.keys) == 1
            with pytest.raises(PulseError):
                await send_recording(options)
    assert isinstance(error, RequestRejectedError)
    assert error.code == "redirect"
    assert (thief.keys, thief.audio) == ([], 0)


async def test_a_server_with_a_wrong_certificate_is_called_once_and_gets_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trust, "_cached", None)
    async with running(Server(), ssl=certificate(tmp_path).server) as server:
        error = await failure(PulseOptions(base_url=server.url, api_key=API_KEY))
    assert isinstance(error, CertificateError)
    assert (server.keys, server.audio) == ([], 0)


async def test_the_key_of_the_cloud_does_not_follow_a_fail_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(ENV_API_KEY, API_KEY)
    resolve = socket.getaddrinfo

    def no_cloud(host: Any, *rest: Any, **more: Any) -> Any:
        if "smallest" in str(host):
            raise socket.gaierror("the cloud is away")
        return resolve(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", no_cloud)
    told = json.dumps({"transcript": "hello", "is_final": True})
    async with running(Server((told,))) as own:
        options = PulseOptions(base_url=("wss://api.smallest.ai", own.url))
        await call(options, lambda event: isinstance(event, Final))
    assert own.keys == ["Bearer local"]


async def test_a_proxy_of_the_environment_sees_nothing_that_is_meant_for_loopback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.read(1_000))
        writer.close()

    proxy = await asyncio.start_server(listen, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, address)
    told = json.dumps({"transcript": "hi", "is_final": False})
    async with proxy, running(Server((told,))) as server:
        options = PulseOptions(base_url=server.url, api_key=API_KEY)
        events = await call(options)
        with pytest.raises(PulseError):
            await send_recording(options)
    assert any(isinstance(event, Interim) for event in events)
    assert asked == []


async def test_the_key_stands_in_no_local_variable_and_no_text_of_an_error() -> None:
    options = PulseOptions(base_url="ws://127.0.0.1:9", api_key=API_KEY)
    with pytest.raises(PulseError) as failed:
        await send_recording(options)
    assert API_KEY not in repr(options)
    error: BaseException | None = failed.value
    while error is not None:
        assert API_KEY not in f"{error!r}{error}"
        trace = error.__traceback__
        while trace is not None:
            # An error tracker writes down the local variables of each frame.
            if "pulse_plugins" in trace.tb_frame.f_code.co_filename:
                assert API_KEY not in repr(trace.tb_frame.f_locals)
            trace = trace.tb_next
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize(
    "message",
    [
        {"type": "error", "message": f"Invalid language: {API_KEY} said the caller"},
        {"error": f"{API_KEY} said the caller"},
        {"status": "error", "errors": [{"path": f"{API_KEY} said the caller"}]},
    ],
)
async def test_an_error_cannot_repeat_the_key_or_the_words_of_the_caller(
    message: dict[str, object], private_logs: Watch
) -> None:
    async with running(Server((json.dumps(message),))) as server:
        events = await call(
            PulseOptions(base_url=server.url, api_key=API_KEY),
            lambda event: getattr(event, "error", None) is not None,
        )
    error = getattr(events[-1], "error", None)
    assert isinstance(error, PulseError)
    assert API_KEY not in str(error)
    assert "caller" not in str(error)
    assert private_logs.leaks([API_KEY, "said the caller"]) == []


def test_the_secrets_of_a_twilio_account_are_not_in_its_repr() -> None:
    account = TwilioAccount(auth_token=API_KEY, shared_key=API_KEY, account_sid="AC1")
    assert API_KEY not in repr(account)
    assert "AC1" in repr(account)
