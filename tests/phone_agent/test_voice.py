"""The offline voice speaks."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from examples.phone_agent import voice

pytestmark = pytest.mark.process


async def test_a_sentence_becomes_audio_of_about_its_length() -> None:
    audio = np.frombuffer(await voice.speak("A table for four people on Friday."), "<i2")
    assert 1.2 <= len(audio) / voice.SAMPLE_RATE <= 5
    assert np.abs(audio).max() > 3000


async def test_two_callers_are_spoken_to_at_once() -> None:
    texts = ["one", "a much longer sentence than the other one", "one"]
    first, second, third = await asyncio.gather(*(voice.speak(text) for text in texts))
    assert len(second) > 2 * len(first)
    assert abs(len(first) - len(third)) < 0.2 * len(first)


async def test_it_comes_in_pieces() -> None:
    pieces = [piece async for piece in voice.stream("hello there, how are you")]
    assert len(pieces) > 5
    assert {len(piece) for piece in pieces[:-1]} == {voice.SAMPLE_RATE // 10 * 2}
