"""Segments over the REST endpoint, in real pipelines against the package's own server."""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from unittest.mock import Mock

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pipecat.clocks.system_clock import SystemClock
from pipecat.frames.frames import (
    EndFrame,
    MetricsFrame,
    StartFrame,
    STTUpdateSettingsFrame,
    TranscriptionFrame,
    UserMuteStartedFrame,
    UserMuteStoppedFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.metrics.metrics import ProcessingMetricsData, STTUsageMetricsData
from pipecat.processors.frame_processor import FrameDirection, FrameProcessorSetup
from pipecat.services.stt_service import SegmentedSTTService
from pipecat.transcriptions.language import Language
from pipecat.utils.asyncio.task_manager import TaskManager
from pipecat.utils.errors import ErrorCategory

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.core.config.timing import Timeouts
from pulse_plugins.core.wire.batch_messages import BatchTranscript
from pulse_plugins.local import PulseServer, ServerOptions
from pulse_plugins.local.recognizers.scripted import ScriptedRecognizer, silence
from pulse_plugins.pipecat import PulseSegmentedSTTService, PulseSTTSettings
from pulse_plugins.pipecat.frames import Result
from tests.pipecat.rig import DEADLINE, calling, speech, words

PLAIN = PulseSTTSettings(format=False)

Handler = Callable[[web.Request], Awaitable[web.Response]]


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
            result = call.came(TranscriptionFrame)[0].result
            assert isinstance(result, Result)
            assert isinstance(result.event, BatchTranscript)
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


async def test_speech_that_the_end_of_the_call_cuts_off_is_transcribed() -> None:
    async with (
        PulseServer(scripted()) as server,
        calling(PulseSegmentedSTTService(base_url=server.http_url, settings=PLAIN)) as call,
    ):
        await call.turn(0, 2)
        await call.start_speaking()
        await call.say(2, 2)
        await call.hang_up()
        assert call.finals == [(words(0, 2), True), (words(2, 2), True)]


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


@asynccontextmanager
async def answering(handler: Handler) -> AsyncIterator[PulseSegmentedSTTService]:
    """A service whose every request this answers."""
    app = web.Application(client_max_size=10**8)
    app.router.add_post("/{path:.*}", handler)
    async with TestServer(app) as server:
        yield PulseSegmentedSTTService(base_url=str(server.make_url("/")), settings=PLAIN)


async def test_only_the_last_of_several_speakers_ends_the_turn() -> None:
    async def answer(request: web.Request) -> web.Response:
        await request.read()
        said = [
            {"word": text, "start": n, "end": n + 0.5, "confidence": 0.9, "speaker": n}
            for n, text in enumerate(("hi", "hello"))
        ]
        return web.json_response({"transcription": "hi hello", "words": said})

    async with answering(answer) as service, calling(service) as call:
        await call.turn(0, 2)
        await call.hang_up()
        assert [
            (frame.user_id, frame.text, frame.finalized) for frame in call.came(TranscriptionFrame)
        ] == [("0", "hi", False), ("1", "hello", True)]


@pytest.mark.parametrize(
    ("frames", "channels", "asked", "sent"),
    [
        (16_000, 1, None, 16_000),
        (16_000, 2, None, 16_000),
        (8_000, 1, None, 16_000),
        (48_000, 2, None, 16_000),
        (16_000, 1, 8_000, 8_000),
    ],
)
async def test_frames_of_any_rate_and_channel_count_become_a_segment_of_the_services(
    frames: int, channels: int, asked: int | None, sent: int
) -> None:
    async with PulseServer(scripted()) as server:
        service = PulseSegmentedSTTService(
            base_url=server.http_url, settings=PLAIN, sample_rate=asked, trailing_silence_secs=0.0
        )
        async with calling(service) as call:
            samples = speech(0, 3, frames)
            await call.start_speaking()
            await call.give(samples, rate=frames, channels=channels)
            await call.stop_speaking()
            await call.hang_up()
            assert call.finals == [(words(0, 3), True)]
            assert service.sample_rate == sent
            data = [d for frame in call.came(MetricsFrame) for d in frame.data]
            (usage,) = [d.value for d in data if isinstance(d, STTUsageMetricsData)]
            assert usage.audio_seconds == pytest.approx(len(samples) / frames, abs=0.001)


async def test_the_format_may_change_within_a_segment() -> None:
    recordings: list[tuple[int, int]] = []

    async def answer(request: web.Request) -> web.Response:
        with wave.open(io.BytesIO(await request.read())) as recording:
            recordings.append((recording.getnchannels(), recording.getnframes()))
        return web.json_response({"transcription": "hello", "words": []})

    async with answering(answer) as service, calling(service) as call:
        await call.start_speaking()
        await call.give(silence(0.5, 48_000), rate=48_000, channels=2)
        await call.give(silence(0.5, 8_000), rate=8_000)
        await call.give(silence(0.5))
        await call.stop_speaking()
        await call.hang_up()
        assert recordings == [(1, 2 * 16_000)]  # half a second of silence is put after it


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_refused_segment_costs_itself_alone(status: int) -> None:
    statuses = [status, 200]

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        said = {"transcription": "hello", "words": [], "message": "no audio in it"}
        return web.json_response(said, status=statuses.pop(0))

    async with answering(answer) as service, calling(service) as call:
        await call.turn(0, 2)
        await call.until_error()
        assert service.is_usable
        await call.turn(2, 2)
        await call.hang_up()
        assert call.finals == [("hello", True)]
        assert [e.category for e in call.errors] == [ErrorCategory.UNKNOWN]


@pytest.mark.parametrize(
    ("status", "body", "category"),
    [
        (402, {}, ErrorCategory.QUOTA),
        (403, {}, ErrorCategory.AUTHORIZATION),
        (404, {}, ErrorCategory.INVALID_REQUEST),
        (
            400,
            {"error_code": "LANGUAGE_NOT_ENABLED_IN_REGION"},
            ErrorCategory.INVALID_REQUEST,
        ),
    ],
)
async def test_what_every_segment_would_meet_makes_the_service_unusable(
    status: int, body: dict[str, str], category: ErrorCategory
) -> None:
    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.json_response(body, status=status)

    async with answering(answer) as service, calling(service) as call:
        await call.turn(0, 2)
        await call.until_error()
        assert [e.category for e in call.errors] == [category]
        assert not service.is_usable


async def test_a_transcript_is_of_who_spoke_and_not_of_who_speaks_by_now() -> None:
    asked, heard = asyncio.Event(), asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        asked.set()
        await heard.wait()
        return web.json_response({"transcription": "hello", "words": []})

    async with answering(answer) as service, calling(service) as call:
        for user in ("alice", "bob"):
            await call.start_speaking()
            await call.say(0, 2, user=user)
            await call.stop_speaking()
        await call.give(silence(0.1), user="carol")
        async with asyncio.timeout(DEADLINE):
            await asked.wait()
        await call.until_came(VADUserStoppedSpeakingFrame, 2)
        heard.set()
        await call.hang_up()
        assert [frame.user_id for frame in call.came(TranscriptionFrame)] == ["alice", "bob"]


async def test_the_end_is_bounded_whatever_waits() -> None:
    async def hang(request: web.Request) -> web.Response:
        await request.read()
        await asyncio.sleep(3600)
        return web.json_response({})

    async with answering(hang) as service, calling(service) as call:
        for turn in range(2):
            await call.turn(2 * turn, 2)
        began = asyncio.get_running_loop().time()
        await call.put(EndFrame())
        async with asyncio.timeout(60):
            await call.until_came(EndFrame, 1)
        assert asyncio.get_running_loop().time() - began < Timeouts().close + 1.0
        await call.until_error()
        assert "2 segments" in call.errors[0].error


async def test_a_segment_uses_the_settings_of_the_time_when_it_was_spoken() -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()
    languages: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        languages.append(request.query["language"])
        asked.set()
        await go_on.wait()
        return web.json_response({"transcription": "hello", "words": []})

    async with answering(answer) as service, calling(service) as call:
        for turn in range(2):
            await call.turn(2 * turn, 2)
        async with asyncio.timeout(DEADLINE):
            await asked.wait()
        await call.until_came(VADUserStoppedSpeakingFrame, 2)
        await call.put(STTUpdateSettingsFrame(delta=PulseSTTSettings(language="hi")))
        await asyncio.sleep(0.1)
        go_on.set()
        await call.until_completed(2)
        await call.turn(4, 2)
        await call.until_completed(3)
        assert languages == ["en", "en", "hi"]
        labels = [frame.language for frame in call.came(TranscriptionFrame)]
        assert labels == [Language.EN, Language.EN, Language.HI]


async def test_muted_speech_is_no_segment_and_not_the_beginning_of_the_next_one() -> None:
    lengths: list[float] = []

    async def answer(request: web.Request) -> web.Response:
        with wave.open(io.BytesIO(await request.read())) as recording:
            lengths.append(recording.getnframes() / recording.getframerate())
        return web.json_response({"transcription": "hello", "words": []})

    async with answering(answer) as service, calling(service) as call:
        await call.put(UserMuteStartedFrame())
        await call.turn(0, 3)
        await call.give(speech(3, 2))
        await call.put(UserMuteStoppedFrame())
        await call.start_speaking()
        await call.give(silence(0.5))
        await call.stop_speaking()
        await call.until_completed(1)
        assert lengths == [1.0]  # half a second, and the silence that is put after it


async def test_a_session_of_the_application_is_used_and_stays_open() -> None:
    agents: list[str | None] = []

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        agents.append(request.headers.get("X-Call"))
        return web.json_response({"transcription": "hello", "words": []})

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        service = PulseSegmentedSTTService(
            base_url=str(server.make_url("/")),
            aiohttp_session=session,
            extra_headers={"X-Call": "7"},
        )
        async with calling(service) as call:
            await call.turn(0, 2)
            await call.until_completed(1)
            await call.hang_up()
        assert not session.closed
        assert agents == ["7"]


async def test_cleaning_up_alone_leaves_nothing_running() -> None:
    before = asyncio.all_tasks()
    service = PulseSegmentedSTTService(base_url="http://127.0.0.1:9")
    clock = SystemClock()  # type: ignore[no-untyped-call]
    await service.setup(
        FrameProcessorSetup(clock=clock, task_manager=TaskManager(), pipeline_worker=Mock())
    )
    await service.process_frame(StartFrame(), FrameDirection.DOWNSTREAM)
    assert asyncio.all_tasks() > before
    for _ in range(2):
        await service.cleanup()
        assert asyncio.all_tasks() == before


def test_the_private_names_of_the_base_class_that_we_use_are_there() -> None:
    service = PulseSegmentedSTTService(base_url="http://127.0.0.1:9")
    for name in ("_audio_buffer", "_user_id"):
        assert hasattr(service, name), name
    for name in ("_cancel_segment_task", "_handle_user_stopped_speaking"):
        assert callable(getattr(SegmentedSTTService, name)), name
