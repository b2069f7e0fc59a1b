"""Settings and muting during a call, in real pipelines against a real server."""

from __future__ import annotations

from pipecat.frames.frames import (
    STTMuteFrame,
)
from pipecat.utils.errors import ErrorCategory

from pulse_plugins.pipecat import PulseSTTService
from tests.pipecat.rig import calling, speech, update, words
from tests.support.peer import peer


async def test_settings_changed_in_mid_word_cost_no_word() -> None:
    async with (
        peer(window=None) as server,
        calling(PulseSTTService(base_url=server.url)) as call,
    ):
        samples = speech(0, 6)
        cut = 16_000 + 1234
        await call.start_speaking()
        await call.give(samples[:cut])
        await server.until(lambda: bool(server.links) and server.links[0].seconds > 0.8)
        await call.put(update(language="hi", keywords="Acme:2"))
        await call.give(samples[cut:])
        await server.until(lambda: len(server.links) == 2)
        await call.stop_speaking()
        await call.until(lambda: call.completed)
        assert call.text == words(0, 6)
        assert server.links[1].query["language"] == "hi"
        assert server.links[1].query["keywords"] == "Acme:2"


async def test_what_needs_no_connection_makes_none() -> None:
    async with peer(window=None) as server:
        service = PulseSTTService(base_url=server.url)
        async with calling(service) as call:
            for settings in (
                {"language": "en"},
                {"language": "en-GB"},
                {"speaker_format": "{speaker}: {text}"},
                {"interim_redaction": "pass"},
                {},
            ):
                await call.put(update(**settings))
            await call.turn(0, 2)
            await call.hang_up()
            assert call.text == words(0, 2)
            assert len(server.links) == 1
            assert service.settings.given_fields()["interim_redaction"] == "pass"


async def test_a_bad_delta_changes_nothing_and_is_told_once() -> None:
    async with peer(window=None) as server:
        service = PulseSTTService(base_url=server.url)
        before = service.settings.given_fields()
        async with calling(service) as call:
            await call.put(update(language="de", eou_timeout_ms=0))
            await call.until_error()
            await call.turn(0, 2)
            await call.hang_up()
            assert call.finals == [(words(0, 2), True)]
            assert [e.category for e in call.errors] == [ErrorCategory.APPLICATION]
            assert service.settings.given_fields() == before
            assert service.is_usable
            assert len(server.links) == 1


async def test_settings_that_the_service_refuses_are_taken_back() -> None:
    async with peer(window=None) as server:
        service = PulseSTTService(base_url=server.url)
        async with calling(service) as call:
            await server.until(lambda: bool(server.links))
            server.habits.refusals = [400]
            await call.put(update(max_words=7))
            await call.until_error()
            await call.turn(0, 2)
            await call.until(lambda: call.completed)
            assert call.text == words(0, 2)
            assert service.settings.given_fields()["max_words"] is None
            assert service.is_usable


async def test_while_muted_nothing_is_heard_and_afterwards_everything_is() -> None:
    async with (
        peer(window=None) as server,
        calling(PulseSTTService(base_url=server.url)) as call,
    ):
        await call.say(0, 2)
        await call.put(STTMuteFrame(mute=True))
        await call.until(lambda: call.finals)  # what was said before does not wait
        await call.say(2, 2)
        await call.put(STTMuteFrame(mute=False))
        await call.turn(4, 2)
        await call.until(lambda: call.completed)
        assert call.text == f"{words(0, 2)} {words(4, 2)}"


async def test_muting_does_not_strand_a_turn_of_the_servers() -> None:
    async with peer(window=0.5) as server:
        service = PulseSTTService(base_url=server.url, turn_detection="server")
        async with calling(service) as call:
            await call.say(0, 2)
            await call.until(lambda: call.interims)
            await call.put(STTMuteFrame(mute=True))
            await call.until(lambda: call.completed)
            assert call.finals == [(words(0, 2), True)]
