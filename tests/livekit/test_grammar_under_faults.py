"""Whatever the network does, START and END pair up and every word comes once, in order."""

from __future__ import annotations

import pytest
from livekit.agents import APIConnectOptions

from pulse_plugins.livekit import STT
from tests.livekit.driving import FINAL, Heard, check_grammar, frames, play, speech, words
from tests.support.havoc import Havoc
from tests.support.peer import peer


@pytest.mark.parametrize("vad", [True, False])
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_random_faults(vad: bool, seed: int) -> None:
    async with peer(vad=vad, flag=seed % 2 == 0) as server, STT(base_url=server.url) as stt:
        havoc = Havoc(server, seed)
        server.fault = havoc
        # So much havoc may come before the first word that the usual 4 tries are not enough.
        stream = stt.stream(conn_options=APIConnectOptions(max_retry=50, retry_interval=0.1))
        heard = Heard(stream)
        flushes = 0
        for first in range(0, 20, 5):
            await play(stream, frames(speech(first, 5)), speed=4.0)
            if first % 10 == 0:
                stream.flush()
                flushes += 1
        server.fault = lambda link, what: False
        stream.end_input()
        await heard.ended()
        assert havoc.done
        assert heard.text == words(0, 20), havoc.done
        check_grammar(heard.events)
        assert heard.count(FINAL) >= min(1, flushes)  # one FINAL answers all open flushes
        await stream.aclose()
