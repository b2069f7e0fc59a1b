"""Turns in a real pipeline: which transcript is finalized, and that no word is missing."""

from __future__ import annotations

import asyncio
import time

import pytest
from pipecat.frames.frames import (
    EndFrame,
    ErrorFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    MetricsFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    STTUpdateSettingsFrame,
    TranscriptionFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.metrics.metrics import STTUsageMetricsData, TTFBMetricsData
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_processor import UserTurnProcessor
from pipecat.turns.user_turn_strategies import UserTurnStrategies

from pulse_plugins.core.base.events import Final
from pulse_plugins.local.recognizers.scripted import silence
from pulse_plugins.pipecat import PulseSTTService
from pulse_plugins.pipecat.frames import Result
from tests.pipecat.rig import UP, calling, speech, words
from tests.support.peer import peer

# Habits of servers that answer a finalize in their several ways.
SERVERS: dict[str, dict[str, object]] = {
    "answers with its flag": {"window": None},
    "ends the segment before the pause": {"window": 0.05},
    "knows no from_finalize": {"window": None, "flag": False},
    "says nothing when nothing is pending": {"window": 0.05, "flag": False, "answers_empty": False},
    "cuts a final every two words": {"window": None, "max_words": 2},
}


@pytest.mark.parametrize("habits", SERVERS.values(), ids=SERVERS.keys())
async def test_exactly_the_transcript_that_completes_the_turn_is_finalized(
    habits: dict[str, object],
) -> None:
    async with peer(**habits) as server:
        service = PulseSTTService(base_url=server.url)
        async with calling(service) as call:
            for turn in range(2):
                await call.turn(10 * turn, 5)
                await call.until_completed(turn + 1)
            assert call.text == f"{words(0, 5)} {words(10, 5)}"
            last = max(i for i, f in enumerate(call.frames) if isinstance(f, TranscriptionFrame))
            assert not any(isinstance(f, InterimTranscriptionFrame) for f in call.frames[last:])
            await call.hang_up()
            assert call.completed == 2
            assert call.finals[-1][1]


async def test_a_pause_of_30_ms_does_not_complete_the_turn() -> None:
    async with (
        peer(window=None) as server,
        calling(PulseSTTService(base_url=server.url)) as call,
    ):
        await call.turn(0, 3)
        await call.give(silence(0.03))
        await call.start_speaking()
        await call.say(3, 3)
        await server.until(lambda: server.finalizes == 1)
        await call.stop_speaking()
        await call.until(lambda: call.completed)
        assert call.text == words(0, 6)
        assert [finalized for _, finalized in call.finals].count(True) == 1
        assert call.finals[-1][1]


async def test_an_interruption_while_the_answer_is_due_costs_neither_words_nor_the_flag() -> None:
    async with (
        peer(window=None) as server,
        calling(PulseSTTService(base_url=server.url)) as call,
    ):
        await call.turn(0, 3)
        await call.put(InterruptionFrame())
        await call.until(lambda: call.completed)
        assert call.finals == [(words(0, 3), True)]


async def test_the_vad_may_sit_behind_the_service() -> None:
    async with (
        peer(window=None) as server,
        calling(PulseSTTService(base_url=server.url)) as call,
    ):
        await call.put(VADUserStartedSpeakingFrame(0.2, time.time()), UP)
        await call.say(0, 3)
        await server.until(lambda: bool(server.links and len(server.links[0].words) == 3))
        await call.put(VADUserStoppedSpeakingFrame(0.2, time.time()), UP)
        await call.until(lambda: call.completed)
        assert call.finals == [(words(0, 3), True)]


async def test_without_a_vad_nothing_is_held_and_nothing_is_finalized() -> None:
    async with (
        peer(window=0.2) as server,
        calling(PulseSTTService(base_url=server.url)) as call,
    ):
        for turn in range(2):
            await call.give(speech(5 * turn, 3, tail=0.6))
            await call.until_came(TranscriptionFrame, turn + 1)
        assert call.finals == [(words(0, 3), False), (words(5, 3), False)]
        assert server.finalizes == 0


async def test_a_cough_is_no_turn_and_no_time_to_a_transcript_is_measured() -> None:
    async with peer(window=0.2) as server:
        service = PulseSTTService(base_url=server.url)
        async with calling(service) as call:
            await call.start_speaking()
            await call.give(silence(0.5))
            await call.stop_speaking()
            await server.until(lambda: server.finalizes == 1)
            await asyncio.sleep(3.0)  # longer than the base class waits for a transcript
            assert call.finals == []
            await call.give(speech(0, 2, tail=0.6))
            await call.until(lambda: call.finals)
            assert call.finals == [(words(0, 2), False)]
            data = [d for frame in call.came(MetricsFrame) for d in frame.data]
            assert not [d for d in data if isinstance(d, TTFBMetricsData) and d.value > 0]


async def test_the_turn_ends_with_the_final_and_not_with_the_published_worst_case() -> None:
    async with peer(window=None) as server:
        service = PulseSTTService(base_url=server.url, ttfs_p99_latency=60.0)
        turns = UserTurnProcessor(
            user_turn_strategies=UserTurnStrategies(
                stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0.2)]
            ),
            user_turn_stop_timeout=60.0,
        )
        async with calling(service, turns) as call:
            await call.turn(0, 3)
            await call.until(lambda: call.came(UserStoppedSpeakingFrame))
            assert call.completed == 1


