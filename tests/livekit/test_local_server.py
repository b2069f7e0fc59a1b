"""Against the package's own server, which is written apart from the client: dialects and faults."""

from __future__ import annotations

import pytest

from pulse_plugins.livekit import STT
from pulse_plugins.local.recognizers.scripted import ScriptedRecognizer
from pulse_plugins.local.server import PulseServer
from pulse_plugins.local.settings import ServerOptions
from tests.livekit.driving import END, FINAL, Heard, check_grammar, frames, play, speech, words


def server(*faults: str) -> PulseServer:
    return PulseServer(ServerOptions(recognizer=ScriptedRecognizer()), faults=faults)


async def listen(stt: STT, *, flush: bool = True) -> Heard:
    """Two utterances of five words; after each the framework may flush."""
    stream = stt.stream()
    heard = Heard(stream)
    for first in (0, 5):
        await play(stream, frames(speech(first, 5, 24_000), 24_000), speed=1.5)
        if flush:
            stream.flush()
    stream.end_input()
    await heard.ended()
    await stream.aclose()
    check_grammar(heard.events)
    return heard


def spoken(heard: Heard) -> list[str]:
    """What was heard, without the punctuation and capitals that the server adds."""
    return [word.strip(".,?!").lower() for word in heard.text]


@pytest.mark.parametrize("dialect", ["pulse", "live", "legacy", "direct"])
async def test_every_dialect(dialect: str) -> None:
    async with server() as local, STT(base_url=local.url, dialect=dialect) as stt:  # type: ignore[arg-type]
        heard = await listen(stt)
        assert spoken(heard) == words(0, 10)
        assert heard.count(END) >= 2
        assert heard.count(FINAL) >= 2


@pytest.mark.parametrize(
    "fault",
    [
        "drop@audio=1.2",
        "drop@finalize=1",
        "drop@closing=1",
        "close=1011@word=3",
        "refuse=503@connection=1",
        "garbage@word=2",
        "error=1011@audio=1.5",
        "late_final=1@finalize=1",
    ],
)
async def test_faults_cost_no_word(fault: str) -> None:
    async with server(fault) as local, STT(base_url=local.url) as stt:
        heard = await listen(stt)
        assert spoken(heard) == words(0, 10)
        assert local.connections[0].faults


async def test_a_lost_server_costs_no_word_where_there_is_another() -> None:
    async with (
        server("drop@audio=1.2") as first,
        server() as second,
        STT(base_url=(first.url, second.url)) as stt,
    ):
        heard = await listen(stt)
        assert spoken(heard) == words(0, 10)
        assert [len(each.connections) for each in (first, second)] == [1, 1]


async def test_the_servers_endpointing_alone_ends_turns() -> None:
    async with server() as local, STT(base_url=local.url) as stt:
        heard = await listen(stt, flush=False)
        assert spoken(heard) == words(0, 10)
        assert heard.count(END) == 2
