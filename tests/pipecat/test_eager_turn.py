"""Predictions of the end of a turn, without a pipeline."""

from __future__ import annotations

from typing import cast

import pytest

from pulse_plugins.core.base.events import Final, Interim
from pulse_plugins.pipecat.eager_turn import EagerSink, EagerTurn


class Sink:
    """A service that notes its predictions."""

    def __init__(self) -> None:
        self.told: list[str] = []

    async def predict_end(self, text: str, *_: object) -> None:
        self.told.append(text)

    async def withdraw_prediction(self) -> None:
        self.told.append("withdrawn")


@pytest.mark.parametrize(
    ("event", "told"),
    [(Interim("", 0.0), ["hm", "withdrawn"]), (Final("hm", 0.0, 0.2), ["hm"])],
    ids=["taken back", "became final"],
)
async def test_a_prediction_is_withdrawn_when_its_only_interim_is_taken_back(
    event: Interim | Final, told: list[str]
) -> None:
    sink = Sink()
    eager = EagerTurn(cast(EagerSink, sink))
    await eager.heard(Interim("hm", 0.0), "hm", 0.0)
    await eager.ended(0.1, "", None)
    assert sink.told == ["hm"]
    await eager.heard(event, "", 0.5)  # nothing of the utterance is open any more
    assert sink.told == told
