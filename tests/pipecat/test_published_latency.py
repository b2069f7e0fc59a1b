"""The latency that is published while an outage delays the words."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from pipecat.frames.frames import STTMetadataFrame

from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.config.retry import RetryPolicy
from pulse_plugins.pipecat import PulseSTTService
from tests.pipecat.rig import EVENTS, Call, Handlers, calling, words
from tests.support.peer import peer


def latencies(call: Call) -> list[float]:
    """The published ones."""
    return [frame.ttfs_p99_latency for frame in call.came(STTMetadataFrame)]


@pytest.mark.parametrize(
    ("given", "published"), [(1.0, [1.0, 5.0, 1.0]), (8.0, [8.0, 8.0, 8.0]), (0.0, [0.0, 0.0, 0.0])]
)
async def test_the_published_latency_is_longer_while_an_outage_delays_the_words(
    given: float, published: list[float]
) -> None:
    async with peer() as server:
        service = PulseSTTService(base_url=server.url, ttfs_p99_latency=given)
        async with calling(service) as call:
            await call.turn(0, 2)
            await call.until_completed(1)
            server.habits.refusals = [503] * 2
            server.links[0].cut()
            await call.turn(2, 2)
            await call.until_completed(2)
            assert latencies(call) == published  # before the transcript, with which it is read


@pytest.mark.parametrize(
    ("waited", "published"),
    [(0.0, [1.0, 5.0]), (3.0, [1.0, 5.0, 1.0])],
    ids=["soon after the outage", "when any server has read what the outage held"],
)
async def test_a_late_final_leaves_the_published_latency_long_for_a_bounded_time(
    waited: float, published: list[float]
) -> None:
    async with peer(window=None) as server:
        settings = PulseSTTService.Settings(finalize_delay=None)
        service = PulseSTTService(base_url=server.url, ttfs_p99_latency=1.0, settings=settings)
        handlers = Handlers(service, ["on_recovered"])
        async with calling(service) as call:
            await call.say(0, 2)
            await server.until(lambda: bool(server.links) and len(server.links[0].words) == 2)
            server.links[0].cut()
            await handlers.until("on_recovered")
            await call.give(np.zeros(2 * 16_000, np.int16))
            await server.until(lambda: server.links[1].seconds > 2.0)
            await asyncio.sleep(waited)  # of virtual time
            await server.links[1].end_segment()
            await call.until_text(words(0, 2))
            assert latencies(call) == published
            await call.say(2, 2)
            await server.until(lambda: len(server.links[1].words) == 4)
            await server.links[1].end_segment()
            await call.until_text(words(0, 4))
            assert latencies(call) == [1.0, 5.0, 1.0]


async def test_a_participant_who_stays_silent_after_an_outage_does_not_keep_the_latency_long() -> (
    None
):
    async with peer(window=None) as server:
        service = PulseSTTService(
            base_url=server.url, ttfs_p99_latency=1.0, participants="separate"
        )
        handlers = Handlers(service, ["on_recovered"])
        async with calling(service) as call:
            for number, user in enumerate(("anna", "ben")):
                await call.start_speaking()
                await call.say(2 * number, 2, user=user)
                await call.stop_speaking()
                await call.until_completed(number + 1)
            server.habits.refusals = [503] * 6
            for link in tuple(server.links):
                link.cut()
            await handlers.until("on_recovered", 2)
            await asyncio.sleep(3.0)  # of virtual time, in which all that was held is read
            await call.start_speaking()
            await call.say(4, 2, user="anna")
            await call.stop_speaking()
            await call.until_completed(3)
            await call.until_came(STTMetadataFrame, 3)
            assert latencies(call) == [1.0, 5.0, 1.0]


async def test_the_published_latency_is_normal_again_when_a_stream_has_failed() -> None:
    async with peer() as server:
        options = PulseOptions(base_url=server.url, retry=RetryPolicy(max_attempts=2))
        service = PulseSTTService(options=options, ttfs_p99_latency=1.0)
        async with calling(service) as call:
            await call.turn(0, 2)
            await call.until_completed(1)
            server.habits.refusals = [503] * 9
            server.links[0].cut()
            await call.turn(2, 2)
            await call.until(lambda: not service.is_usable)
            await call.until_came(STTMetadataFrame, 3)
            assert latencies(call) == [1.0, 5.0, 1.0]


async def test_the_published_latency_is_normal_again_after_a_cancelled_call() -> None:
    async with peer() as server:
        service = PulseSTTService(base_url=server.url, ttfs_p99_latency=1.0)
        async with calling(service) as call:
            await call.turn(0, 2)
            await call.until_completed(1)
            server.habits.refusals = [503] * 99
            server.links[0].cut()
            await call.say(2, 2)
            await call.until_came(STTMetadataFrame, 2)
        assert service.service_metadata_frame().ttfs_p99_latency == 1.0


async def test_turns_of_the_server_have_no_latency_to_publish() -> None:
    async with peer() as server:
        service = PulseSTTService(base_url=server.url, turn_detection="server")
        handlers = Handlers(service, EVENTS)
        async with calling(service) as call:
            await call.say(0, 2)
            await call.until(lambda: server.links)
            server.links[0].cut()
            await call.say(2, 2)
            await handlers.until("on_recovered")
            await call.hang_up()
            assert latencies(call) == [0.0]
