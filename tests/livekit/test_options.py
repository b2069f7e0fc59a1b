"""Options that change while somebody speaks."""

from __future__ import annotations

import pytest

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.livekit import STT
from tests.livekit.driving import (
    END,
    FINAL,
    INTERIM,
    Heard,
    check_grammar,
    frames,
    play,
    speech,
    words,
)
from tests.support.peer import peer


async def test_a_change_in_mid_speech_loses_nothing() -> None:
    async with peer() as server, STT(base_url=server.url) as stt:
        stream = stt.stream()
        heard = Heard(stream)
        samples = speech(0, 12)
        await play(stream, frames(samples[: 16_000 * 2]))
        stt.update_options(language="hi", keywords=[("Acme", 2.0)])
        await play(stream, frames(samples[16_000 * 2 :]))
        await server.until(lambda: len(server.links) == 2)
        await heard.until(lambda: len(heard.text) == 12)
        assert heard.text == words(0, 12)
        assert server.links[1].query["language"] == "hi"
        assert server.links[1].query["keywords"] == "Acme:2"
        stream.end_input()
        await heard.ended()
        check_grammar(heard.events)
        await stream.aclose()


async def test_what_is_in_force_already_changes_nothing() -> None:
    async with peer() as server, STT(base_url=server.url, language="en") as stt:
        stream = stt.stream()
        heard = Heard(stream)
        await play(stream, frames(speech(0, 2)))
        stt.update_options(language="en", eou_timeout_ms=None)
        stt.update_options(finalize_on_flush=False)  # the client's own affair
        await play(stream, frames(speech(2, 2)))
        await heard.until(lambda: heard.count(END) == 2)
        assert heard.text == words(0, 4)
        assert server.handshakes == 1
        await stream.aclose()


async def test_a_model_that_does_not_stream_is_refused_while_a_stream_is_live() -> None:
    async with peer() as server, STT(base_url=server.url) as stt:
        stream = stt.stream()
        with pytest.raises(ConfigurationError, match="pulse-pro"):
            stt.update_options(model="pulse-pro")
        assert stt.model == "pulse"
        await stream.aclose()
        stt.update_options(model="pulse-pro")
        assert not stt.capabilities.streaming


async def test_who_flushes_never_changes_under_a_live_stream() -> None:
    async with peer(window=None, vad=False) as server, STT(base_url=server.url) as stt:
        stream = stt.stream()
        heard = Heard(stream)
        stt.update_options(finalize_on_flush=False)
        assert stt.capabilities.manual_flush
        await play(stream, frames(speech(0, 2)))
        stream.flush()
        await heard.until(lambda: heard.count(FINAL) == 1)
        await stream.aclose()
        await stt.stream().aclose()
        assert not stt.capabilities.manual_flush


async def test_a_wrong_option_is_refused_and_changes_nothing() -> None:
    async with peer() as server, STT(base_url=server.url) as stt:
        with pytest.raises(ConfigurationError, match="eou_timeout_ms"):
            stt.update_options(eou_timeout_ms=5)
        stream = stt.stream()
        heard = Heard(stream)
        await play(stream, frames(speech(0, 1)))
        await heard.until(lambda: heard.count(END) == 1)
        assert "eou_timeout_ms" not in server.links[0].query
        await stream.aclose()


async def test_what_one_live_stream_cannot_take_changes_nothing_anywhere() -> None:
    async with peer() as server, STT(base_url=server.url) as stt:
        streams = [stt.stream(), stt.stream(language="de"), stt.stream()]
        heard = [Heard(stream) for stream in streams]
        for stream in streams:
            await play(stream, frames(speech(0, 1)), speed=4.0)
        with pytest.raises(ConfigurationError, match="pulse-2"):
            stt.update_options(model="pulse-2", finalize_on_flush=False)
        assert stt.model == "pulse"
        assert stt.capabilities.manual_flush
        for stream, each in zip(streams, heard, strict=True):
            await play(stream, frames(speech(1, 1)))
            stream.end_input()
            await each.ended()
            assert each.text == words(0, 2)
        assert server.handshakes == 3
        await streams[1].aclose()
        stt.update_options(model="pulse-2")  # it is not asked any more
        assert stt.model == "pulse-2"


async def test_the_sessions_keyterms_wait_for_the_end_of_speech() -> None:
    async with peer() as server, STT(base_url=server.url, keywords=[("Acme", 2.0)]) as stt:
        assert stt.capabilities.keyterms
        stream = stt.stream()
        heard = Heard(stream)
        samples = speech(0, 4)
        await play(stream, frames(samples[:16_000]))
        await heard.until(lambda: heard.count(INTERIM) > 0)
        stt._update_session_keyterms(["Zoë", "acme"])
        assert server.handshakes == 1
        await play(stream, frames(samples[16_000:]))
        await heard.until(lambda: heard.count(END) == 1)
        await server.until(lambda: len(server.links) == 2)
        assert server.links[1].query["keywords"] == "Acme:2,Zoë"
        await play(stream, frames(speech(4, 3)))
        await heard.until(lambda: heard.count(END) == 2)
        assert heard.text == words(0, 7)
        await stream.aclose()


async def test_a_stream_may_have_a_language_of_its_own() -> None:
    async with peer() as server, STT(base_url=server.url, language="en") as stt:
        stream = stt.stream(language="fr")
        heard = Heard(stream)
        await play(stream, frames(speech(0, 1)))
        await heard.until(lambda: heard.count(END) == 1)
        assert server.links[0].query["language"] == "fr"
        assert heard.finals[0].alternatives[0].language == "fr"
        await stream.aclose()


async def test_redaction_that_is_turned_on_holds_the_next_interim_back() -> None:
    async with peer() as server, STT(base_url=server.url) as stt:
        stream = stt.stream()
        heard = Heard(stream)
        samples = speech(0, 6)
        await play(stream, frames(samples[:16_000]))
        await heard.until(lambda: heard.count(INTERIM) > 0)
        stt.update_options(redact_pii=True)
        before = heard.count(INTERIM)
        await play(stream, frames(samples[16_000:]))
        await heard.until(lambda: len(heard.text) == 6)
        assert heard.count(INTERIM) == before
        assert not stt.capabilities.interim_results
        await stream.aclose()


def test_several_servers_have_keys_of_their_own() -> None:
    cloud, own = "wss://api.smallest.ai", "ws://127.0.0.1:1"
    options = STT(base_url=(cloud, own), api_key="c", api_keys={own: "o"})._settings.options
    assert [options.key_for(url) for url in options.urls] == ["c", "o"]


def test_a_derived_session_id_depends_on_the_key_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without a secret in it, the telephone number could be found by trying all of them."""

    def derived() -> str | None:
        return STT(external_session_id="call +15551234567")._settings.options.external_session_id

    monkeypatch.setenv("SMALLEST_API_KEY", "one")
    first = derived()
    monkeypatch.setenv("SMALLEST_API_KEY", "two")
    assert first is not None
    assert first != derived()
