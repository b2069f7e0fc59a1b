"""A session is recorded without its key, and replays byte for byte."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from pulse_plugins import Final, PulseOptions, PulseStream
from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.core.client import http
from pulse_plugins.core.config.keys import LOCAL_API_KEY
from pulse_plugins.local.recognizers.scripted import ScriptedRecognizer, speak
from pulse_plugins.local.sessions.log import SessionWriter, masked, read, without_words
from pulse_plugins.local.sessions.recorder import Recorder
from pulse_plugins.local.sessions.replay import ReplayServer
from tests.local.client import CLOSE, DEADLINE, FINALIZE, PATHS, server
from tests.support.wav import wav

KEY = "sk_a-key-that-nobody-may-see"
SPOKEN = ScriptedRecognizer("please book a table for Miller".split())
QUERY = {"language": "en", "word_timestamps": "true", "vad_events": "true"}


@asynccontextmanager
async def recording(upstream: str, path: Path, **how: Any) -> AsyncIterator[Recorder]:
    with path.open("w", encoding="utf-8") as file:
        async with Recorder(upstream, SessionWriter(file, **how)) as recorder:
            yield recorder


async def raw(
    url: str, dialect: str = "pulse", *, key: str | None = KEY, **query: str
) -> tuple[list[str | bytes], int | None]:
    """Everything that a server says to one call of two turns, and its close code."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    frames: list[str | bytes] = []
    target = f"{url}{PATHS[dialect]}?{urlencode({**QUERY, **query})}"
    async with (
        asyncio.timeout(DEADLINE),
        connect(target, additional_headers=headers, proxy=None, compression=None) as socket,
    ):
        with suppress(ConnectionClosed):
            await _say(socket, speak([0, 1, 2], tail_seconds=0.3).tobytes())
            await socket.send(json.dumps(FINALIZE))
            while True:
                frames.append(await socket.recv())
                if json.loads(frames[-1]).get("is_final"):
                    break
            await _say(socket, speak([3, 4, 5]).tobytes())
            await socket.send(json.dumps(CLOSE))
            while True:
                frames.append(await socket.recv())
        return frames, socket.close_code


async def _say(socket: ClientConnection, data: bytes) -> None:
    for start in range(0, len(data), 640):
        await socket.send(data[start : start + 640])


async def test_a_recorded_call_replays_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    async with server(SPOKEN) as running, recording(running.url, path) as recorder:
        heard = await raw(recorder.url)
    assert len(heard[0]) > 8
    assert heard[1] == 1000
    async with ReplayServer(path) as replayed:
        assert await raw(replayed.url) == heard
        assert await raw(replayed.url) == heard  # later handshakes get the last connection


