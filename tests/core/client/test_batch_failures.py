"""How requests to the pre-recorded endpoint fail, and what such a failure hides."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from pulse_plugins.core.base.errors import (
    AuthenticationError,
    CertificateError,
    ConfigurationError,
    ConnectionLostError,
    ConnectTimeoutError,
    PulseError,
    RateLimitError,
    RegionError,
    RequestRejectedError,
    ServerError,
    StalledError,
)
from pulse_plugins.core.client import http as http_module
from pulse_plugins.core.client import trust
from pulse_plugins.core.client.batch import PulseBatch
from pulse_plugins.core.client.upload import Webhook
from pulse_plugins.core.config.options import PulseOptions
from tests.support.certificates import certificate
from tests.support.privacy import API_KEY
from tests.support.recordings import ANSWER, NO_DELAY, Peer, failing, recording_peer, refusal


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    async with recording_peer() as running:
        yield running


@pytest.mark.parametrize(
    ("status", "body", "kind", "detail"),
    [
        (400, {"error": "Audio data too large"}, RequestRejectedError, "Audio data too large"),
        (400, {"message": "bad", "error_code": "X"}, RequestRejectedError, "bad"),
        (400, {"errors": [{"path": "model", "message": "no"}]}, RequestRejectedError, "model"),
        (400, {"error_code": "LANGUAGE_NOT_ENABLED_IN_REGION"}, RegionError, ""),
        (401, {"message": "Unauthorized: No tokens provided"}, AuthenticationError, "tokens"),
        (413, {"error": "244 of 250"}, RequestRejectedError, "244 of 250"),
        (200, {"status": "error", "message": "invalid audio"}, RequestRejectedError, "invalid"),
    ],
)
async def test_refusals_are_typed_and_not_repeated(
    peer: Peer, status: int, body: object, kind: type[PulseError], detail: str
) -> None:
    peer.answers = [refusal(status, body, **{"x-request-id": "r-9", "Location": "/elsewhere"})]
    async with PulseBatch(peer.options()) as batch, failing(kind) as found:
        await batch.transcribe(b"x")
    assert len(peer.seen) == 1
    assert detail in found[0].detail
    assert detail in ("", "model") or detail not in str(found[0])
    assert any("r-9" in note for note in found[0].__notes__)


async def test_passing_failures_are_repeated_and_the_upload_starts_again(peer: Peer) -> None:
    peer.answers = [refusal(503, {}), refusal(429, {}, **{"Retry-After": "0"}), None]
    steps: list[int] = []
    async with PulseBatch(peer.options()) as batch:
        heard = await batch.transcribe(b"abcd", progress=lambda sent, _: steps.append(sent))
    assert heard.text.startswith("Good morning")
    assert [seen.body for seen in peer.seen] == [b"abcd"] * 4
    assert steps == [4, 4, 4, 4]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda: refusal(500, {}), ServerError),
        (lambda: refusal(429, {}), RateLimitError),
        (lambda: web.Response(body=b"<html>"), ServerError),
        (lambda: refusal(200, {"hello": 1}), ServerError),
        (lambda: None, ConnectionLostError),
    ],
)
async def test_failures_that_stay_end_after_the_allowed_attempts(
    peer: Peer, answer: object, kind: type[PulseError]
) -> None:
    assert callable(answer)
    peer.answers = [answer() for _ in range(9)]
    async with PulseBatch(peer.options(), attempts=3) as batch, failing(kind):
        await batch.transcribe(b"x")
    assert len(peer.seen) == 3


async def test_the_time_that_the_server_asks_for_is_kept(peer: Peer) -> None:
    peer.answers = [refusal(429, {}, **{"Retry-After": "7"})]
    async with PulseBatch(peer.options(), attempts=1) as batch, failing(RateLimitError) as found:
        await batch.transcribe(b"x")
    assert found[0].retry_after == 7.0


async def test_a_redirect_is_refused_and_names_the_hosts(peer: Peer) -> None:
    headers = {"Location": "https://evil.example/x?a=b"}
    peer.answers = [web.Response(status=307, headers=headers)]
    async with PulseBatch(peer.options()) as batch, failing(RequestRejectedError) as found:
        await batch.transcribe(b"x")
    assert len(peer.seen) == 1
    assert found[0].code == "redirect"
    assert "127.0.0.1 redirects to the host evil.example" in str(found[0])


async def test_a_refused_language_and_parameter_get_advice(peer: Peer) -> None:
    wrong = [{"path": "sample_rate", "message": "the words of the caller"}]
    peer.answers = [
        refusal(400, {"code": "LANGUAGE_NOT_ENABLED_IN_REGION"}),
        refusal(400, {"message": "Invalid query parameters", "errors": wrong}),
    ]
    async with PulseBatch(peer.options(language="multi")) as batch:
        async with failing(RegionError) as found:
            await batch.transcribe(b"x")
        assert "multi-eu" in str(found[0])
        async with failing(RequestRejectedError) as found:
            await batch.transcribe(b"x")
    assert "the parameter sample_rate" in str(found[0])
    assert "caller" not in str(found[0])


async def test_an_answer_without_end_is_cut_off(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_module, "MOST_ANSWER", 2**16)
    peer.answers = [web.Response(body=bytes(2**20))]
    async with PulseBatch(peer.options(), attempts=1) as batch, failing(ServerError) as found:
        await batch.transcribe(b"x")
    assert "too long" in str(found[0])


async def test_a_compressed_answer_is_not_unpacked(peer: Peer) -> None:
    bomb = gzip.compress(bytes(2**24))
    peer.answers = [web.Response(body=bomb, headers={"Content-Encoding": "gzip"})]
    async with PulseBatch(peer.options(), attempts=1) as batch, failing(ServerError) as found:
        await batch.transcribe(b"x")
    assert "compressed" in str(found[0])
    assert peer.seen[0].headers["Accept-Encoding"] == "identity"


async def test_loopback_is_reached_without_the_proxy_of_the_environment(
    peer: Peer, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    for name in ("http_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused_tcp_port}")
    async with PulseBatch(peer.options()) as batch:
        assert (await batch.transcribe(b"x")).text


async def test_the_proxy_of_the_environment_is_used(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", peer.url.replace("ws:", "http:"))
    async with PulseBatch(peer.options(base_url="ws://speech.invalid")) as batch:
        assert (await batch.transcribe(b"x")).text
    assert len(peer.seen) == 1


async def test_a_proxy_that_refuses_is_told_apart(peer: Peer) -> None:
    options = peer.options(base_url="wss://speech.invalid", proxy=peer.url.replace("ws:", "http:"))
    async with PulseBatch(options, attempts=1) as batch, failing(ConnectionLostError) as found:
        await batch.transcribe(b"x")
    assert found[0].code == "proxy"


async def test_a_proxy_of_another_kind_is_refused(peer: Peer) -> None:
    options = peer.options(proxy="socks5://127.0.0.1:1")
    async with PulseBatch(options) as batch, failing(ConfigurationError) as found:
        await batch.transcribe(b"x")
    assert "HTTP proxy" in str(found[0])


async def test_a_certificate_that_cannot_be_verified_is_not_tried_again(tmp_path: Path) -> None:
    made = certificate(tmp_path)
    asked = []

    async def handle(request: web.BaseRequest) -> web.Response:
        asked.append(request)
        return web.json_response(ANSWER)

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=made.server).start()
    options = PulseOptions(base_url=f"https://127.0.0.1:{runner.addresses[0][1]}", retry=NO_DELAY)
    async with PulseBatch(options) as batch, failing(CertificateError) as found:
        await batch.transcribe(b"x")
    await runner.cleanup()
    assert "the certificate of 127.0.0.1 cannot be verified" in str(found[0])
    assert asked == []


async def test_a_server_with_a_trusted_certificate_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.trusted))
    monkeypatch.setattr(trust, "_cached", None)

    async def handle(_request: web.BaseRequest) -> web.Response:
        return web.json_response(ANSWER)

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=made.server).start()
    options = PulseOptions(base_url=f"https://127.0.0.1:{runner.addresses[0][1]}", retry=NO_DELAY)
    async with PulseBatch(options) as batch:
        assert (await batch.transcribe(b"x")).text
    await runner.cleanup()


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (RuntimeError("can't start new thread"), ConnectionLostError),
        (aiohttp.ConnectionTimeoutError(), ConnectTimeoutError),
        (ValueError("surprise"), ConfigurationError),
    ],
)
async def test_whatever_goes_wrong_is_an_error_of_this_package(
    raised: Exception, kind: type[PulseError], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr(aiohttp.ClientSession, "post", broken)
    options = PulseOptions(base_url="ws://127.0.0.1:1", retry=NO_DELAY)
    async with PulseBatch(options, attempts=1) as batch, failing(kind):
        await batch.transcribe(b"x")


@pytest.mark.parametrize("answer", [None, refusal(400, {}), web.Response(status=307)])
async def test_an_error_refers_to_nothing_that_holds_a_secret(
    peer: Peer, answer: web.Response | None
) -> None:
    peer.answers = [answer]
    hook = Webhook(url="https://hooks.example/secret")
    with pytest.raises(PulseError) as failed:
        async with PulseBatch(peer.options(), attempts=1) as batch:
            await batch.transcribe(b"x", webhook=hook)
    assert failed.value.__context__ is None
    trace = failed.value.__traceback__
    while trace is not None:
        if "pulse_plugins/core" in trace.tb_frame.f_code.co_filename:
            shown = repr(trace.tb_frame.f_locals)
            assert API_KEY not in shown
            assert "hooks.example" not in shown
        trace = trace.tb_next


async def test_an_answer_that_does_not_come_is_given_up(peer: Peer) -> None:
    peer.hold = asyncio.Event()
    async with PulseBatch(peer.options(), attempts=1) as batch, failing(StalledError):
        await batch.transcribe(b"x", timeout=0.2)
    peer.hold.set()


@pytest.mark.parametrize(
    ("audio", "seconds"),
    [
        pytest.param(bytes(32_000 * 10), 70, id="a minute, and as long as 16-bit audio plays"),
        pytest.param("https://files.example/a.wav", 660, id="a minute, and the longest recording"),
    ],
)
async def test_the_default_timeout_leaves_time_to_send_and_recognize(
    peer: Peer, audio: bytes | str, seconds: int
) -> None:
    peer.hold = asyncio.Event()
    async with PulseBatch(peer.options(), attempts=1) as batch, failing(StalledError) as found:
        await batch.transcribe(audio)
    peer.hold.set()
    assert f"within {seconds} s" in str(found[0])


async def test_an_unreachable_host_is_a_lost_connection_and_the_next_host_is_asked(
    peer: Peer, unused_tcp_port: int
) -> None:
    nobody = f"ws://127.0.0.1:{unused_tcp_port}"
    alone = PulseBatch(peer.options(base_url=nobody), attempts=2)
    async with alone as batch, failing(ConnectionLostError):
        await batch.transcribe(b"x")
    async with PulseBatch(peer.options(base_url=(nobody, peer.url))) as batch:
        assert (await batch.transcribe(b"x")).text
    assert len(peer.seen) == 1


async def test_a_language_that_one_host_does_not_serve_is_asked_of_the_next(peer: Peer) -> None:
    async with recording_peer() as other:
        peer.answers = [refusal(400, {"code": "LANGUAGE_NOT_ENABLED_IN_REGION"})]
        async with PulseBatch(peer.options(base_url=(peer.url, other.url))) as batch:
            assert (await batch.transcribe(b"x")).text
        assert (len(peer.seen), len(other.seen)) == (1, 1)


async def test_a_language_that_no_host_serves_is_refused_after_one_request_each(
    peer: Peer,
) -> None:
    async with recording_peer() as other:
        for each in (peer, other):
            each.answers = [refusal(400, {"code": "LANGUAGE_NOT_ENABLED_IN_REGION"})]
        options = peer.options(base_url=(peer.url, other.url))
        async with PulseBatch(options) as batch, failing(RegionError):
            await batch.transcribe(b"x")
        assert (len(peer.seen), len(other.seen)) == (1, 1)
