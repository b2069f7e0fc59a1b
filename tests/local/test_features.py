"""Every feature of the service can be tried on the local server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import numpy as np
import pytest
from aiohttp import web
from numpy.typing import NDArray

from pulse_plugins.local import recordings
from pulse_plugins.local.prerecorded import outbound
from pulse_plugins.local.recognizers.contract import RecognizedWord
from pulse_plugins.local.recognizers.scripted import ScriptedDecoder, ScriptedRecognizer, speak
from pulse_plugins.local.server import PulseServer
from tests.local.client import DEADLINE, calling, finals, server
from tests.support.wav import wav

PATH = "/waves/v1/pulse/get_text"
TWO = ScriptedRecognizer(
    "hello there how are you".split(), speakers_of={0: 0, 1: 0, 2: 1, 3: 1, 4: 1}
)


# Speakers


async def test_words_and_sentences_of_a_stream_name_their_speaker() -> None:
    asked: dict[str, Any] = {"diarize": True, "sentence_timestamps": True}
    async with server(TWO) as running, calling(running, **asked) as client:
        await client.say(speak(range(5)))
        final = finals(await client.finish())[0]
    assert [word["speaker"] for word in final["words"]] == [0, 0, 1, 1, 1]
    assert all(0 < word["speaker_confidence"] <= 1 for word in final["words"])
    said = [(each["text"], each["speaker"]) for each in final["utterances"]]
    assert said == [("Hello there", 0), ("how are you.", 1)]


async def test_without_diarize_no_speaker_is_named() -> None:
    asked: dict[str, Any] = {"word_timestamps": True, "sentence_timestamps": True}
    async with server(TWO) as running, calling(running, **asked) as client:
        await client.say(speak(range(5)))
        final = finals(await client.finish())[0]
    assert not any("speaker" in each for each in (*final["words"], *final["utterances"]))
    assert len(final["utterances"]) == 1


# The pre-recorded endpoint


async def upload(
    running: PulseServer, body: bytes, *, json_body: Any = None, **query: Any
) -> tuple[int, dict[str, Any], dict[str, str]]:
    """The status, the body and the headers of an answer."""
    query = {"language": "en", **query}
    pairs = {name: str(v).lower() if isinstance(v, bool) else v for name, v in query.items()}
    headers = {"Authorization": "Bearer k"}
    given = {"json": json_body} if json_body is not None else {"data": body}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(running.http_url + PATH, params=pairs, **given) as answer,
    ):
        return answer.status, await answer.json(), {k.lower(): v for k, v in answer.headers.items()}


def two_channels(first: NDArray[np.int16], second: NDArray[np.int16]) -> NDArray[np.int16]:
    """A recording where the second speaks after the first, each on a channel."""
    left = np.concatenate((first, np.zeros_like(second)))
    right = np.concatenate((np.zeros_like(first), second))
    return np.stack((left, right), axis=1)


async def test_each_channel_of_a_recording_is_a_speaker() -> None:
    pcm = two_channels(speak([0, 1], tail_seconds=0.2), speak([2, 3, 4]))
    async with server() as running:
        _, body, headers = await upload(running, wav(pcm), diarize=True, word_timestamps=True)
        assert [word["speaker"] for word in body["words"]] == [0, 0, 1, 1, 1]
        assert [each["speaker"] for each in body["utterances"]] == [0, 1]
        assert headers["x-pulse-local"] == "simulated=speakers"
        _, body, headers = await upload(running, wav(pcm), word_timestamps=True)
        assert not any("speaker" in word for word in body["words"])
        assert headers["x-pulse-local"] == "not-the-service"


class Deaf(ScriptedRecognizer):
    """Hears one word, whatever was said, so that recorded speech can be measured."""

    async def open(self, **asked: Any) -> Any:
        return _OneWord(asked["sample_rate"])


class _OneWord(ScriptedDecoder):
    async def feed(self, pcm: NDArray[np.int16]) -> None:
        self._fed += len(pcm)

    async def finish_segment(self) -> list[RecognizedWord]:
        return [RecognizedWord("word", 0.0, self._fed / 16_000, 0.9)]


async def test_gender_age_and_emotions_of_an_upload() -> None:
    body = wav(recordings.load("human").samples)
    wanted = {"gender_detection": True, "emotion_detection": True, "age_detection": True}
    async with server(Deaf()) as running:
        _, answer, headers = await upload(running, body, **wanted)
        assert (answer["gender"], answer["age"]) == ("male", "adult")
        assert set(answer["emotions"]) == {"happiness", "sadness", "disgust", "fear", "anger"}
        assert headers["x-pulse-local"] == "simulated=gender,emotions,age"
        _, answer, _ = await upload(running, body)
        assert not {"gender", "age", "emotions"} & set(answer)


@pytest.mark.parametrize(("model", "there"), [("pulse-2", True), ("pulse", False)])
async def test_emotion_and_gender_of_a_stream_are_those_of_pulse_2_alone(
    model: str, there: bool
) -> None:
    asked: dict[str, Any] = {"model": model, "emotion_detection": True, "gender_detection": True}
    async with server(Deaf()) as running, calling(running, **asked) as client:
        await client.say(recordings.load("human").samples[:32_000], packet=32_000)
        final = (await client.finish())[-1]
        header = client.socket.response
        assert header is not None
        simulated = header.headers["x-pulse-local"]
    assert ({"emotion", "gender"} <= set(final)) is there
    assert simulated == ("simulated=gender,emotion" if there else "not-the-service")


async def test_pulse_pro_answers_with_its_own_fields() -> None:
    async with server() as running, aiohttp.ClientSession() as session:
        url = f"{running.http_url}/waves/v1/stt/?model=pulse-pro&language=en"
        headers = {"Authorization": "Bearer k"}
        async with session.post(url, data=wav(speak([0])), headers=headers) as answer:
            body = await answer.json()
            assert body["request_id"] == answer.headers["x-request-id"]
        assert (body["language"], body["totalBytes"]) == ("en", len(wav(speak([0]))))


async def test_every_answer_has_a_request_id_and_a_stream_says_what_it_is() -> None:
    async with server() as running:
        ids = set()
        for body in (wav(speak([0])), b"nonsense", b""):
            _, _, headers = await upload(running, body)
            ids.add(headers["x-request-id"])
        assert len(ids) == 3
        async with calling(running) as client:
            messages = await client.finish()
            response = client.socket.response
            assert response is not None
            assert response.headers["x-pulse-local"] == "not-the-service"
        assert messages[0]["session_id"].startswith("local-")


# Redaction

CALLER = ScriptedRecognizer("my name is hans miller at twelve high street".split())


@pytest.mark.parametrize("redact", [True, False])
async def test_names_and_addresses_are_redacted_where_that_is_asked_for(redact: bool) -> None:
    async with server(CALLER) as running, calling(running, redact_pii=redact) as client:
        await client.say(speak(range(9)))
        final = finals(await client.finish())[0]
    if redact:
        labels = ["[FIRSTNAME_1]", "[LASTNAME_1]", "[ADDRESS_1]"]
        assert final["transcript"].strip() == "My name is {} {} at {}.".format(*labels)
        assert final["redacted_entities"] == labels
    else:
        assert final["transcript"].strip() == "My name is hans miller at twelve high street."


@pytest.mark.parametrize("redact", [True, False])
async def test_the_answer_to_an_upload_lists_what_was_redacted(redact: bool) -> None:
    async with server(CALLER) as running:
        _, body, _ = await upload(running, wav(speak(range(9))), redact_pii=redact)
    labels = ["[FIRSTNAME_1]", "[LASTNAME_1]", "[ADDRESS_1]"]
    assert body.get("redacted_entities") == (labels if redact else None)
    assert ("hans" in body["transcription"]) is not redact


# Bodies by URL, and webhooks


class Outside:
    """A server of the user's: it serves a file and takes webhooks."""

    def __init__(self, failing: int) -> None:
        self.url = ""
        self.failing = failing
        self.taken: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()

    async def file(self, request: web.Request) -> web.Response:
        if request.path == "/redirect":
            raise web.HTTPFound("/call.wav")
        return web.Response(body=wav(speak([0, 1])))

    async def hook(self, request: web.Request) -> web.Response:
        if self.failing:
            self.failing -= 1
            return web.Response(status=503)
        body = await request.json() if request.method == "POST" else dict(request.query)
        await self.taken.put((request.method, body))
        return web.Response()