async def test_the_last_words_come_before_the_end_frame() -> None:
    async with (
        peer(window=None) as server,
        calling(PulseSTTService(base_url=server.url)) as call,
    ):
        await call.start_speaking()
        await call.give(speech(0, 4, tail=0.0))  # the last word ends with its last sample
        await call.hang_up()
        assert call.text == words(0, 4)
        kinds = [type(f) for f in call.frames]
        assert kinds.index(EndFrame) > max(
            i for i, kind in enumerate(kinds) if kind is TranscriptionFrame
        )
        assert server.links[0].controls[-1] == "close_stream"


async def test_an_interim_that_only_repeats_a_completed_turn_opens_no_new_one() -> None:
    async with (
        peer(window=None) as server,
        calling(PulseSTTService(base_url=server.url)) as call,
    ):
        await call.turn(0, 3)
        await call.until_completed(1)
        (link,) = server.links
        told, heard = len(call.interims), link.seconds
        await call.give(silence(0.5))
        await server.until(lambda: link.seconds > heard + 0.4)
        await link.say(transcript=words(1, 2), is_final=False, is_last=False)
        await link.say(type="speech_ended", timestamp=heard)  # keeps the two interims apart
        await link.say(transcript=words(1, 3), is_final=False, is_last=False)
        await call.until(lambda: len(call.interims) > told)
        assert call.interims[told:] == [words(1, 3)]  # with a new word it is news
        await call.start_speaking()
        await call.until_came(VADUserStartedSpeakingFrame, 2)
        await link.say(transcript=words(1, 2), is_final=False, is_last=False)
        await call.until(lambda: len(call.interims) > told + 1)
        assert call.interims[told + 1 :] == [words(1, 2)]  # and when speech has started again


async def test_interims_go_on_from_a_final_that_is_held() -> None:
    async with (
        peer(window=None, max_words=2) as server,
        calling(PulseSTTService(base_url=server.url)) as call,
    ):
        await call.start_speaking()
        await call.say(0, 3)
        await call.until(lambda: words(0, 3) in call.interims)
        assert call.finals == []


async def test_usage_comes_before_each_final_and_ttfb_with_the_finalized_one() -> None:
    async with (
        peer(window=None) as server,
        calling(PulseSTTService(base_url=server.url)) as call,
    ):
        await call.turn(0, 3)
        await call.until(lambda: call.completed)
        (final,) = call.came(TranscriptionFrame)
        before = call.frames[: call.frames.index(final)]
        data = [d for f in before if isinstance(f, MetricsFrame) for d in f.data]
        (usage,) = [d.value for d in data if isinstance(d, STTUsageMetricsData)]
        assert usage.audio_seconds == pytest.approx(len(speech(0, 3)) / 16_000, abs=0.001)
        assert [d for d in data if isinstance(d, TTFBMetricsData) and d.value > 0]