async def test_a_recording_holds_no_key_wherever_the_key_was(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    async with server(SPOKEN, api_key=KEY) as running, recording(running.url, path) as recorder:
        await raw(recorder.url)
        await raw(recorder.url, key=None, api_key=KEY)
        with pytest.raises(InvalidStatus):
            await raw(recorder.url, key="sk_wrong-and-secret")
        body = json.dumps({"url": f"http://127.0.0.1:1/?{KEY}"})
        async with aiohttp.ClientSession() as session:
            await _post(session, recorder, body.encode(), content_type="application/json")
    text = path.read_text()
    assert KEY not in text
    assert "sk_wrong" not in text
    assert len(read(path).connections) == 3


async def test_a_server_that_repeats_the_key_does_not_bring_it_into_the_file() -> None:
    file = io.StringIO()
    writer = SessionWriter(file)
    writer.hide(KEY)
    writer.refused(1, 0.0, 401, json.dumps({"error": f"the key {KEY} is unknown"}))
    writer.got(2, 0.0, f"plain {KEY}")
    assert KEY not in file.getvalue()
    assert file.getvalue().count("***") == 2


def test_the_placeholder_of_a_missing_key_is_an_ordinary_word() -> None:
    file = io.StringIO()
    writer = SessionWriter(file)
    writer.hide(LOCAL_API_KEY)
    writer.got(1, 0.0, '{"transcript":"a local call"}')
    assert "a local call" in file.getvalue()


async def test_a_recording_without_words_keeps_the_form_of_every_message(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    asked = {"keywords": "Miller:2"}
    async with (
        server(SPOKEN) as running,
        recording(running.url, path, words=False) as recorder,
    ):
        frames, _ = await raw(recorder.url, **asked)
    text = path.read_text().lower()
    for word in "please book table miller".split():
        assert word not in text
    (made,) = read(path).connections
    kept = [answer.message for answer in made.answers if answer.message is not None]
    assert len(kept) == len(frames)
    for said, masked_text in zip(frames, kept, strict=True):
        original, hidden = json.loads(said), json.loads(masked_text)
        assert original.keys() == hidden.keys()
        assert hidden.get("session_id") == original.get("session_id")
        if "transcript" in original:
            assert hidden["transcript"] == masked(original["transcript"])
            assert len(hidden["transcript"]) == len(original["transcript"])
    assert made.query["language"] == "en"
    assert made.query["keywords"] == "Xxxxxx:0"


@given(text=st.text())
def test_masking_keeps_the_length_and_loses_every_letter(text: str) -> None:
    hidden = masked(text)
    assert len(hidden) == len(text)
    assert not any(each.isalpha() and each not in "xX" for each in hidden)
    assert not any(each.isdigit() and each != "0" for each in hidden)
    assert len(without_words(text)) <= len(json.dumps(text)) + 10


async def _post(
    session: aiohttp.ClientSession,
    recorder: Recorder | ReplayServer,
    body: bytes,
    content_type: str = "audio/wav",
) -> tuple[int, bytes]:
    url = recorder.url.replace("ws://", "http://") + PATHS["pulse"]
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": content_type}
    async with session.post(f"{url}?language=en", data=body, headers=headers) as answer:
        return answer.status, await answer.read()


async def test_uploads_and_refusals_replay_too(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    async with (
        server(SPOKEN, api_key=KEY) as running,
        recording(running.url, path) as recorder,
        aiohttp.ClientSession() as session,
    ):
        good = await _post(session, recorder, wav(speak([0, 1])))
        bad = await _post(session, recorder, b"nonsense")
        with pytest.raises(InvalidStatus) as caught:
            await raw(recorder.url, key="wrong")
        refused = caught.value.response
    assert (good[0], bad[0], refused.status_code) == (200, 400, 401)
    async with ReplayServer(path) as replayed, aiohttp.ClientSession() as session:
        assert await _post(session, replayed, wav(speak([0, 1]))) == good
        assert await _post(session, replayed, b"nonsense") == bad
        with pytest.raises(InvalidStatus) as caught:
            await raw(replayed.url)
        assert caught.value.response.status_code == 401
        assert caught.value.response.body == refused.body


async def test_a_web_page_of_another_origin_hears_no_replay(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    async with server(SPOKEN) as running, recording(running.url, path) as recorder:
        await raw(recorder.url)
    evil = {"Origin": "https://evil.example"}
    async with ReplayServer(path) as replayed, aiohttp.ClientSession(headers=evil) as session:
        for method in ("GET", "POST"):
            url = replayed.http_url + PATHS["pulse"]
            async with session.request(method, url, data=b"") as answer:
                assert answer.status == 403


async def test_an_answer_without_end_does_not_fill_the_memory_of_the_recorder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "MOST_ANSWER", 2**16)

    async def endless(_: web.Request) -> web.Response:
        return web.Response(body=bytes(2**20))

    app = web.Application()
    app.router.add_post("/{path:.*}", endless)
    async with (
        TestServer(app) as hostile,
        recording(f"ws://127.0.0.1:{hostile.port}", tmp_path / "session.jsonl") as recorder,
        aiohttp.ClientSession() as session,
    ):
        status, text = await _post(session, recorder, b"x")
    assert status == 502
    assert "too long" in str(text)


@pytest.mark.parametrize("code", [1011, 4000, 1006])
async def test_a_close_of_the_server_replays(code: int, tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    faults = [f"close={code}@word=2" if code != 1006 else "drop@word=2"]
    running = server(SPOKEN)
    running.faults.add(faults)
    async with running, recording(running.url, path) as recorder:
        heard = await raw(recorder.url)
    assert heard[1] == code
    async with ReplayServer(path) as replayed:
        assert await raw(replayed.url) == heard


async def test_our_own_client_hears_a_replayed_call(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"

    async def call(url: str) -> str:
        options = PulseOptions(base_url=url, api_key=KEY, itn_normalize=True)
        async with asyncio.timeout(DEADLINE), PulseStream(options) as stream:
            stream.push(speak(range(6)).tobytes())
            stream.end()
            return " ".join([event.text async for event in stream if isinstance(event, Final)])

    async with server(SPOKEN) as running, recording(running.url, path) as recorder:
        first = await call(recorder.url)
    assert first.lower().rstrip(".") == "please book a table for miller"
    async with ReplayServer(path) as replayed:
        assert await call(replayed.url) == first


async def test_the_audio_is_kept_where_that_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    async with server(SPOKEN) as running, recording(running.url, path, audio=True) as recorder:
        await raw(recorder.url)
    (made,) = read(path).connections
    said = speak([0, 1, 2], tail_seconds=0.3).tobytes() + speak([3, 4, 5]).tobytes()
    assert made.audio == said
    async with server(SPOKEN) as running, recording(running.url, path) as recorder:
        await raw(recorder.url)
    assert read(path).connections[0].audio == b""


async def test_a_paced_replay_is_not_faster_than_the_recording(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    clock = asyncio.get_running_loop().time
    async with (
        server(SPOKEN, latency_final=0.5) as running,
        recording(running.url, path) as recorder,
    ):
        heard = await raw(recorder.url)
    for paced in (True, False):
        async with ReplayServer(path, paced=paced) as replayed:
            began = clock()
            assert await raw(replayed.url) == heard
            assert (clock() - began >= 0.9) is paced


async def test_a_recorder_without_its_server_says_so(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    async with recording("ws://127.0.0.1:1", path) as recorder, aiohttp.ClientSession() as session:
        with pytest.raises(InvalidStatus) as caught:
            await raw(recorder.url)
        assert caught.value.response.status_code == 502
        assert (await _post(session, recorder, b"x"))[0] == 502
    assert read(path).connections[0].status == 502


async def test_a_web_page_cannot_use_a_recorder(tmp_path: Path) -> None:
    async with server() as running, recording(running.url, tmp_path / "a") as recorder:
        with pytest.raises(InvalidStatus) as caught:
            async with connect(
                f"{recorder.url}{PATHS['pulse']}",
                origin="https://evil.example",  # type: ignore[arg-type]
                proxy=None,
            ):
                pass
        assert caught.value.response.status_code == 403
        assert recorder.connections == 0


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "nothing was recorded in this session"),
        ("nonsense", "a line is not JSON"),
        ("[]", "line 1 is no object"),
        ('{"pulse_session": 99}', "not a recorded session of version 1"),
        ('{"pulse_session": 1}', "nothing was recorded in this session"),
        ('{"pulse_session": 1}\n{"connection": 1}', "a line has no field 'at'"),
        ('{"pulse_session": 1}\n{"connection": 1, "at": "soon", "got": ""}', "could not convert"),
    ],
)
def test_a_file_that_is_no_session_is_refused(text: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=f"session.jsonl: .*{why}"):
        ReplayServer(path)
    with pytest.raises(ConfigurationError):
        ReplayServer(tmp_path / "missing")


@pytest.mark.parametrize("url", ["", "api.smallest.ai", "ftp://x", "ws://"])
def test_a_recorder_needs_the_url_of_a_server(url: str) -> None:
    with pytest.raises(ConfigurationError):
        Recorder(url, SessionWriter(io.StringIO()))


@pytest.mark.process
async def test_a_recorder_on_all_addresses_names_one_that_clients_reach() -> None:
    writer = SessionWriter(io.StringIO())
    recorder = Recorder("ws://127.0.0.1:1", writer, host="0.0.0.0")
    with pytest.raises(RuntimeError, match="not running"):
        _ = recorder.url
    async with recorder:
        assert recorder.url.startswith("ws://127.0.0.1:")
        assert recorder.http_url == recorder.url.replace("ws://", "http://")
