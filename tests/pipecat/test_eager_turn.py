"""Predictions of the end of a turn, without a pipeline."""

from __future__ import annotations

from typing import cast

import pytest

from pulse_plugins.core.audio.formats import AudioFormat
from pulse_plugins.core.base.events import Final, Interim, Word
from pulse_plugins.local.recognizers.scripted import speak
from pulse_plugins.pipecat.eager_turn import EagerSink, EagerTurn

SOURCE = AudioFormat("linear16", 16_000)
SPEECH = speak([1, 2], 16_000).tobytes()
SILENCE = bytes(len(SPEECH) * 2)


class Sink:
    """A service that notes its predictions."""

    def __init__(self) -> None:
        self.told: list[str] = []

    async def predict_end(self, text: str, *_: object) -> None:
        self.told.append(text)

    async def withdraw_prediction(self) -> None:
        self.told.append("withdrawn")

    def confirm_prediction(self) -> None:
        pass


@pytest.mark.parametrize(
    ("event", "told"),
    [(Interim("", 1.0), ["hm", "withdrawn"]), (Final("hm", 1.0, 1.2), ["hm"])],
    ids=["taken back", "became final"],
)
async def test_a_prediction_is_withdrawn_when_its_only_interim_is_taken_back(
    event: Interim | Final, told: list[str]
) -> None:
    sink = Sink()
    eager = EagerTurn(cast(EagerSink, sink))
    eager.audio(SPEECH, SOURCE)  # an utterance that shows how an interim becomes a final
    await eager.heard(Interim("one", 0.0), "one", 1.0)
    await eager.heard(Final("one", 0.0, 0.5, words=(Word("one", 0.0, 0.5),)), "one", 2.0)
    eager.left("one")
    eager.audio(SPEECH, SOURCE)
    await eager.heard(Interim("hm", 1.0), "hm", 3.0)
    eager.audio(SILENCE, SOURCE)
    await eager.ended(4.0, "", None)
    assert sink.told == ["hm"]
    await eager.heard(event, "", 5.0)  # nothing of the utterance is open any more
    assert sink.told == told
