"""The service against the package's own server: every dialect, encoding and fault."""

from __future__ import annotations

import asyncio

import pytest
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
    UserTurnStoppedMessage,
)

from pulse_plugins.core.config.dialects import DialectName
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.config.timing import Timeouts
from pulse_plugins.local import PulseServer, ServerOptions
from pulse_plugins.local.recognizers.scoring import word_errors
from pulse_plugins.local.recognizers.scripted import ScriptedRecognizer, silence
from pulse_plugins.local.recordings import load
from pulse_plugins.pipecat import PulseSTTService
from tests.pipecat.rig import DEADLINE, calling, speech, words
from tests.support import sphinx  # noqa: F401 - the clock waits for the recognizer

PLAIN = PulseSTTService.Settings(format=False)  # the words as they were said


def scripted(**options: object) -> ServerOptions:
    return ServerOptions(recognizer=ScriptedRecognizer(), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("dialect", ["live", "pulse", "legacy", "direct"])
async def test_every_dialect_completes_the_turn(dialect: DialectName) -> None:
    async with (
        PulseServer(scripted()) as server,
        calling(PulseSTTService(base_url=server.url, dialect=dialect, settings=PLAIN)) as call,
    ):
        await call.start_speaking()
        await call.give(speech(0, 4, tail=1.5))  # the legacy one hears the pause itself
        await call.stop_speaking()
        await call.until_completed(1)
        assert call.text == words(0, 4)
        assert call.finals[-1][1]


async def test_a_lost_server_costs_no_word_where_there_is_another() -> None:
    async with (
        PulseServer(scripted(), faults=["drop@audio=0.5"]) as first,
        PulseServer(scripted()) as second,
        calling(PulseSTTService(base_url=(first.url, second.url), settings=PLAIN)) as call,
    ):
        await call.turn(0, 4)
        await call.until_completed(1)
        assert call.text == words(0, 4)
        assert [len(each.connections) for each in (first, second)] == [1, 1]


@pytest.mark.parametrize(
    ("encoding", "rate"),
    [("linear16", 16_000), ("linear32", 16_000), ("mulaw", 8_000), ("alaw", 8_000)],
)
async def test_every_encoding_of_pcm_is_heard(encoding: str, rate: int) -> None:
    async with (
        PulseServer(scripted()) as server,
        calling(PulseSTTService(base_url=server.url, encoding=encoding, settings=PLAIN)) as call,
    ):
        await call.turn(0, 4)
        await call.until_completed(1)
        assert call.text == words(0, 4)
        (record,) = server.connections
        assert record.query["encoding"] == encoding
        assert record.query["sample_rate"] == str(rate)


@pytest.mark.parametrize(
    "fault",
    [
        "drop@audio=0.7",
        "drop@word=3",
        "drop@finalize=1",
        "close=1011@audio=0.7",
        "close=1008@word=2",
        "error=1011@word=2",
        "garbage@word=2",
        "late_final=0.5@finalize=1",
        "refuse=503",
        "refuse=429",
        "stall=0.5@audio=0.5",
        "drop@closing=1",
    ],
)
async def test_whatever_goes_wrong_every_word_comes_once_and_in_order(fault: str) -> None:
    options = PulseOptions(timeouts=Timeouts(stall=1.5), base_url="ws://127.0.0.1:9")
    async with PulseServer(scripted(), faults=[fault]) as server:
        service = PulseSTTService(options=options, base_url=server.url, settings=PLAIN)
        async with calling(service) as call:
            for turn in range(2):
                await call.turn(4 * turn, 4)
                await call.until_text(words(0, 4 * turn + 4))
            await call.hang_up()
            assert call.text == words(0, 8)
            assert service.is_usable
            assert len(call.errors) <= 1


async def test_a_server_that_falls_silent_ends_its_turn_in_time_and_is_left() -> None:
    options = PulseOptions(
        timeouts=Timeouts(stall=0.5, finalize=0.5),
        base_url="ws://127.0.0.1:9",
    )
    async with PulseServer(scripted(), faults=["blackhole@word=2"]) as server:
        service = PulseSTTService(options=options, base_url=server.url, settings=PLAIN)
        async with calling(service) as call:
            await call.turn(0, 4)
            await call.until(lambda: call.finals)
            await call.turn(4, 4)
            await call.until(lambda: call.text.endswith(words(4, 4)))
            assert len(server.connections) == 2


async def test_silence_is_no_turn() -> None:
    async with (
        PulseServer(scripted()) as server,
        calling(PulseSTTService(base_url=server.url)) as call,
    ):
        await call.give(silence(2.0))
        await call.hang_up()
        assert call.finals == []
        assert call.interims == []


async def test_real_speech_ends_its_turn_by_the_frameworks_own_vad_and_smart_turn() -> None:
    recording = load("booking")
    pair = LLMContextAggregatorPair(
        LLMContext(), user_params=LLMUserAggregatorParams(vad_analyzer=SileroVADAnalyzer())
    )
    turns: list[str] = []
    over = asyncio.Event()

    async def stopped(_: object, __: object, message: UserTurnStoppedMessage) -> None:
        turns.append(message.content or "")
        if word_errors(recording.text, " ".join(turns)).rate < 0.1:
            over.set()  # the model may take two pauses as one turn

    user = pair.user()
    user.add_event_handler("on_user_turn_stopped", stopped)
    # The wait for an unfinalized transcript would outlast the test.
    async with PulseServer() as server:
        service = PulseSTTService(base_url=server.url, settings=PLAIN, ttfs_p99_latency=60.0)
        async with calling(service, user) as call:
            samples, size = recording.samples, recording.sample_rate // 50
            clock = asyncio.get_running_loop().time
            began = clock()
            for start in range(0, len(samples), size):  # in real time, as the VAD expects
                await asyncio.sleep(max(0.0, began + start / recording.sample_rate - clock()))
                await call.give(samples[start : start + size])
            await call.give(silence(1.0))
            async with asyncio.timeout(3 * DEADLINE):
                await over.wait()
