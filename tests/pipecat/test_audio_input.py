"""Frames that say nonsense of themselves, in real pipelines, for both services."""

from __future__ import annotations

import pytest
from pipecat.frames.frames import Frame, InputAudioRawFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.utils.errors import ErrorCategory

from pulse_plugins.local import PulseServer, ServerOptions
from pulse_plugins.local.recognizers.scripted import ScriptedRecognizer
from pulse_plugins.pipecat import PulseSegmentedSTTService, PulseSTTService, PulseSTTSettings
from pulse_plugins.pipecat.audio_input import FrameFormats
from tests.pipecat.rig import Call, calling, words

PLAIN = PulseSTTSettings(format=False)
SERVICES = (PulseSTTService, PulseSegmentedSTTService)


class Counter(FrameProcessor):
    """Counts the audio that comes through."""

    def __init__(self) -> None:
        super().__init__(enable_direct_mode=True)
        self.frames = 0

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        self.frames += isinstance(frame, InputAudioRawFrame)
        await self.push_frame(frame, direction)


async def give_nonsense(call: Call, frames: int, *, rate: int = 0, channels: int = 1) -> None:
    for _ in range(frames):
        await call.put(InputAudioRawFrame(bytes(640), rate, channels))


@pytest.mark.parametrize("kind", SERVICES)
@pytest.mark.parametrize(("rate", "channels"), [(0, 1), (-16_000, 1), (16_000, 65)])
async def test_frames_that_cannot_be_are_told_once_passed_on_and_not_heard(
    kind: type[PulseSTTService | PulseSegmentedSTTService], rate: int, channels: int
) -> None:
    async with PulseServer(ServerOptions(recognizer=ScriptedRecognizer())) as server:
        service = kind(base_url=server.http_url, settings=PLAIN)
        before, after = Counter(), Counter()
        async with calling(before, service, after) as call:
            await call.start_speaking()
            await give_nonsense(call, 10, rate=rate, channels=channels)
            await call.say(0, 2)
            await call.stop_speaking()
            await call.hang_up()
            assert call.text == words(0, 2)
            assert [e.category for e in call.errors] == [ErrorCategory.APPLICATION]
            assert service.is_usable
            assert after.frames == before.frames > 10


def test_nonsense_between_good_frames_is_reported_once_in_half_a_minute() -> None:
    now = 0.0
    formats = FrameFormats(lambda: now)
    good, bad = (InputAudioRawFrame(bytes(640), rate, 1) for rate in (16_000, 0))
    told = []
    for now in (0.0, 0.02, 1.0, 29.9, 30.0):  # noqa: B007
        assert formats.read(good) is not None
        assert formats.read(bad) is None
        told.append(formats.error is not None)
    assert told == [True, False, False, False, True]
