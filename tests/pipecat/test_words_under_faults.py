"""Whatever the network does, and wherever turns end, every word comes once, in order."""

from __future__ import annotations

import asyncio
import random

import pytest

from pulse_plugins.pipecat import PulseSTTService
from tests.pipecat.rig import Call, calling, speech, words
from tests.support.havoc import Havoc
from tests.support.peer import peer

_SPEED = 4.0  # times real time
_FRAMES = 5  # given at once


async def _say(call: Call, first: int, count: int, stop_at: float) -> None:
    """Words, with the VAD's end of speech at this share of them."""
    samples = speech(first, count)
    step = _FRAMES * call.rate // 50
    await call.start_speaking()
    stop = round(stop_at * len(samples) / step) * step
    for start in range(0, len(samples), step):
        if start == stop:
            await call.stop_speaking()
        await call.give(samples[start : start + step])
        await asyncio.sleep(step / call.rate / _SPEED)
    if stop >= len(samples):
        await call.stop_speaking()


@pytest.mark.parametrize("vad", [True, False])
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_random_faults(vad: bool, seed: int) -> None:
    chance = random.Random(seed)
    async with peer(vad=vad, flag=seed % 2 == 0) as server:
        havoc = Havoc(server, seed)
        server.fault = havoc
        stt = PulseSTTService(base_url=server.url)
        async with calling(stt) as call:
            for first in range(0, 20, 5):
                await _say(call, first, 5, chance.choice([chance.random(), 1.0]))
            server.fault = lambda link, what: False
            await call.hang_up()
            assert havoc.done
            assert call.text == words(0, 20), havoc.done
            assert not any(error.fatal for error in call.errors)
