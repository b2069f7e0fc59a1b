"""Section 6 of the protocol page: the local server against a bare HTTP client."""

from __future__ import annotations

import io
import wave
from typing import Any

import aiohttp
import numpy as np
import pytest
import soundfile

from pulse_plugins.local.recognizers.scripted import ScriptedRecognizer, speak
from pulse_plugins.local.server import PulseServer
from pulse_plugins.local.settings import ServerOptions

RATE = 16_000  # Hz
PCM = np.concatenate((speak([0, 1], RATE, tail_seconds=1.0), speak([2], RATE)))
BOOK = ScriptedRecognizer("book it please".split(), languages=("en", "hi", "zh", "ta"))
PATHS = ["/waves/v1/stt/", "/waves/v1/pulse/get_text", "/api/v1/pulse/get_text"]
PULSE = {"model": "pulse", "language": "en"}
TEXT = "Book it. Please."


def server(**options: Any) -> PulseServer:
    return PulseServer(ServerOptions(recognizer=BOOK, **options))


def file(kind: str) -> bytes:
    buffer = io.BytesIO()
    if kind == "wav":
        with wave.open(buffer, "wb") as written:
            written.setnchannels(1)
            written.setsampwidth(2)
            written.setframerate(RATE)
            written.writeframes(PCM.astype("<i2").tobytes())
    else:
        soundfile.write(buffer, PCM, RATE, format=kind.upper())
    return buffer.getvalue()


async def post(
    running: PulseServer,
    body: bytes,
    query: dict[str, str] = PULSE,
    *,
    path: str = PATHS[0],
    content_type: str = "application/octet-stream",
    key: str | None = "k",
) -> tuple[int, dict[str, Any], bool]:
    """The status, the body, and whether there was a request id in the headers."""
    headers = {"Content-Type": content_type} | ({"Authorization": f"Bearer {key}"} if key else {})
    async with (
        aiohttp.ClientSession() as session,
        session.post(running.http_url + path, data=body, params=query, headers=headers) as answer,
    ):
        return answer.status, await answer.json(), "x-request-id" in answer.headers


@pytest.mark.parametrize("path", PATHS)
async def test_6_each_path_answers_with_the_documented_fields(path: str) -> None:
    async with server() as running:
        status, body, has_id = await post(running, file("wav"), path=path)
    assert (status, has_id) == (200, True)
    assert body["metadata"] == {
        "duration": pytest.approx(len(PCM) / RATE, abs=0.01),
        "fileSize": len(file("wav")),
    }
    del body["metadata"]
    assert body == {
        "status": "success",
        "transcription": TEXT,
        "audio_length": pytest.approx(len(PCM) / RATE, abs=0.01),
        "words": [],
        "utterances": [],
    }


BODIES = [
    pytest.param("wav", "application/octet-stream", id="6 wav as octet-stream"),
    pytest.param("wav", "audio/wav", id="6 wav as audio/wav"),
    pytest.param("flac", "audio/flac", id="6 flac"),
    pytest.param("ogg", "audio/ogg", id="6 ogg"),
]


@pytest.mark.parametrize(("kind", "content_type"), BODIES)
async def test_6_the_container_is_found_out(kind: str, content_type: str) -> None:
    async with server() as running:
        status, body, _ = await post(running, file(kind), content_type=content_type)
    assert (status, body["transcription"]) == (200, TEXT)


async def test_6_bare_samples_need_their_encoding() -> None:
    raw = PCM.astype("<i2").tobytes()
    async with server() as running:
        status, body, _ = await post(running, raw, PULSE | {"encoding": "linear16"})
        assert (status, body["transcription"]) == (200, TEXT)
        status, body, _ = await post(running, raw)
        assert (status, body["error_code"]) == (400, "AudioDecodeError")


async def test_6_word_timestamps_turn_on_words_and_utterances() -> None:
    async with server() as running:
        _, body, _ = await post(running, file("wav"), PULSE | {"word_timestamps": "true"})
        assert [word["word"] for word in body["words"]] == ["Book", "it.", "Please."]
        assert all(set(w) == {"word", "start", "end", "confidence"} for w in body["words"])
        assert [each["text"] for each in body["utterances"]] == ["Book it.", "Please."]
        assert body["words"][2]["start"] == pytest.approx(1.48, abs=0.01)
        _, body, _ = await post(running, file("wav"), PULSE | {"word_timestamps": "True"})
        assert (body["words"], body["utterances"]) == ([], [])


TAKEN = [
    pytest.param({"model": "pulse-pro", "language": "en"}, id="6 pulse-pro"),
    pytest.param(PULSE | {"age_detection": "true"}, id="6 age_detection is ignored"),
    pytest.param(PULSE | {"diarize": "true"}, id="6 diarize"),
    pytest.param(PULSE | {"emotion_detection": "true"}, id="6 emotion_detection"),
    pytest.param(PULSE | {"gender_detection": "true"}, id="6 gender_detection"),
    pytest.param(PULSE | {"redact_pii": "true", "redact_pci": "true"}, id="6 redaction"),
    pytest.param(PULSE | {"sample_rate": "16000"}, id="6 sample_rate"),
]


@pytest.mark.parametrize("query", TAKEN)
async def test_6_parameters_are_taken(query: dict[str, str]) -> None:
    async with server() as running:
        status, body, _ = await post(running, file("wav"), query)
    assert (status, body["transcription"]) == (200, TEXT)


ERROR, CODED = {"error", "request_id"}, {"status", "message", "error_code"}
NAMED = {"status", "message", "errors"}
REFUSED: list[Any] = [
    pytest.param({"language": "en"}, "audio/wav", NAMED, id="6 model is required on A"),
    pytest.param({"model": "whisper"}, "audio/wav", NAMED, id="6 model unknown"),
    pytest.param(PULSE | {"language": "tlh"}, "audio/wav", NAMED, id="6 language unknown"),
    pytest.param(PULSE | {"language": "ta"}, "audio/wav", CODED, id="6 language of another region"),
    pytest.param({"model": "pulse-pro", "language": "hi"}, "audio/wav", NAMED, id="6 pulse-pro hi"),
    pytest.param(PULSE | {"webhook_url": "https://x"}, "audio/wav", NAMED, id="6 webhook_url"),
    pytest.param(PULSE, "application/json", NAMED, id="6 url body"),
]


@pytest.mark.parametrize(("query", "content_type", "shape"), REFUSED)
async def test_6_what_cannot_be_served_is_refused_with_400(
    query: dict[str, str], content_type: str, shape: set[str]
) -> None:
    async with server(region="us") as running:
        status, body, _ = await post(running, file("wav"), query, content_type=content_type)
    assert (status, set(body)) == (400, shape)
    if shape == CODED:
        assert body["error_code"] == "LANGUAGE_NOT_ENABLED_IN_REGION"


async def test_6_no_audio_and_too_much_audio() -> None:
    async with server(max_body_bytes=10_000) as running:
        status, body, _ = await post(running, b"")
        assert (status, body["error_code"]) == (400, "NoAudio")
        status, body, _ = await post(running, bytes(20_000))
        assert (status, set(body)) == (413, ERROR)


@pytest.mark.parametrize("path", PATHS)
async def test_5_keys_are_asked_for_here_too(path: str) -> None:
    async with server(api_key="right") as running:
        missing = {"message": "Unauthorized: No tokens provided"}
        assert (await post(running, b"", path=path, key=None))[:2] == (401, missing)
        wrong = {"error": "unauthorized"}
        assert (await post(running, b"", path=path, key="wrong"))[:2] == (401, wrong)
        assert (await post(running, file("wav"), path=path, key="right"))[0] == 200