@asynccontextmanager
async def outside(failing: int = 0) -> AsyncIterator[Outside]:
    made = Outside(failing)
    app = web.Application()
    app.router.add_get("/call.wav", made.file)
    app.router.add_get("/redirect", made.file)
    app.router.add_route("*", "/hook", made.hook)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


async def test_a_recording_is_read_from_a_url_of_this_machine() -> None:
    async with outside() as there, server() as running:
        status, body, _ = await upload(running, b"", json_body={"url": f"{there.url}/call.wav"})
        assert (status, body["transcription"]) == (200, "Please book.")
        assert body["metadata"]["filename"] == "call.wav"
        for url in (f"{there.url}/redirect", f"{there.url}/missing", "http://127.0.0.1:1/a"):
            status, body, _ = await upload(running, b"", json_body={"url": url})
            assert (status, body["errors"][0]["path"]) == (400, "url")
        status, body, _ = await upload(running, b"", json_body={"file": "a"})
        assert status == 400


async def test_another_host_is_called_where_it_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with outside() as there, server(allowed_hosts=frozenset({"0.0.0.0"})) as running:
        url = there.url.replace("127.0.0.1", "0.0.0.0")
        assert (await upload(running, b"", json_body={"url": f"{url}/call.wav"}))[0] == 200
    async with outside() as there, server() as running:
        url = there.url.replace("127.0.0.1", "0.0.0.0")
        assert (await upload(running, b"", json_body={"url": f"{url}/call.wav"}))[0] == 400


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_webhook_gets_the_answer_even_if_it_fails_at_first(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbound, "_FIRST_PAUSE", 0.01)
    hook = {"webhook_method": method, "webhook_extra": "call:17,who:me"}
    async with outside(failing=2) as there, server() as running:
        status, body, headers = await upload(
            running, wav(speak([0, 1])), webhook_url=f"{there.url}/hook", **hook
        )
        assert (status, body["status"]) == (200, "processing")
        assert body["request_id"] == headers["x-request-id"]
        async with asyncio.timeout(DEADLINE):
            used, sent = await there.taken.get()
    assert used == method
    assert (sent["transcription"], sent["call"], sent["who"]) == ("Please book.", "17", "me")
    metadata = sent["metadata"] if method == "POST" else json.loads(sent["metadata"])
    assert set(metadata) == {"duration", "fileSize"}
    assert sent["request_id"] == body["request_id"]


async def test_a_webhook_is_told_of_an_upload_that_cannot_be_read() -> None:
    async with outside() as there, server() as running:
        status, _, _ = await upload(running, b"nonsense", webhook_url=f"{there.url}/hook")
        assert status == 200
        async with asyncio.timeout(DEADLINE):
            _, sent = await there.taken.get()
    assert sent["status"] == "error"
