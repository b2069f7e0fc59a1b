"""Bodies of requests: every kind arrives whole, and what cannot work is found before."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pulse_plugins.core.audio.formats import AudioFormat
from pulse_plugins.core.base.errors import (
    ConfigurationError,
    ServerError,
)
from pulse_plugins.core.client import upload as upload_module
from pulse_plugins.core.client.batch import PulseBatch
from pulse_plugins.core.client.upload import Webhook
from pulse_plugins.core.wire.batch_messages import BatchTranscript
from tests.support.recordings import Peer, failing, recording_peer, refusal


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    async with recording_peer() as running:
        yield running


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
    assert "webhook_extra" not in Webhook(url="https://hooks.example").query()
    for wrong in (
        {"url": "ftp://x"},
        {"url": "https://\ud800"},
        {"url": "https://x", "method": "PUT"},
        {"url": "https://x", "extra": {"a": "b,c"}},
        {"url": "https://x", "extra": {"a": "\ud800"}},
    ):
        with pytest.raises(ConfigurationError, match="webhook"):
            Webhook(**wrong)


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
            ("https://a.example/\ud800", "URL"),
        ):
            with pytest.raises(ConfigurationError, match=words):
                await batch.transcribe(audio)
    assert peer.seen == []


async def test_a_content_type_that_no_header_can_hold_is_refused(peer: Peer) -> None:
    async with PulseBatch(peer.options()) as batch:
        with pytest.raises(ConfigurationError, match="content_type"):
            await batch.transcribe(b"x", content_type="a/b\r\nX: y")


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


async def test_a_consumed_stream_is_not_sent_again(peer: Peer) -> None:
    async def once() -> AsyncIterator[bytes]:
        yield b"x"

    peer.answers = [refusal(503, {})]
    async with PulseBatch(peer.options()) as batch, failing(ServerError):
        await batch.transcribe(once())
    assert len(peer.seen) == 1
