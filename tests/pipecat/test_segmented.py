"""Segments over the REST endpoint, in real pipelines against the package's own server."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pipecat.frames.frames import MetricsFrame, STTUpdateSettingsFrame, TranscriptionFrame
from pipecat.metrics.metrics import ProcessingMetricsData, STTUsageMetricsData
from pipecat.utils.errors import ErrorCategory

from pulse_plugins.core.errors import ConfigurationError
from pulse_plugins.core.recordings import BatchTranscript
from pulse_plugins.local import PulseServer, ServerOptions
from pulse_plugins.local.scripted import ScriptedRecognizer, silence
from pulse_plugins.pipecat import PulseSegmentedSTTService, PulseSTTSettings
from tests.pipecat.rig import calling, words

PLAIN = PulseSTTSettings(format=False)


def scripted(**options: object) -> ServerOptions:
    return ServerOptions(recognizer=ScriptedRecognizer(), **options)  # type: ignore[arg-type]


async def test_each_segment_is_one_finalized_transcript() -> None:
    async with PulseServer(scripted()) as server:
        service = PulseSegmentedSTTService(base_url=server.http_url, settings=PLAIN)
        async with calling(service) as call:
            for turn in range(2):
                await call.turn(5 * turn, 3)
            await call.until_completed(2)
            assert call.finals == [(words(0, 3), True), (words(5, 3), True)]
            assert isinstance(call.came(TranscriptionFrame)[0].result, BatchTranscript)
            data = [d for frame in call.came(MetricsFrame) for d in frame.data]
            assert [d for d in data if isinstance(d, ProcessingMetricsData)]
            assert [d for d in data if isinstance(d, STTUsageMetricsData)]
            await call.hang_up()


async def test_the_last_segment_comes_before_the_end() -> None:
    async with (
        PulseServer(scripted()) as server,
        calling(PulseSegmentedSTTService(base_url=server.http_url, settings=PLAIN)) as call,
    ):
        await call.turn(0, 2)
        await call.hang_up()
        assert call.finals == [(words(0, 2), True)]


async def test_a_segment_without_words_is_no_turn() -> None:
    async with (
        PulseServer(scripted()) as server,
        calling(PulseSegmentedSTTService(base_url=server.http_url)) as call,
    ):
        await call.start_speaking()
        await call.give(silence(0.5))
        await call.stop_speaking()
        await call.hang_up()
        assert call.finals == []
        assert call.errors == []


async def test_a_wrong_key_makes_the_service_unusable(api_key: str) -> None:
    async with PulseServer(scripted(api_key="another")) as server:
        service = PulseSegmentedSTTService(base_url=server.http_url, api_key=api_key)
        async with calling(service) as call:
            await call.turn(0, 2)
            await call.until_error()
            assert [e.category for e in call.errors] == [ErrorCategory.AUTHENTICATION]
            assert not service.is_usable


async def test_settings_hold_for_the_segments_after_them_and_bad_ones_for_none() -> None:
    async with PulseServer(scripted()) as server:
        service = PulseSegmentedSTTService(base_url=server.http_url, settings=PLAIN)
        async with calling(service) as call:
            await call.put(STTUpdateSettingsFrame(delta=PulseSTTSettings(language="")))
            await call.until_error()
            assert [e.category for e in call.errors] == [ErrorCategory.APPLICATION]
            await call.put(STTUpdateSettingsFrame(delta=PulseSTTSettings(format=True)))
            await call.hang_up()
            assert service.settings.format is True
            assert service.settings.language == "en"


def test_what_recordings_cannot_do_is_refused_at_once() -> None:
    with pytest.raises(ConfigurationError):
        PulseSegmentedSTTService(base_url="http://127.0.0.1:9", model="pulse-pro")
    with pytest.raises(ConfigurationError):
        PulseSegmentedSTTService(base_url="http://127.0.0.1:9", dialect="direct")


async def test_only_the_last_of_several_speakers_ends_the_turn() -> None:
    async def answer(request: web.Request) -> web.Response:
        await request.read()
        said = [
            {"word": text, "start": n, "end": n + 0.5, "confidence": 0.9, "speaker": n}
            for n, text in enumerate(("hi", "hello"))
        ]
        return web.json_response({"transcription": "hi hello", "words": said})

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    async with TestServer(app) as server:
        service = PulseSegmentedSTTService(base_url=str(server.make_url("/")), settings=PLAIN)
        async with calling(service) as call:
            await call.turn(0, 2)
            await call.hang_up()
            assert [
                (frame.user_id, frame.text, frame.finalized)
                for frame in call.came(TranscriptionFrame)
            ] == [("0", "hi", False), ("1", "hello", True)]
