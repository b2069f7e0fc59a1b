"""Two servers, the first killed in the middle of a word: the second hears every word."""

from __future__ import annotations

import asyncio
import json

import pytest

from pulse_plugins.core.client.stream import PulseStream
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.local import PulseServer, ServerOptions
from pulse_plugins.local.recognizers import scripted
from tests.cli.rig import program
from tests.support.listening import Listener
from tests.support.privacy import Watch

RATE = 16_000
PIECE = 0.02  # seconds
COUNT = 12
SERVE = ("serve", "--port", "0", "--json", "--recognizer", "scripted")


def options(*urls: str) -> PulseOptions:
    return PulseOptions(base_url=urls, format=False)


def lines(logs: Watch, word: str) -> list[str]:
    """What an operator sees: the lines above debug that hold this word."""
    loud = [record for record in logs.records if record.levelname in ("WARNING", "INFO", "ERROR")]
    ours = [record.getMessage() for record in loud if record.name.startswith("pulse_plugins.")]
    return [line for line in ours if word in line]


@pytest.mark.process
async def test_the_first_server_dies_in_mid_word_and_nothing_is_lost(private_logs: Watch) -> None:
    samples = scripted.speak(range(COUNT), RATE, tail_seconds=0.5)
    whole, piece = samples.tobytes(), int(PIECE * RATE) * 2
    cut = int((5 * scripted.WORD_SECONDS + 0.1) * RATE) * 2  # in the middle of the sixth word
    cut -= cut % piece
    async with program(*SERVE) as first, PulseServer("scripted") as second:
        first_url = json.loads(await first.line())["url"]
        async with PulseStream(options(first_url, second.url), name="call-1") as stream:
            listener = Listener(stream)
            for at in range(0, cut, piece):
                stream.push(whole[at : at + piece])
                await asyncio.sleep(PIECE / 4)  # the pace of a caller, only faster
            await listener.interim_with(scripted.spell(3))
            first.kill()
            for at in range(cut, len(whole), piece):
                stream.push(whole[at : at + piece])
                await asyncio.sleep(PIECE / 4)
            await listener.connected(2)
            stream.end()
            await listener.ended()
        assert listener.words == [scripted.spell(number) for number in range(COUNT)]
        assert [each.url for each in listener.connections] == [first_url, second.url]
        assert [each.failed_over for each in listener.connections] == [False, True]
        assert stream.metrics.failovers == 1
        assert stream.metrics.lost_seconds == 0.0
        (line,) = lines(private_logs, "failed_over")
        assert "call-1" in line
        assert second.url in line

        # The next call knows already: it does not find out again that the first is gone.
        async with PulseStream(options(first_url, second.url)) as stream:
            listener = Listener(stream)
            await listener.connected()
            stream.end()
            await listener.ended()
        (only,) = listener.connections
        assert (only.url, only.attempt, only.failed_over) == (second.url, 1, False)
        assert stream.metrics.retries == {}


async def test_a_language_of_another_region_is_heard_there() -> None:
    american, indian = (
        ServerOptions(recognizer=scripted.ScriptedRecognizer(languages=["ta"]), region=region)
        for region in ("us", "india")
    )
    async with PulseServer(american) as first, PulseServer(indian) as second:
        wanted = options(first.url, second.url).changed(language="ta")
        async with PulseStream(wanted) as stream:
            listener = Listener(stream)
            stream.push(scripted.speak(range(3), RATE).tobytes())
            await listener.finalized(stream.request_finalize())
        await listener.ended()
        assert listener.words == [scripted.spell(number) for number in range(3)]
        assert stream.metrics.retries == {"region": 1}
        assert [len(each.connections) for each in (first, second)] == [1, 1]
