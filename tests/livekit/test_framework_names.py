"""A private name of the framework that is missing costs a feature and one line in the log."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from livekit.agents import stt as base

from pulse_plugins.livekit import STT, framework
from tests.livekit.driving import END, Heard, frames, play, speech, words
from tests.support.peer import peer


def _without(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    if name == "_STTPipelineContextVar":
        monkeypatch.setattr(framework, "audio_recognition", SimpleNamespace())
    elif name == "_report_connection_acquired":
        monkeypatch.delattr(base.RecognizeStream, name)
    else:
        made = base.RecognizeStream.__init__

        def make(self: base.RecognizeStream, **arguments: Any) -> None:
            made(self, **arguments)
            setattr(self, f"other{name}", self.__dict__.pop(name))

        monkeypatch.setattr(base.RecognizeStream, "__init__", make)


@pytest.mark.parametrize(
    "name", ["_STTPipelineContextVar", "_report_connection_acquired", "_event_aiter"]
)
async def test_speech_is_recognized_without_it_and_the_log_names_it_once(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(framework, "_told", set())
    caplog.set_level(logging.WARNING)
    if name == "_event_aiter":  # what reads events must then be the channel
        monkeypatch.setattr(base.RecognizeStream, "__anext__", _next)
    _without(monkeypatch, name)
    async with peer() as server, STT(base_url=server.url) as stt:
        for _ in range(2):
            await _recognize(stt)
    told = [record for record in caplog.records if hasattr(record, "missing")]
    assert len(told) == 1
    assert name in told[0].missing


async def _recognize(stt: STT) -> None:
    stream = stt.stream()
    heard = Heard(stream)
    await play(stream, frames(speech(0, 2)))
    await heard.until(lambda: heard.count(END) == 1)
    assert heard.text == words(0, 2)
    await stream.aclose()


async def _next(self: base.RecognizeStream) -> base.SpeechEvent:
    try:
        return await self._event_ch.__anext__()
    except StopAsyncIteration:
        if not self._task.cancelled() and (error := self._task.exception()):
            raise error from None
        raise
