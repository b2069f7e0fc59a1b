from __future__ import annotations

import asyncio
import json
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from pulse_plugins.core.audio.formats import AudioFormat
from pulse_plugins.core.base.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectionLostError,
    PulseError,
    RateLimitError,
    RegionError,
    RequestRejectedError,
    ServerError,
    StalledError,
    StreamClosedError,
)
from pulse_plugins.core.client import upload as upload_module
from pulse_plugins.core.client.batch import PulseBatch
from pulse_plugins.core.client.upload import Webhook
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.config.retry import RetryPolicy
from pulse_plugins.core.wire.batch_messages import BatchTranscript
from pulse_plugins.local.recognizers.scripted import ScriptedRecognizer, speak
from pulse_plugins.local.server import PulseServer
from tests.support.privacy import API_KEY

ANSWER = {
    "status": "success",
    "transcription": "Good morning. Thanks for calling. ",
    "words": [
        {"start": 0.1, "end": 0.4, "word": "Good", "confidence": 0.99, "speaker": 0},
        {"start": 0.4, "end": 0.8, "word": "morning.", "speaker": "speaker_1"},
    ],
    "utterances": [{"start": 0.1, "end": 0.8, "text": "Good morning.", "speaker": 0}],
    "gender": "female",
    "emotions": {"happiness": 0.61, "anger": 0.03},
    "metadata": {"duration": 2.9, "fileSize": 92844},
}
NO_DELAY = RetryPolicy(base=0.0, slow_base=0.0)


@dataclass
class Seen:
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass
class Peer:
    """The pre-recorded endpoint by the protocol page: answers what it was given, in order."""

    url: str = ""
    answers: list[web.Response | None] = field(default_factory=list)  # None: hang up
    seen: list[Seen] = field(default_factory=list)
    hold: asyncio.Event | None = None

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.seen.append(Seen(request.path, dict(request.query), dict(request.headers), body))
        if self.hold is not None:
            await self.hold.wait()
        answer = self.answers.pop(0) if self.answers else web.json_response(ANSWER)
        if answer is None:
            assert request.transport is not None
            request.transport.abort()
            raise ConnectionResetError
        return answer

    def options(self, **changes: object) -> PulseOptions:
        options = PulseOptions(base_url=self.url, api_key=API_KEY, retry=NO_DELAY)
        return options.changed(**changes)


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    peer = Peer()
    application = web.Application(client_max_size=2**30)
    application.router.add_post("/{path:.*}", peer.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    peer.url = f"ws://127.0.0.1:{runner.addresses[0][1]}"
    yield peer
    await runner.cleanup()


def refusal(status: int, body: object, **headers: str) -> web.Response:
    return web.json_response(body, status=status, headers=headers)


@asynccontextmanager
async def failing(kind: type[PulseError]) -> AsyncIterator[list[PulseError]]:
    """Expect the error, and that nothing about it shows the key or a query."""
    found: list[PulseError] = []
    with pytest.raises(kind) as caught:
        yield found
    found.append(caught.value)
    shown = "".join(traceback.format_exception(caught.value))
    assert API_KEY not in shown
    assert "language=" not in shown


async def test_the_whole_answer_becomes_a_typed_transcript(peer: Peer) -> None:
    peer.answers = [refusal(200, ANSWER | {"rtfx": 40}, **{"x-request-id": "r-17"})]
    async with PulseBatch(peer.options()) as batch:
        heard = await batch.transcribe(b"RIFF....")
    assert heard.text == "Good morning. Thanks for calling."
    assert [(w.text, w.start, w.end, w.confidence, w.speaker) for w in heard.words] == [
        ("Good", 0.1, 0.4, 0.99, "0"),
        ("morning.", 0.4, 0.8, None, "speaker_1"),
    ]
    assert [(u.text, u.end) for u in heard.utterances] == [("Good morning.", 0.8)]
    assert (heard.gender, heard.emotions) == ("female", {"happiness": 0.61, "anger": 0.03})
    assert (heard.duration, heard.metadata["fileSize"]) == (2.9, 92844)
    assert (heard.request_id, heard.status, heard.extra) == ("r-17", "success", {"rtfx": 40})


async def test_fields_that_cannot_be_read_cost_only_themselves(peer: Peer) -> None:
    odd = {
        "transcription": "yes",
        "words": [7, {"word": "yes", "start": "0.5", "confidence": "high", "speaker": {}}],
        "utterances": None,
        "emotions": {"joy": "0.5", "odd": []},
        "metadata": "none",
        "audio_length": 1.5,
        "language": 3,
    }
    peer.answers = [refusal(200, odd)]
    async with PulseBatch(peer.options()) as batch:
        heard = await batch.transcribe(b"x")
    [word] = heard.words
    assert (word.text, word.start, word.confidence, word.speaker) == ("yes", 0.5, None, None)
    assert (heard.text, heard.utterances, heard.emotions) == ("yes", (), {"joy": 0.5})
    assert (heard.duration, heard.metadata, heard.language) == (1.5, {}, None)


@pytest.mark.parametrize(
    ("dialect", "path", "model"),
    [
        ("live", "/waves/v1/stt/", "pulse"),
        ("pulse", "/waves/v1/pulse/get_text", None),
        ("legacy", "/api/v1/pulse/get_text", None),
    ],
)
async def test_each_dialect_has_its_path_and_only_parameters_of_recordings_are_sent(
    peer: Peer, dialect: str, path: str, model: str | None
) -> None:
    options = peer.options(
        dialect=dialect, language="hi", diarize=True, keywords=["Acme:2"], eou_timeout_ms=300
    )
    async with PulseBatch(options) as batch:
        await batch.transcribe(b"audio", content_type="audio/mpeg")
    [seen] = peer.seen
    expected = {"language": "hi", "word_timestamps": "true", "diarize": "true"}
    assert (seen.path, seen.body) == (path, b"audio")
    assert seen.query == expected | ({"model": model} if model else {})
    assert seen.headers["Authorization"] == f"Bearer {API_KEY}"
    assert seen.headers["Content-Type"] == "audio/mpeg"
    assert seen.headers["Content-Length"] == "5"


async def test_every_kind_of_body_arrives_whole_with_progress(peer: Peer, tmp_path: Path) -> None:
    recording = bytes(range(256)) * 1000
    path = tmp_path / "call.wav"
    path.write_bytes(recording)

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(recording), 100_000):
            yield recording[start : start + 100_000]

    async with PulseBatch(peer.options()) as batch:
        for audio in (recording, bytearray(recording), memoryview(recording), path, pieces()):
            steps: list[tuple[int, int | None]] = []
            await batch.transcribe(audio, progress=lambda *step, to=steps: to.append(step))
            assert peer.seen[-1].body == recording
            total = None if hasattr(audio, "__aiter__") else len(recording)
            assert steps[-1] == (len(recording), total)
            assert len(steps) >= 3
            assert steps == sorted(steps)


