"""PulseBatch: what is asked, and what becomes of the answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from pulse_plugins.core.audio.formats import AudioFormat
from pulse_plugins.core.base.errors import (
    ConfigurationError,
    RequestRejectedError,
    StreamClosedError,
)
from pulse_plugins.core.client import batch as batch_module
from pulse_plugins.core.client.batch import PulseBatch
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.config.validation import warn_once
from pulse_plugins.core.wire.batch_messages import BatchTranscript, read
from pulse_plugins.local.recognizers.scripted import ScriptedRecognizer, speak
from pulse_plugins.local.server import PulseServer
from tests.support.privacy import API_KEY
from tests.support.recordings import ANSWER, Peer, recording_peer, refusal


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    async with recording_peer() as running:
        yield running


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


@pytest.mark.parametrize("has_threads", [True, False])
async def test_an_answer_is_read_in_a_thread_if_one_can_be_started(
    peer: Peer, monkeypatch: pytest.MonkeyPatch, has_threads: bool
) -> None:
    threads = []

    def read_and_note(*given: Any, **named: Any) -> BatchTranscript:
        threads.append(threading.current_thread())
        return read(*given, **named)

    async def no_thread(do: object) -> object:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(batch_module, "read", read_and_note)
    if not has_threads:
        monkeypatch.setattr(asyncio, "to_thread", no_thread)
    peer.answers = [refusal(200, ANSWER)]
    async with PulseBatch(peer.options()) as batch:
        heard = await batch.transcribe(b"RIFF....")
    assert heard.text == "Good morning. Thanks for calling."
    [thread] = threads
    assert (thread is threading.current_thread()) != has_threads


async def test_redaction_drops_utterances_because_they_may_hold_the_clear_text(
    peer: Peer,
) -> None:
    said = {"utterances": [{"text": "My card is 4242.", "start": 0.0, "end": 1.0}]}
    peer.answers = [refusal(200, ANSWER | said)]
    async with PulseBatch(peer.options(redact_pci=True)) as batch:
        transcript = await batch.transcribe(b"RIFF")
    assert transcript.text
    assert transcript.utterances == ()


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


async def test_a_session_that_the_caller_has_closed_is_named(peer: Peer) -> None:
    session = aiohttp.ClientSession()
    await session.close()
    with pytest.raises(StreamClosedError, match="session"):
        await PulseBatch(peer.options(), session=session).transcribe(b"x")


def test_at_least_one_attempt_is_made() -> None:
    with pytest.raises(ConfigurationError, match="attempts"):
        PulseBatch(PulseOptions(base_url="ws://127.0.0.1:1"), attempts=0)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, ""),
        ({"vad_events": True, "endpointing": False, "max_words": 5, "keywords": []}, ""),
        ({"keywords": ["Acme"]}, "keywords"),
        ({"itn_normalize": True, "numerals": "auto"}, "itn_normalize, numerals"),
    ],
)
def test_options_that_recordings_do_not_take_are_named_once(
    given: dict[str, Any], named: str, caplog: pytest.LogCaptureFixture
) -> None:
    warn_once.cache_clear()
    for _ in range(2):
        PulseBatch(PulseOptions(base_url="ws://127.0.0.1:1", **given))
    told = [r.getMessage() for r in caplog.records if "pre-recorded" in r.message]
    assert len(told) == bool(named)
    assert f"take {named}:" in "".join(told) or not named


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
