"""The pre-recorded endpoint of the local server."""

from __future__ import annotations

import asyncio
import io
import logging
import wave
from contextlib import suppress
from typing import Any

import aiohttp
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from pulse_plugins.local.recognizers.scripted import ScriptedRecognizer, speak
from pulse_plugins.local.server import PulseServer
from tests.local.client import (
    DEADLINE,
    server,
)


def wav(pcm: NDArray[np.int16], rate: int = 16_000) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm.tobytes())
    return buffer.getvalue()


async def upload(
    running: PulseServer,
    body: bytes,
    path: str = "/waves/v1/stt/",
    key: str | None = "k",
    content_type: str = "application/octet-stream",
    **query: str,
) -> tuple[int, dict[str, Any]]:
    headers = {"Content-Type": content_type}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    async with (
        aiohttp.ClientSession() as session,
        session.post(running.http_url + path, data=body, params=query, headers=headers) as response,
    ):
        return response.status, await response.json()


async def test_a_file_is_transcribed() -> None:
    pcm = np.concatenate((speak([0, 1], tail_seconds=1.0), speak([2, 3])))
    asked = {"model": "pulse", "language": "en", "word_timestamps": "true"}
    async with server() as running:
        for path in ("/waves/v1/stt/", "/waves/v1/pulse/get_text"):
            status, body = await upload(running, wav(pcm), path, **asked)
            assert (status, body["status"]) == (200, "success")
            assert body["transcription"] == "Please book. A table."
            assert [word["word"] for word in body["words"]] == ["Please", "book.", "A", "table."]
            assert [each["text"] for each in body["utterances"]] == ["Please book.", "A table."]
            assert body["metadata"]["duration"] == pytest.approx(len(pcm) / 16_000, abs=0.001)
        asked["word_timestamps"] = "false"
        _, body = await upload(running, wav(pcm, 16_000), **asked)
        assert (body["words"], body["utterances"]) == ([], [])
        _, body = await upload(running, pcm.tobytes(), encoding="linear16", **asked)
        assert body["transcription"] == "Please book. A table."


@pytest.mark.parametrize(
    ("query", "content_type", "status", "words"),
    [
        ({"language": "en"}, "audio/wav", 400, "model"),
        ({"model": "pulse", "language": "tlh"}, "audio/wav", 400, "language"),
        ({"model": "pulse-pro", "language": "hi"}, "audio/wav", 400, "English"),
        ({"model": "pulse", "webhook_url": "http://x"}, "audio/wav", 400, "webhook"),
        ({"model": "pulse"}, "application/json", 400, "url"),
        ({"model": "pulse"}, "audio/wav", 400, "decoded"),
    ],
)
async def test_uploads_that_cannot_be_served(
    query: dict[str, str], content_type: str, status: int, words: str
) -> None:
    async with server() as running:
        got, body = await upload(running, b"nonsense", content_type=content_type, **query)
        assert got == status
        assert words in str(body)


async def test_uploads_need_a_key_and_have_a_limit() -> None:
    async with server(max_body_bytes=10_000) as running:
        assert (await upload(running, b"x", key=None, model="pulse"))[0] == 401
        assert (await upload(running, bytes(20_000), model="pulse"))[0] == 413
        status, body = await upload(running, b"", model="pulse")
        assert (status, body["error_code"]) == (400, "NoAudio")


def flac(seconds: float) -> bytes:
    """Silence, which takes next to no bytes."""
    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros(round(seconds * 16_000), np.int16), 16_000, format="FLAC")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("body", "query", "status", "words"),
    [
        (flac(2.5), {}, 413, "max_audio_seconds"),
        (bytes(80_000), {"encoding": "linear16"}, 413, "max_audio_seconds"),
        (wav(speak([0]), 2**31 - 1), {}, 400, "sample rate"),
        (wav(speak([0]), 1), {}, 400, "sample rate"),
        (wav(speak([0])), {"encoding": "zzz"}, 400, "encoding"),
        (bytes(300_000), {}, 413, "max_body_bytes"),
    ],
)
async def test_uploads_have_limits_that_their_refusals_name(
    body: bytes, query: dict[str, str], status: int, words: str
) -> None:
    async with server(max_audio_seconds=2.0, max_body_bytes=200_000) as running:
        got, answer = await upload(running, body, model="pulse", **query)
        assert (got, words in str(answer)) == (status, True)


class _Slow(ScriptedRecognizer):
    """Begins to hear when it is let, and counts what it has heard."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.let, self.closed = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.samples = 0

    async def open(self, **_: Any) -> Any:
        return self

    async def feed(self, pcm: NDArray[np.int16]) -> None:
        self.asked.set()
        await self.let.wait()
        self.samples += len(pcm)

    async def close(self) -> None:
        self.closed.set()


async def test_an_upload_is_given_up_with_its_client() -> None:
    slow = _Slow()
    async with asyncio.timeout(DEADLINE), server(slow) as running:
        asking = asyncio.create_task(upload(running, flac(1800), model="pulse"))
        await slow.asked.wait()
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking
        slow.let.set()
        await slow.closed.wait()
    assert slow.samples < 60 * 16_000


async def test_a_recognizer_that_fails_is_answered_with_500_and_its_words_are_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Failing(ScriptedRecognizer):
        async def open(self, **_: Any) -> Any:
            raise RuntimeError("the caller said hello")

    async with server(Failing()) as running:
        status, body = await upload(running, wav(speak([0])), model="pulse")
    assert (status, body["error"]) == (500, "Internal server error")
    assert "RuntimeError" in caplog.text
    loud = [record for record in caplog.records if record.levelno > logging.DEBUG]
    assert not any("hello" in record.getMessage() or record.exc_info for record in loud)
