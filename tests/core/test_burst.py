"""A recording given at once, faster than it may be sent: the end waits for all of it."""

from __future__ import annotations

from pulse_plugins import Final, PulseOptions, PulseStream, Timeouts
from pulse_plugins.local import PulseServer
from pulse_plugins.local.recognizers.scripted import speak, spell

WORDS = range(40)


async def test_the_end_waits_until_all_audio_could_be_sent() -> None:
    async with PulseServer("scripted") as server:
        options = PulseOptions(base_url=server.url, format=False, timeouts=Timeouts(close=0.5))
        async with PulseStream(options) as stream:
            stream.push(speak(WORDS, tail_seconds=0.1).tobytes())
            stream.end()
            assert stream.close_seconds > 0.5 + 9.6 / 8
            finals = [event.text async for event in stream if isinstance(event, Final)]
    assert " ".join(finals).split() == [spell(number) for number in WORDS]
    assert stream.metrics.lost_seconds == 0
