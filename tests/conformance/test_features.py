"""Each cell of the table of features in docs/testing.md: what a client shows of what is served."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pulse_plugins.local.recognizers.scripted import ScriptedRecognizer, speak
from pulse_plugins.local.server import PulseServer
from pulse_plugins.local.settings import ServerOptions
from tests.conformance import listeners
from tests.conformance.features import CLIENTS, FEATURES, Feature, table
from tests.support.wav import wav

DOCUMENT = Path(__file__).parents[2] / "docs" / "testing.md"
WORDS = "please book for mary and pay twenty five dollars".split()
RECOGNIZER = ScriptedRecognizer(
    WORDS,
    speakers_of=dict.fromkeys(range(4, 9), 1),
    languages_of={0: "en", 3: "hi"},
)
# A voice under the words, so that their pitch can be measured.
_PCM = speak(range(len(WORDS)), tail_seconds=1.0)
_HUM = np.sin(2 * np.pi * 130 * np.arange(len(_PCM)) / 16_000) * 300
PCM = (_PCM * 0.9 + _HUM * (_PCM != 0)).astype(np.int16)


def cells(*clients: str) -> list[Any]:
    return [
        pytest.param(feature, client, id=f"{feature.name}, {client}")
        for feature in FEATURES
        for client in clients
        if getattr(feature, client) is not None
    ]


@pytest.mark.parametrize(
    ("feature", "client"), cells(*(each for each in CLIENTS if each != "command_line"))
)
async def test_a_client_shows_a_feature(feature: Feature, client: str) -> None:
    async with PulseServer(ServerOptions(recognizer=RECOGNIZER)) as server:
        found = await getattr(listeners, client)(server, PCM, **feature.asked)
    assert getattr(feature, client)(found)


@pytest.mark.process
@pytest.mark.parametrize(("feature", "client"), cells("command_line"))
async def test_the_command_line_shows_a_feature(
    feature: Feature, client: str, tmp_path: Path
) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(wav(PCM))
    async with PulseServer(ServerOptions(recognizer=RECOGNIZER)) as server:
        found = await listeners.command_line(server, path, **feature.asked)
    assert getattr(feature, client)(found)


def test_the_document_holds_the_table_of_these_cells() -> None:
    assert table() in DOCUMENT.read_text(encoding="utf-8")
