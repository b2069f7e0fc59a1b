"""What users of the framework reported about speech-to-text services, as promises.

Each test names the report in the framework's issue tracker, where there is one.
"""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    EagerEndOfTurnCancelFrame,
    EagerTranscriptionFrame,
    MetricsFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    STTUpdateSettingsFrame,
    TranscriptionFrame,
    UserMuteStartedFrame,
    UserMuteStoppedFrame,
)
from pipecat.metrics.metrics import STTUsageMetricsData
from pipecat.transcriptions.language import Language

from pulse_plugins.pipecat import PulseSTTService, PulseSTTSettings
from tests.pipecat.context_table import hold
from tests.pipecat.conversation import Conversation, Do, end
from tests.pipecat.microphone import said, speak
from tests.pipecat.rig import Handlers, calling
from tests.pipecat.tone_server import Habits, quiet, tone_server
from tests.support.scenarios import GAP, Pause, Say


@pytest.mark.parametrize("start", ["final", "3 final words", "transcription"])
async def test_no_transcript_is_lost_to_the_interruption_that_it_causes(start: str) -> None:
    """pipecat #5683: frames queued behind the one that starts the turn were deleted."""
    conversation = Conversation(
        "two speakers",
        (Say(6), *end(2.0), Say(14), *end()),
        Habits(speakers={number: number // 4 % 2 for number in range(30)}),
        {"diarize": True},
        start=start,
        stop="analyzer",
        bot=8.0,
    )
    assert (await hold(conversation, "ours")).faults == []


@pytest.mark.parametrize("timed", [True, False])
@pytest.mark.parametrize("before", [0.02, 0.3, 1.0])
async def test_words_of_a_muted_greeting_stay_out_of_the_first_turn(
    before: float, timed: bool
) -> None:
    """pipecat #4383: muted words came out glued to the first words after the greeting."""
    conversation = Conversation(
        "muted",
        (Say(4, unheard=True), Pause(1.2), Say(5), *end(), Say(3), *end()),
        Habits(timed=timed),
        mute="first speech",
        greeting=0.5 + 4 * 0.3 - GAP + before,
    )
    assert (await hold(conversation, "ours")).faults == []


@pytest.mark.parametrize("latency", [0.05, 0.6])
async def test_a_segment_that_was_cut_before_a_mute_does_not_come_after_it(latency: float) -> None:
    """The bot speaks for a moment, and mutes a caller who does not stop."""
    conversation = Conversation(
        "muted in mid-speech",
        (
            Say(7, unheard=True),
            Do(BotStartedSpeakingFrame),
            Say(2, unheard=True),
            Do(BotStoppedSpeakingFrame),
            Say(5),
            *end(),
        ),
        Habits(latency=latency, max_words=4),
        mute="always",
    )
    assert (await hold(conversation, "ours")).faults == []


@pytest.mark.parametrize("latency", [0.05, 0.2, 0.6])
async def test_speech_that_begins_muted_and_goes_on_is_answered(latency: float) -> None:
    """pipecat #5425: the swallowed start of a server's turn left the speech without a reply."""
    conversation = Conversation(
        "muted",
        (Say(4, unheard=True), Say(6), *end(), Say(3), *end()),
        Habits(latency=latency),
        server_turns=True,
        mute="first speech",
        greeting=0.5 + 4 * 0.3 + 0.02,
    )
    assert (await hold(conversation, "ours")).faults == []


async def test_a_mute_that_swallows_the_stop_of_a_server_turn_does_not_keep_it_open() -> None:
    async with (
        tone_server(Habits()) as server,
        calling(PulseSTTService(base_url=server.url, turn_detection="server")) as call,
    ):
        await speak(call, said(1, 2))
        await call.put(UserMuteStartedFrame())
        await speak(call, said(3, tail=2.0))
        assert call.came(ProposedUserStoppedSpeakingFrame) == []
        await call.put(UserMuteStoppedFrame())
        await call.until_came(ProposedUserStoppedSpeakingFrame, 1)
        await speak(call, said(4, 5, tail=2.0))
        await call.until_came(ProposedUserStoppedSpeakingFrame, 2)
        assert len(call.came(ProposedUserStartedSpeakingFrame)) == 2
        assert call.text == "w4 w5"


async def test_audio_that_stops_closes_a_server_turn_within_a_second() -> None:
    """pipecat #4124: without audio the server never says that speech ended."""
    async with (
        tone_server(Habits()) as server,
        calling(PulseSTTService(base_url=server.url, turn_detection="server")) as call,
    ):
        await speak(call, said(1, 2, 3))
        stopped = asyncio.get_running_loop().time()
        await call.until_came(ProposedUserStoppedSpeakingFrame, 1)
        assert asyncio.get_running_loop().time() - stopped < 1.0
        assert call.finals == [("w1 w2 w3", True)]
        await asyncio.sleep(5.0)
        await speak(call, said(4, 5, tail=2.0))
        await call.until_came(ProposedUserStoppedSpeakingFrame, 2)
        assert call.finals[1:] == [("w4 w5", True)]
        assert len(call.came(ProposedUserStartedSpeakingFrame)) == 2


async def test_a_short_gap_in_the_audio_leaves_a_server_turn_open() -> None:
    async with (
        tone_server(Habits()) as server,
        calling(PulseSTTService(base_url=server.url, turn_detection="server")) as call,
    ):
        await speak(call, said(1, 2, 3))
        await asyncio.sleep(0.4)
        await speak(call, said(4, 5, tail=2.0))
        await call.until_came(ProposedUserStoppedSpeakingFrame, 1)
        assert call.finals == [("w1 w2 w3 w4 w5", True)]


async def test_words_are_labelled_with_the_language_of_the_connection_that_heard_them() -> None:
    async with tone_server(Habits()) as server:
        service = PulseSTTService(base_url=server.url, settings=PulseSTTSettings(language="en"))
        async with calling(service) as call:
            await call.start_speaking()
            await speak(call, said(1, 2, 3))
            await call.put(STTUpdateSettingsFrame(delta=PulseSTTSettings(language="hi")))
            await speak(call, said(4, 5, 6, 7, 8, tail=1.0))
            await call.stop_speaking()
            await call.until_completed(1)
            heard = {
                word: each.query["language"] for each in server.connections for word in each.said
            }
            for frame in call.came(TranscriptionFrame):
                for word in frame.text.split():
                    assert frame.language == Language(heard[word]), word
            assert call.text == "w1 w2 w3 w4 w5 w6 w7 w8"


async def test_a_pause_shorter_than_the_delay_of_the_finalize_does_not_cut_a_number() -> None:
    """pipecat #5483: a finalize at each pause cut dictated numbers in two."""
    async with tone_server(Habits(window=5.0)) as server:
        service = PulseSTTService(base_url=server.url, finalize_delay=0.5)
        async with calling(service) as call:
            for numbers in ((1, 2), (3, 4)):
                await call.start_speaking()
                await speak(call, said(*numbers, tail=0.2))
                await call.stop_speaking()
                await speak(call, quiet(0.3))
            assert server.finalizes == 0
            await speak(call, quiet(1.0))
            await call.until_completed(1)
            assert call.finals == [("w1 w2 w3 w4", True)]


async def test_without_finalize_the_servers_endpointing_ends_the_utterance() -> None:
    async with tone_server(Habits()) as server:
        service = PulseSTTService(base_url=server.url, finalize_delay=None)
        async with calling(service) as call:
            await call.start_speaking()
            await speak(call, said(1, 2, tail=0.2))
            await call.stop_speaking()
            await speak(call, quiet(2.0))
            assert server.finalizes == 0
            assert call.finals == [("w1 w2", False)]


async def test_the_application_can_finalize_by_itself() -> None:
    async with tone_server(Habits(window=9.0)) as server:
        service = PulseSTTService(base_url=server.url)
        async with calling(service) as call:
            await speak(call, said(1, 2))
            await service.finalize()
            await call.until_completed(1)
            assert call.finals == [("w1 w2", True)]


async def test_turn_and_speech_events_reach_their_handlers() -> None:
    async with tone_server(Habits()) as server:
        service = PulseSTTService(base_url=server.url, vad_events=True)
        names = ("on_turn_started", "on_end_of_turn", "on_speech_started", "on_speech_ended")
        handlers = Handlers(service, names)
        async with calling(service) as call:
            await call.start_speaking()
            await speak(call, said(1, 2, tail=0.2))
            await call.stop_speaking()
            await speak(call, quiet(2.0))
            for name in names:
                await handlers.until(name)
            told = dict(handlers.calls)
            assert told["on_turn_started"] == ("w1",)
            assert told["on_end_of_turn"] == ("w1 w2",)
            assert told["on_speech_ended"][0] == pytest.approx(0.54, abs=0.15)


async def test_words_of_low_confidence_are_dropped_where_that_is_asked_for() -> None:
    async with tone_server(Habits(confidence=0.4)) as server:
        service = PulseSTTService(base_url=server.url, min_confidence=0.5)
        async with calling(service) as call:
            await call.start_speaking()
            await speak(call, said(1, 2, tail=0.2))
            await call.stop_speaking()
            await speak(call, quiet(1.0))
            await call.hang_up()
            assert call.finals == []


async def test_a_transcript_says_when_its_speech_began_and_ended() -> None:
    async with (
        tone_server(Habits(confidence=0.9)) as server,
        calling(PulseSTTService(base_url=server.url)) as call,
    ):
        began = time.time()
        await call.start_speaking()
        await speak(call, np.concatenate((quiet(1.0), said(1, 2, tail=0.2))))
        await call.stop_speaking()
        await call.until_completed(1)
        (frame,) = call.came(TranscriptionFrame)
        assert frame.metadata["speech_start"] - began == pytest.approx(1.0, abs=0.1)
        assert frame.metadata["speech_end"] - began == pytest.approx(1.54, abs=0.1)
        assert frame.metadata["confidence"] == pytest.approx(0.9)


async def test_usage_counts_each_second_of_speech_once_and_replays_apart() -> None:
    async with tone_server(Habits(drop_at=1.0)) as server:
        service = PulseSTTService(base_url=server.url)
        async with calling(service) as call:
            await call.start_speaking()
            await speak(call, said(1, 2, 3, 4, 5, tail=0.2))
            await call.stop_speaking()
            await call.until_completed(1)
            usage = service.usage
            await call.hang_up()
            data = [d for frame in call.came(MetricsFrame) for d in frame.data]
            reported = [d.value.audio_seconds for d in data if isinstance(d, STTUsageMetricsData)]
            assert sum(reported) == pytest.approx(1.7, abs=0.05)
            assert usage.speech == pytest.approx(1.7, abs=0.05)
            assert 0.5 < usage.replayed < 1.2
            assert usage.silence == 0.0


async def test_interims_can_be_switched_off() -> None:
    async with tone_server(Habits()) as server:
        service = PulseSTTService(base_url=server.url, interim_results=False)
        async with calling(service) as call:
            await call.start_speaking()
            await speak(call, said(1, 2, tail=0.2))
            await call.stop_speaking()
            await call.until_completed(1)
            assert call.interims == []


async def test_a_predicted_end_comes_before_the_turn_is_over_and_agrees_with_it() -> None:
    async with tone_server(Habits(latency=0.3)) as server:
        service = PulseSTTService(
            base_url=server.url, turn_detection="server", enable_eager_end_of_turn=True
        )
        async with calling(service) as call:
            for turn in range(4):
                await speak(call, said(5 * turn + 1, 5 * turn + 2, 5 * turn + 3, tail=2.5))
                await call.until_came(ProposedUserStoppedSpeakingFrame, turn + 1)
            eager = [frame.text for frame in call.came(EagerTranscriptionFrame)]
            final = [text for text, _ in call.finals]
            assert eager == final
            kinds = [
                type(frame)
                for frame in call.frames
                if isinstance(frame, (EagerTranscriptionFrame, TranscriptionFrame))
            ]
            assert kinds == [EagerTranscriptionFrame, TranscriptionFrame] * 4


async def test_a_prediction_is_withdrawn_when_the_caller_goes_on() -> None:
    async with tone_server(Habits(window=2.0)) as server:
        service = PulseSTTService(
            base_url=server.url, turn_detection="server", enable_eager_end_of_turn=True
        )
        handlers = Handlers(service, ("on_eager_end_of_turn", "on_turn_resumed"))
        async with calling(service) as call:
            await speak(call, said(1, 2, 3, tail=3.0))
            await call.until_came(ProposedUserStoppedSpeakingFrame, 1)
            await speak(call, said(4, 5, tail=1.2))
            await call.until_came(EagerTranscriptionFrame, 1)
            await speak(call, said(6, 7, tail=4.0))
            await call.until_came(EagerEndOfTurnCancelFrame, 1)
            await call.until_came(ProposedUserStoppedSpeakingFrame, 2)
            assert call.finals[1] == ("w4 w5 w6 w7", True)
            await handlers.until("on_turn_resumed")
