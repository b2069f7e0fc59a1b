"""While redaction is on, no clear text leaves the service: not in a frame, not in a log."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from pipecat.frames.frames import STTUpdateSettingsFrame

from pulse_plugins.core.base.redaction import REDACTED
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.config.timing import Timeouts
from pulse_plugins.local.recognizers.contract import RecognizedWord
from pulse_plugins.local.recognizers.scripted import ScriptedDecoder
from pulse_plugins.pipecat import PulseSTTService, PulseSTTSettings
from tests.pipecat.rig import Call, calling
from tests.support.peer import peer
from tests.support.privacy import MARKED_WORD

PLACEHOLDER = "[FIRSTNAME_1]"


class Redactor(ScriptedDecoder):
    """Hears the marked word in everything; finals hold a placeholder, as the service's do."""

    async def feed(self, pcm: NDArray[np.int16]) -> Sequence[RecognizedWord] | None:
        words = await super().feed(pcm)
        return words and [self._as(word, MARKED_WORD) for word in words]

    async def finish_segment(self) -> Sequence[RecognizedWord]:
        return [self._as(word, PLACEHOLDER) for word in await super().finish_segment()]

    @staticmethod
    def _as(word: RecognizedWord, text: str) -> RecognizedWord:
        return RecognizedWord(text, word.start, word.end, word.confidence)


def everything(call: Call) -> str:
    return repr([vars(frame) for frame in call.frames])


@pytest.mark.parametrize("setting", ["redact_pii", "redact_pci"])
async def test_no_clear_text_leaves_the_service(setting: str) -> None:
    settings = PulseSTTSettings(**{setting: True})  # type: ignore[arg-type]
    async with peer(window=None, decoder=Redactor) as server:
        service = PulseSTTService(base_url=server.url, settings=settings)
        async with calling(service) as call:
            for turn in range(2):
                await call.turn(2 * turn, 2)
                await call.until_completed(turn + 1)
            await call.hang_up()
            assert call.finals == [(f"{PLACEHOLDER} {PLACEHOLDER}", True)] * 2
            assert call.interims == []
            assert MARKED_WORD not in everything(call)


async def test_an_interim_that_takes_the_place_of_a_lost_final_is_not_shown() -> None:
    options = PulseOptions(redact_pii=True, timeouts=Timeouts(finalize=0.2), api_key="k")
    async with peer(window=None, decoder=Redactor) as server:
        server.fault = lambda link, what: what == "finalize"  # the server never answers
        service = PulseSTTService(options=options, base_url=server.url)
        async with calling(service) as call:
            await call.turn(0, 2)
            await call.until(lambda: call.finals)
            assert call.finals == [(REDACTED, False)]
            assert MARKED_WORD not in everything(call)


async def test_interims_pass_where_the_application_asks_for_them() -> None:
    settings = PulseSTTSettings(redact_pii=True, interim_redaction="pass")
    async with peer(window=None, decoder=Redactor) as server:
        service = PulseSTTService(base_url=server.url, settings=settings)
        async with calling(service) as call:
            await call.turn(0, 2)
            await call.until_completed(1)
            assert any(MARKED_WORD in text for text in call.interims)


async def test_redaction_that_is_switched_on_in_mid_call_holds_interims_at_once() -> None:
    async with (
        peer(window=None, decoder=Redactor) as server,
        calling(PulseSTTService(base_url=server.url)) as call,
    ):
        await call.turn(0, 1)
        await call.until_completed(1)
        shown = len(call.interims)
        delta = PulseSTTSettings(redact_pii=True)
        await call.put(STTUpdateSettingsFrame(delta=delta))
        await server.until(lambda: len(server.links) == 2)
        await call.turn(1, 2)
        await call.until_completed(2)
        assert len(call.interims) == shown
