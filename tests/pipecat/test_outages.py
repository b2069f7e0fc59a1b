"""Dead hosts, drops and refusals, in real pipelines against a real server."""

from __future__ import annotations

import asyncio
import socket

import numpy as np
import pytest
from pipecat.frames.frames import STTMetadataFrame
from pipecat.utils.errors import ErrorCategory

from pulse_plugins.core.base.events import AudioLost, Final, Interim, Recovered
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.config.retry import RetryPolicy
from pulse_plugins.core.config.timing import Limits, Timeouts
from pulse_plugins.local import PulseServer
from pulse_plugins.pipecat import PulseSTTService
from pulse_plugins.pipecat.emitter import Emitter
from tests.pipecat.rig import EVENTS, Call, Handlers, calling, speech, update, words
from tests.support.peer import Link as PeerLink
from tests.support.peer import peer


def latencies(call: Call) -> list[float]:
    """The published ones."""
    return [frame.ttfs_p99_latency for frame in call.came(STTMetadataFrame)]


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_a_dead_host_holds_up_neither_the_start_nor_the_end() -> None:
    options = PulseOptions(base_url=f"ws://127.0.0.1:{unused_port()}", timeouts=Timeouts(close=0.2))
    service = PulseSTTService(options=options)
    handlers = Handlers(service, EVENTS)
    async with calling(service) as call:
        await call.turn(0, 2)
        await handlers.until("on_connection_error")
        await call.until_error()
        await call.hang_up()
        assert [e.category for e in call.errors] == [ErrorCategory.CONNECTIVITY]
        assert service.is_usable
        assert handlers.count("on_connected") == handlers.count("on_disconnected") == 0


async def test_an_unexpected_exception_at_an_event_is_reported_and_the_next_turn_is_heard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    take = Emitter.take
    broken = [True]

    async def once_broken(self: Emitter, event: Interim | Final) -> None:
        if isinstance(event, Final) and event.text and broken:
            broken.clear()
            raise ZeroDivisionError(event.text)
        await take(self, event)

    monkeypatch.setattr(Emitter, "take", once_broken)
    async with PulseServer("scripted") as server:
        service = PulseSTTService(options=PulseOptions(base_url=server.url, format=False))
        async with calling(service) as call:
            await call.turn(0, 2)
            await call.until_error()
            assert "ZeroDivisionError" in call.errors[0].error
            assert words(0, 1) not in call.errors[0].error  # the exception's text may be words
            await call.turn(4, 2)
            await call.until(lambda: words(4, 2) in call.text)


async def test_unexpected_exceptions_without_a_final_between_them_make_the_service_unusable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Emitter, "take", broken)
    async with PulseServer("scripted") as server:
        service = PulseSTTService(options=PulseOptions(base_url=server.url, format=False))
        async with calling(service) as call:
            for number in range(1, 3):
                assert service.is_usable
                await call.turn(0, 2)
                await call.until_error(number)
            assert not service.is_usable


async def test_a_stream_that_fails_while_the_call_ends_leaves_a_service_for_the_next_call() -> None:
    async with peer(refusals=[429] * 99) as server:
        retry = RetryPolicy(max_attempts=2, base=2.0, cap=2.0)
        service = PulseSTTService(options=PulseOptions(base_url=server.url, retry=retry))
        handlers = Handlers(service, EVENTS)
        async with calling(service) as call:
            await call.turn(0, 2)
            await call.until_error()
            await call.hang_up()  # the second try, in a second or two, is the last
            assert server.handshakes == 2
            assert [e.category for e in call.errors] == [ErrorCategory.RATE_LIMIT]
            assert handlers.count("on_connection_error") == 1
            assert service.is_usable


async def test_the_first_words_wait_for_the_connection() -> None:
    async with peer(window=None, refusals=[503, 503]) as server:
        service = PulseSTTService(base_url=server.url)
        handlers = Handlers(service, EVENTS)
        async with calling(service) as call:
            await call.turn(0, 4)
            await call.until(lambda: call.completed)
            assert call.text == words(0, 4)
            assert len(call.errors) == handlers.count("on_connection_error") == 1
            assert server.handshakes == 3


async def test_a_drop_in_mid_speech_costs_no_word_and_is_told_once() -> None:
    async with peer(window=None) as server:
        service = PulseSTTService(base_url=server.url)
        handlers = Handlers(service, EVENTS)
        async with calling(service) as call:
            await call.start_speaking()
            await call.give(speech(0, 4, tail=0.0)[:-1000])
            await server.until(lambda: bool(server.links) and server.links[0].seconds > 0.5)
            server.links[0].cut()
            await server.until(lambda: len(server.links) == 2)
            await call.give(speech(0, 4, tail=0.0)[-1000:])
            await call.say(4, 2)
            await call.stop_speaking()
            await call.until(lambda: call.completed)
            assert call.text == words(0, 6)
            await handlers.until("on_recovered")
            await call.hang_up()
            (recovered,) = [args[0] for name, args in handlers.calls if name == "on_recovered"]
            assert isinstance(recovered, Recovered)
            assert recovered.replayed > 0
            await handlers.until("on_disconnected", 2)
            told = [name for name, _ in handlers.calls if name != "on_recovered"]
            assert told == [
                "on_connected",
                "on_disconnected",
                "on_connection_error",
                "on_connected",
                "on_disconnected",
            ]
            assert [e.category for e in call.errors] == [ErrorCategory.CONNECTIVITY]
            assert service.is_usable


