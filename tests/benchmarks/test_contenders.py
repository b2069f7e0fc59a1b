"""Each contender of the benchmarks hears what was said, or nothing where it only consumes."""

from __future__ import annotations

import pytest

from pulse_plugins.local import PulseServer, ServerOptions, speak, spell
from tests.benchmarks.contenders import CONTENDERS


@pytest.mark.parametrize("name", CONTENDERS)
async def test_hears_what_was_said(name: str) -> None:
    options = ServerOptions(recognizer="scripted")
    async with PulseServer(options) as server, CONTENDERS[name](server.url) as contender:
        audio = speak(range(4), tail_seconds=1.0).tobytes()
        await contender.start_of_speech()
        for start in range(0, len(audio), 640):
            await contender.push(audio[start : start + 640])
        await contender.end_of_speech()
        await server.wait_for(
            lambda s: name.endswith("null") or any(each.controls for each in s.connections)
        )
        await contender.finish()
        heard = [word.lower().rstrip(".") for word in contender.finals]
        assert heard == ([] if name.endswith("null") else [spell(number) for number in range(4)])
        assert contender.failure is None
