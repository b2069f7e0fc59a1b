"""Every encoding and sample rate of the wire, and real speech in two qualities."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from pulse_plugins.local import recordings
from pulse_plugins.local.recognizers.pocketsphinx import PocketSphinxRecognizer
from pulse_plugins.local.recognizers.scoring import word_errors
from pulse_plugins.local.recognizers.scripted import ScriptedRecognizer, speak, spell
from pulse_plugins.local.wire.encodings import ALAW, MULAW
from tests.local.client import (
    FINALIZE,
    calling,
    finals,
    server,
    spoken,
    text,
)
from tests.support.patience import PATIENCE


def linear32(pcm: NDArray[np.int16]) -> bytes:
    return (pcm.astype("<i4") << 16).tobytes()


def companded(table: NDArray[np.int16]) -> Callable[[NDArray[np.int16]], bytes]:
    order = np.argsort(table, kind="stable")
    values = table[order].astype(np.int64)

    def encode(pcm: NDArray[np.int16]) -> bytes:
        place = np.clip(np.searchsorted(values, pcm), 1, 255)
        below = np.abs(pcm - values[place - 1]) < np.abs(values[place] - pcm)
        return bytes(order[place - below].astype(np.uint8))

    return encode


@pytest.mark.parametrize("packet", [1001, 640])
@pytest.mark.parametrize(
    ("encoding", "encode"),
    [("linear32", linear32), ("mulaw", companded(MULAW)), ("alaw", companded(ALAW))],
)
async def test_every_encoding_is_decoded(
    encoding: str, encode: Callable[[NDArray[np.int16]], bytes], packet: int
) -> None:
    async with (
        server() as running,
        calling(running, encoding=encoding, sample_rate=8000) as client,
    ):
        await client.say(encode(speak(range(6), 8000)), packet)
        assert spoken(await client.finish()) == "please book a table for four".split()


def test_the_tables_are_those_of_the_standard() -> None:
    """Values of ITU-T G.711, tables 1 and 2, scaled to 16 bits."""
    assert [MULAW[code] for code in (0x00, 0x7F, 0x80, 0xFF, 0xF0)] == [-32124, 0, 32124, 0, 120]
    assert [ALAW[code] for code in (0x55, 0xD5, 0xAA, 0x2A)] == [-8, 8, 32256, -32256]
    for table in (MULAW, ALAW):
        assert len(set(table.tolist())) == (255 if table is MULAW else 256)


@pytest.mark.parametrize("rate", [22_050, 24_000, 44_100, 48_000])
async def test_every_rate_is_resampled_to_one_the_recognizer_takes(rate: int) -> None:
    class Narrow(ScriptedRecognizer):
        @property
        def sample_rates(self) -> frozenset[int]:
            return frozenset((8000, 16_000))

    async with (
        server(Narrow()) as running,
        calling(running, sample_rate=rate, word_timestamps=True) as client,
    ):
        await client.say(speak([7, 8, 9], rate))
        await client.send(FINALIZE)
        final = await client.until_final()
    assert [word["word"].lower().strip(".") for word in final["words"]] == [
        spell(7),
        spell(8),
        spell(9),
    ]
    assert final["words"][-1]["end"] == pytest.approx(0.72, abs=0.005)


@pytest.mark.parametrize("encoding", ["opus", "ogg_opus"])
async def test_opus_is_decoded(encoding: Literal["opus", "ogg_opus"]) -> None:
    pytest.importorskip("av")
    from pulse_plugins.core.audio.opus import OpusEncoder

    encoder = OpusEncoder(encoding, 16_000, bit_rate=96_000)
    pcm = speak(range(6), lead_seconds=0.3, tail_seconds=0.5).tobytes()
    async with server() as running, calling(running, encoding=encoding) as client:
        for packet in encoder.encode(pcm) + encoder.finish():
            await client.socket.send(packet)
        assert spoken(await client.finish()) == "please book a table for four".split()


async def test_a_message_with_hours_of_opus_keeps_nobody_else_waiting() -> None:
    pytest.importorskip("av")
    page = b"OggS" + struct.pack("<HqIII", 0, 0, 1, 0, 0) + bytes([255]) + b"\x01" * 255
    page += b"\x08" * 255  # packets of one byte, each of which is some ten milliseconds of audio
    clock = asyncio.get_running_loop().time
    async with (
        server() as running,
        calling(running, encoding="ogg_opus", sample_rate=48_000) as rude,
        calling(running) as polite,
    ):
        began = clock()
        await rude.socket.send(page * (1_000_000 // len(page)))
        await running.wait_for(lambda each: each.connections[0].audio_seconds > 0, PATIENCE)
        await polite.say(speak(range(2)))
        assert spoken(await polite.finish()) == ["please", "book"]
        assert clock() - began < 5
        assert not running.connections[0].closed


async def test_what_is_no_opus_ends_with_an_error() -> None:
    pytest.importorskip("av")
    async with server() as running, calling(running, encoding="ogg_opus") as client:
        await client.socket.send(b"nothing like it" * 10)
        (error,) = await client.rest()
        assert error["type"] == "error"
        assert client.close_code == 1003


@pytest.mark.process
@pytest.mark.parametrize(
    ("encoding", "rate", "limit"), [("linear16", 16_000, 0.03), ("mulaw", 8000, 0.05)]
)
async def test_real_speech_in_studio_and_telephone_quality(
    encoding: str, rate: Literal[8000, 16000], limit: float
) -> None:
    call = recordings.load("booking", rate)
    encode = companded(MULAW) if encoding == "mulaw" else np.ndarray.tobytes
    recognizer = PocketSphinxRecognizer(language_model="bookings")
    try:
        async with (
            server(recognizer) as running,
            calling(running, encoding=encoding, sample_rate=rate, word_timestamps=True) as client,
        ):
            await client.say(encode(call.samples), rate // 10)
            messages = await client.finish()
    finally:
        await recognizer.close()
    assert word_errors(call.text, text(messages)).rate < limit
    words = [word for final in finals(messages) for word in final["words"]]
    assert words == sorted(words, key=lambda word: word["start"])
    assert words[0]["start"] == pytest.approx(call.turns[0].start, abs=0.4)
    assert words[-1]["end"] == pytest.approx(call.turns[-1].end, abs=0.4)