async def test_a_url_is_sent_for_the_service_to_fetch(peer: Peer) -> None:
    async with PulseBatch(peer.options()) as batch:
        await batch.transcribe("https://files.example/a.wav")
    [seen] = peer.seen
    assert json.loads(seen.body) == {"url": "https://files.example/a.wav"}
    assert seen.headers["Content-Type"] == "application/json"


async def test_bare_samples_name_their_format(peer: Peer) -> None:
    async with PulseBatch(peer.options()) as batch:
        await batch.transcribe(b"\xff" * 800, audio_format=AudioFormat("mulaw", 8000))
        with pytest.raises(ConfigurationError, match="mono"):
            await batch.transcribe(b"\0" * 8, audio_format=AudioFormat("linear16", 8000, 2))
    [seen] = peer.seen
    assert (seen.query["encoding"], seen.query["sample_rate"]) == ("mulaw", "8000")


async def test_a_webhook_is_named_and_the_answer_is_only_a_receipt(peer: Peer) -> None:
    peer.answers = [refusal(200, {"status": "processing", "request_id": "r-1"})]
    hook = Webhook(url="https://hooks.example/in?secret=s", extra={"call": "c-7", "lane": "2"})
    async with PulseBatch(peer.options()) as batch:
        heard = await batch.transcribe(b"x", webhook=hook)
    assert heard == BatchTranscript(text="", status="processing", request_id="r-1")
    [seen] = peer.seen
    assert seen.query["webhook_url"] == "https://hooks.example/in?secret=s"
    assert (seen.query["webhook_method"], seen.query["webhook_extra"]) == (
        "POST",
        "call:c-7,lane:2",
    )
    assert "secret" not in repr(hook)
    for wrong in ({"url": "ftp://x"}, {"url": "https://x", "extra": {"a": "b,c"}}):
        with pytest.raises(ConfigurationError, match="webhook"):
            Webhook(**wrong)


async def test_pulse_pro_is_checked_before_it_is_asked(peer: Peer) -> None:
    async with PulseBatch(peer.options(dialect="live"), model="pulse-pro") as batch:
        await batch.transcribe(b"x")
        with pytest.raises(ConfigurationError, match="URL"):
            await batch.transcribe("https://files.example/a.wav")
    assert [seen.query["model"] for seen in peer.seen] == ["pulse-pro"]
    for wrong in ({}, {"dialect": "live", "language": "hi"}, {"dialect": "live", "diarize": True}):
        with pytest.raises(ConfigurationError, match="pulse-pro"):
            PulseBatch(peer.options(**wrong), model="pulse-pro")
    with pytest.raises(ConfigurationError, match="for streams"):
        PulseBatch(peer.options(dialect="live", model="pulse-2"))
    with pytest.raises(ConfigurationError, match="no pre-recorded"):
        PulseBatch(peer.options(dialect="direct"))