async def test_the_result_holds_the_words_and_the_typed_final() -> None:
    async with (
        peer(window=None) as server,
        calling(PulseSTTService(base_url=server.url)) as call,
    ):
        await call.turn(7, 2)
        await call.until(lambda: call.completed)
        result = call.came(TranscriptionFrame)[0].result
        assert isinstance(result, Result)
        assert isinstance(result.event, Final)
        assert [word["word"] for word in result["words"]] == words(7, 2).split()
        assert result.event.words[0].start == pytest.approx(0.1, abs=0.05)


async def test_200_turns_leave_nothing_behind() -> None:
    async with peer(window=None) as server:
        service = PulseSTTService(base_url=server.url)
        async with calling(service) as call:
            await call.turn(0, 1)
            await call.until(lambda: call.completed == 1)
            tasks = len(asyncio.all_tasks())
            for turn in range(1, 200):
                await call.turn(turn, 1)
                await call.until_completed(turn + 1)
            assert call.text == words(0, 200)
            assert len(asyncio.all_tasks()) <= tasks
            assert server.finalizes == 200
            assert len(server.links) == 1
            assert service.measured_ttfs_p99 is not None
            await call.hang_up()


async def test_the_server_can_decide_the_turns() -> None:
    async with peer(window=0.2) as server:
        service = PulseSTTService(base_url=server.url, turn_detection="server")
        async with calling(service) as call:
            for turn in range(2):
                await call.give(speech(5 * turn, 3, tail=0.6))
                await call.until_came(ProposedUserStoppedSpeakingFrame, turn + 1)
            order = [
                type(f)
                for f in call.frames
                if isinstance(
                    f,
                    ProposedUserStartedSpeakingFrame
                    | ProposedUserStoppedSpeakingFrame
                    | TranscriptionFrame,
                )
            ]
            turn_of = [
                ProposedUserStartedSpeakingFrame,
                TranscriptionFrame,
                ProposedUserStoppedSpeakingFrame,
            ]
            assert order == turn_of * 2
            assert call.finals == [(words(0, 3), True), (words(5, 3), True)]
            assert server.links[0].query["vad_events"] == "true"


async def test_a_turn_of_the_servers_is_closed_when_the_connection_is_lost() -> None:
    async with peer(window=0.2) as server:
        service = PulseSTTService(base_url=server.url, turn_detection="server")
        async with calling(service) as call:
            await call.give(speech(0, 2))
            await call.until(lambda: call.came(ProposedUserStartedSpeakingFrame))
            server.links[0].cut()
            await call.until(lambda: call.came(ProposedUserStoppedSpeakingFrame))
            await call.give(speech(2, 2, tail=0.6))
            await call.until(lambda: call.text == words(0, 4))
            await call.hang_up()
            starts = len(call.came(ProposedUserStartedSpeakingFrame))
            assert len(call.came(ProposedUserStoppedSpeakingFrame)) == starts


async def test_a_turn_of_the_servers_is_closed_when_the_options_change_at_its_end() -> None:
    """The connection with the new options never hears that the speech has ended."""
    async with peer(window=0.6) as server:
        service = PulseSTTService(base_url=server.url, turn_detection="server")
        async with calling(service) as call:
            await call.give(speech(0, 3, tail=0.2))
            delta = PulseSTTService.Settings(keywords="Acme:2")
            await call.put(STTUpdateSettingsFrame(delta=delta))
            await call.give(speech(3, 0, tail=2.0))
            await call.until(lambda: call.came(ProposedUserStoppedSpeakingFrame))
            assert call.text == words(0, 3)


async def test_hanging_up_in_a_turn_of_the_servers_asks_for_nothing_more() -> None:
    """Seen at a latency of 1.2 s: the watch for missing audio asked a stream that had ended."""
    async with peer(window=0.2, latency=1.2) as server:
        service = PulseSTTService(base_url=server.url, turn_detection="server")
        async with calling(service) as call:
            await call.give(speech(0, 4, tail=0.3))
            await call.until(lambda: call.came(ProposedUserStartedSpeakingFrame))
            await call.hang_up()
            assert call.text == words(0, 4)
            assert call.came(ErrorFrame) == []
