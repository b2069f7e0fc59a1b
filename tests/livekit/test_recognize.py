"""`recognize` on the pre-recorded endpoint of the package's own server."""

from __future__ import annotations

import wave
from io import BytesIO

import aiohttp
import pytest
from livekit import rtc
from livekit.agents import APIConnectionError, APIConnectOptions, APIStatusError
from livekit.agents.metrics import STTMetrics
from livekit.agents.stt import SpeechEventType

from pulse_plugins.livekit import STT
from pulse_plugins.livekit.recognize import wav
from pulse_plugins.local.recognizers.scripted import ScriptedRecognizer
from pulse_plugins.local.server import PulseServer
from pulse_plugins.local.settings import ServerOptions
from tests.livekit.driving import frames, speech, words

ONCE = APIConnectOptions(max_retry=0, timeout=5.0)


def server() -> PulseServer:
    return PulseServer(ServerOptions(recognizer=ScriptedRecognizer()))


@pytest.mark.parametrize("own_session", [True, False])
async def test_a_buffer_becomes_one_final(own_session: bool) -> None:
    async with server() as local, aiohttp.ClientSession() as session:
        given = session if own_session else None
        async with STT(base_url=local.url, http_session=given) as stt:
            seen: list[STTMetrics] = []
            stt.on("metrics_collected", seen.append)
            event = await stt.recognize(frames(speech(0, 5)), conn_options=ONCE)
        assert event.type is SpeechEventType.FINAL_TRANSCRIPT
        assert event.request_id
        (data,) = event.alternatives
        assert [word.strip(".,").lower() for word in data.text.split()] == words(0, 5)
        assert data.language == "en"
        assert data.words is not None
        assert data.words[1].start_time == pytest.approx(0.5, abs=0.05)
        assert data.end_time == pytest.approx(0.2 + 4 * 0.3 + 0.24, abs=0.05)
        assert [m.streamed for m in seen] == [False]
        assert not session.closed


async def test_a_language_of_its_own_and_one_frame_alone() -> None:
    async with server() as local, STT(base_url=local.url) as stt:
        (whole,) = frames(speech(0, 2), seconds=10.0)
        event = await stt.recognize(whole, language="fr", conn_options=ONCE)
        assert event.alternatives[0].language == "fr"


async def test_failures_are_the_frameworks_and_hold_no_key(api_key: str) -> None:
    options = ServerOptions(recognizer=ScriptedRecognizer(), api_key="another")
    async with (
        PulseServer(options) as local,
        STT(base_url=local.url, api_key=api_key) as stt,
    ):
        with pytest.raises(APIStatusError) as refused:
            await stt.recognize(frames(speech(0, 1)), conn_options=ONCE)
        assert (refused.value.status_code, refused.value.retryable) == (401, False)
        assert api_key not in repr(refused.value)
        with pytest.raises(APIStatusError) as empty:
            await stt.recognize([], conn_options=ONCE)
        assert (empty.value.status_code, empty.value.retryable) == (400, False)
    async with STT(base_url="http://127.0.0.1:9", api_key=api_key) as stt:
        with pytest.raises(APIConnectionError) as lost:
            await stt.recognize(frames(speech(0, 1)), conn_options=ONCE)
        assert lost.value.retryable
        assert lost.value.__cause__ is None


def test_frames_of_several_formats_become_one_mono_file() -> None:
    samples = speech(0, 2)
    mixed = [*frames(samples, channels=2), *frames(speech(2, 2, 8000), 8000)]
    with wave.open(BytesIO(wav(mixed))) as file:
        assert (file.getnchannels(), file.getframerate()) == (1, 16_000)
        seconds = file.getnframes() / 16_000
    assert seconds == pytest.approx(sum(frame.duration for frame in mixed), abs=0.02)
    assert wav([]) == b""
    assert wav([rtc.AudioFrame.create(16_000, 1, 0)]) == b""