async def test_what_cannot_work_is_found_before_anything_is_sent(
    peer: Peer, tmp_path: Path
) -> None:
    huge = tmp_path / "huge.wav"
    with huge.open("wb") as file:
        file.truncate(250 * 2**20 + 1)
    async with PulseBatch(peer.options()) as batch:
        for audio, words in (
            (huge, "250 MB"),
            (b"", "empty"),
            (tmp_path / "none.wav", "No such file"),
            (tmp_path / "no\0file.wav", "name"),
            (tmp_path, "directory"),
            ("http://[::1", "URL"),
            ("call.wav", r"pathlib\.Path"),
        ):
            with pytest.raises(ConfigurationError, match=words):
                await batch.transcribe(audio)
    assert peer.seen == []


async def test_a_body_that_grows_too_large_is_stopped(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_module, "MAX_BYTES", 2**20)

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(2**16)

    async with PulseBatch(peer.options()) as batch:
        async with failing(ConfigurationError):
            await batch.transcribe(endless())
        async with failing(ConfigurationError):
            await batch.transcribe(bytes(2**20 + 1))
    assert peer.seen == []


async def test_an_error_of_the_caller_s_own_source_reaches_the_caller(peer: Peer) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"start"
        raise KeyError("mine")

    async with PulseBatch(peer.options()) as batch:
        with pytest.raises(KeyError, match="mine"):
            await batch.transcribe(broken())


@pytest.mark.parametrize(
    ("status", "body", "kind", "detail"),
    [
        (400, {"error": "Audio data too large"}, RequestRejectedError, "Audio data too large"),
        (400, {"message": "bad", "error_code": "X"}, RequestRejectedError, "bad"),
        (400, {"errors": [{"path": "model", "message": "no"}]}, RequestRejectedError, "model"),
        (400, {"error_code": "LANGUAGE_NOT_ENABLED_IN_REGION"}, RegionError, ""),
        (401, {"message": "Unauthorized: No tokens provided"}, AuthenticationError, "tokens"),
        (413, {"error": "244 of 250"}, RequestRejectedError, "244 of 250"),
        (302, {}, RequestRejectedError, ""),
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


async def test_a_consumed_stream_is_not_sent_again(peer: Peer) -> None:
    async def once() -> AsyncIterator[bytes]:
        yield b"x"

    peer.answers = [refusal(503, {})]
    async with PulseBatch(peer.options()) as batch, failing(ServerError):
        await batch.transcribe(once())
    assert len(peer.seen) == 1


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        ("7", 7, 7),
        (format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True), 60, 3601),
        (format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True), 0, 0),
    ],
    ids=["seconds", "date", "past"],
)
async def test_retry_after_is_read_in_both_forms(
    peer: Peer, header: str, low: float, high: float
) -> None:
    peer.answers = [refusal(429, {}, **{"Retry-After": header})]
    async with PulseBatch(peer.options(), attempts=1) as batch, failing(RateLimitError) as found:
        await batch.transcribe(b"x")
    waited = found[0].retry_after
    assert waited is not None
    assert low <= waited <= high


async def test_an_odd_retry_after_is_as_good_as_none(peer: Peer) -> None:
    peer.answers = [refusal(429, {}, **{"Retry-After": "soon"})]
    async with PulseBatch(peer.options(), attempts=1) as batch, failing(RateLimitError) as found:
        await batch.transcribe(b"x")
    assert found[0].retry_after is None


async def test_an_answer_that_does_not_come_is_given_up(peer: Peer) -> None:
    peer.hold = asyncio.Event()
    async with PulseBatch(peer.options(), attempts=1) as batch, failing(StalledError):
        await batch.transcribe(b"x", timeout=0.2)
    peer.hold.set()


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


async def test_a_session_of_the_caller_is_used_and_stays_open(peer: Peer) -> None:
    async with aiohttp.ClientSession(headers={"X-Mine": "1"}) as session:
        async with PulseBatch(peer.options(), session=session) as batch:
            await batch.transcribe(b"x")
        assert not session.closed
    assert peer.seen[0].headers["X-Mine"] == "1"


async def test_after_the_end_nothing_is_sent(peer: Peer) -> None:
    batch = PulseBatch(peer.options())
    await batch.transcribe(b"x")
    await batch.aclose()
    await batch.aclose()
    with pytest.raises(StreamClosedError):
        await batch.transcribe(b"x")
    assert len(peer.seen) == 1


@pytest.mark.parametrize("dialect", ["live", "pulse", "legacy"])
async def test_the_local_server_transcribes_in_every_dialect(dialect: str) -> None:
    recognizer = ScriptedRecognizer("please book a table".split())
    pcm = speak([0, 1, 2, 3]).astype("<i2").tobytes()
    async with PulseServer(recognizer) as server:
        options = PulseOptions(base_url=server.url).changed(dialect=dialect)
        async with PulseBatch(options) as batch:
            heard = await batch.transcribe(pcm, audio_format=AudioFormat("linear16", 16_000))
            with pytest.raises(RequestRejectedError) as caught:
                await batch.transcribe(b"no audio at all")
    assert heard.text.lower().rstrip(".") == "please book a table"
    assert [word.text for word in heard.words] == heard.text.split()
    assert heard.duration == pytest.approx(len(pcm) / 32_000, abs=0.001)
    assert caught.value.status == 400
