"""The official Python SDK, unchanged but for its base URLs; skipped where it is not installed."""

from __future__ import annotations

import asyncio
import io
import wave

import pytest

from pulse_plugins.local.recognizers.scripted import ScriptedRecognizer, speak, spell
from pulse_plugins.local.server import PulseServer

httpx = pytest.importorskip("httpx")
sdk = pytest.importorskip("smallestai")
helpers = pytest.importorskip("smallestai.waves.helpers")
types = pytest.importorskip("smallestai.waves.speech_to_text.types")
environments = pytest.importorskip("smallestai.environment")

# It leans on a name that `websockets` has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:websockets:DeprecationWarning")

SAID = [spell(number) for number in range(12)]
DEADLINE = 20.0


def plain(text: str) -> list[str]:
    return text.lower().replace(".", "").split()


def pointed_at(server: PulseServer) -> object:
    return environments.SmallestAIEnvironment(
        atoms=server.http_url,
        waves=server.http_url,
        waves_ws=server.url,
        payment=server.http_url,
    )


async def test_the_sdk_streams() -> None:
    async with (
        asyncio.timeout(DEADLINE),
        PulseServer(ScriptedRecognizer()) as server,
        httpx.AsyncClient(trust_env=False) as http,
    ):
        client = sdk.AsyncSmallestAI(api_key="k", environment=pointed_at(server), httpx_client=http)
        texts: list[str] = []
        async with helpers.stream_speech_to_text(
            client, language="en", word_timestamps=True, vad_events=True, itn_normalize=False
        ) as socket:
            await socket.send_audio_chunk_out(speak(range(12), tail_seconds=0.2).tobytes())
            await socket.send_finalize_signal(types.FinalizeSignal(type="finalize"))
            await socket.send_close_stream(types.CloseStream(type="close_stream"))
            async for event in socket:
                if getattr(event, "is_final", False):
                    texts.append(event.transcript)
        assert plain(" ".join(texts)) == SAID


async def test_the_sdk_uploads() -> None:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(16_000)
        writer.writeframes(speak(range(12), tail_seconds=0.2).tobytes())
    async with (
        asyncio.timeout(DEADLINE),
        PulseServer(ScriptedRecognizer()) as server,
        httpx.AsyncClient(trust_env=False) as http,
    ):
        client = sdk.AsyncSmallestAI(api_key="k", environment=pointed_at(server), httpx_client=http)
        answer = await client.waves.speech_to_text.transcribe(
            model="pulse", language="en", word_timestamps=True, request=file.getvalue()
        )
    assert answer.status == "success"
    assert plain(answer.transcription) == SAID
    assert [word.word.lower().strip(".") for word in answer.words] == SAID