async def test_a_server_that_accepts_and_hangs_up_is_told_once_until_words_came_back() -> None:
    async with peer(window=None) as server:
        service = PulseSTTService(base_url=server.url)
        handlers = Handlers(service, EVENTS)

        def hang_up(link: PeerLink, _: str) -> bool:
            link.cut()
            return True

        async with calling(service) as call:
            for incident in (1, 2):
                server.fault = hang_up
                before = handlers.count("on_connected")
                await call.turn(4 * incident, 2)
                await handlers.until("on_connected", before + 3)
                server.fault = lambda link, what: False
                await call.until_completed(incident)
                assert handlers.count("on_connection_error") == incident
            await call.hang_up()
            assert call.text == f"{words(4, 2)} {words(8, 2)}"
            assert [e.category for e in call.errors] == [ErrorCategory.CONNECTIVITY] * 2


async def test_interims_alone_do_not_end_the_trouble() -> None:
    async with peer(window=None) as server:
        service = PulseSTTService(base_url=server.url)
        handlers = Handlers(service, (*EVENTS, "on_turn_started"))

        tasks: list[asyncio.Task[None]] = []

        async def leave(link: PeerLink) -> None:
            await link.say(transcript="hello", is_final=False)
            await asyncio.sleep(0.05)  # of virtual time, in which the interim arrives
            link.cut()

        def say_a_word_and_hang_up(link: PeerLink, _: str) -> bool:
            tasks.append(asyncio.create_task(leave(link)))
            return True

        async with calling(service) as call:
            server.fault = say_a_word_and_hang_up
            await call.turn(4, 2)
            await handlers.until("on_connected", 4)
            server.fault = lambda link, what: False
            await call.until_completed(1)
            assert handlers.count("on_connection_error") == 1
            assert handlers.count("on_turn_started") >= 1
            await call.hang_up()
            assert words(4, 2) in call.text


async def test_words_before_and_after_an_outage_are_one_transcript() -> None:
    async with peer(window=None, max_words=2) as server:
        service = PulseSTTService(base_url=server.url)
        async with calling(service) as call:
            await call.start_speaking()
            await call.say(0, 2)
            await server.until(lambda: bool(server.links and len(server.links[0].words) == 2))
            server.habits.refusals = [503] * 4
            server.links[0].cut()
            await call.until_error()
            await call.say(2, 3)
            await call.stop_speaking()
            await call.until(lambda: call.finals)
            assert call.finals == [(words(0, 5), True)]


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


async def test_audio_that_no_server_will_hear_is_told() -> None:
    options = PulseOptions(
        base_url=f"ws://127.0.0.1:{unused_port()}",
        limits=Limits(replay_seconds=1.0),
        timeouts=Timeouts(close=0.2),
    )
    service = PulseSTTService(options=options)
    handlers = Handlers(service, EVENTS)
    async with calling(service) as call:
        await call.say(0, 10)
        await call.hang_up()
        await handlers.until("on_audio_lost")
        lost = [args[0] for name, args in handlers.calls if name == "on_audio_lost"]
        assert all(isinstance(event, AudioLost) for event in lost)
        assert sum(e.duration for e in lost if isinstance(e, AudioLost)) >= 1.9


@pytest.mark.parametrize(
    ("status", "category"),
    [
        (401, ErrorCategory.AUTHENTICATION),
        (402, ErrorCategory.QUOTA),
        (403, ErrorCategory.AUTHORIZATION),
        (400, ErrorCategory.INVALID_REQUEST),
    ],
)
async def test_what_cannot_get_better_makes_the_service_unusable_after_one_handshake(
    status: int, category: ErrorCategory, api_key: str
) -> None:
    async with peer(refusals=[status] * 9) as server:
        service = PulseSTTService(base_url=server.url, api_key=api_key)
        handlers = Handlers(service, EVENTS)
        async with calling(service) as call:
            await call.until_error()
            await call.turn(0, 2)
            await call.hang_up()
            assert [e.category for e in call.errors] == [category]
            assert not service.is_usable
            assert handlers.count("on_usable_changed") == 1
            assert server.handshakes == 1
            assert api_key not in repr(call.errors)


async def test_new_settings_revive_a_service() -> None:
    async with peer(window=None, refusals=[400]) as server:
        service = PulseSTTService(base_url=server.url)
        async with calling(service) as call:
            await call.until_error()
            assert not service.is_usable
            await call.put(update(eou_timeout_ms=500))
            await server.until(lambda: bool(server.links))
            await call.turn(0, 2)
            await call.until(lambda: call.completed)
            assert service.is_usable
            assert server.links[0].query["eou_timeout_ms"] == "500"


async def test_trouble_after_a_revival_is_an_incident_of_its_own() -> None:
    async with peer(refusals=[503] * 99) as server:
        service = PulseSTTService(
            options=PulseOptions(base_url=server.url, retry=RetryPolicy(base=0.01, max_attempts=2))
        )
        handlers = Handlers(service, EVENTS)
        async with calling(service) as call:
            for incident, settings in enumerate(({}, {"max_words": 7}), start=1):
                await call.put(update(**settings))
                await handlers.until("on_connection_error", incident)
                await call.until_error(2 * incident)
                assert not service.is_usable
            await call.hang_up()
            assert handlers.count("on_connection_error") == 2
