from __future__ import annotations

import io
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from types import SimpleNamespace
from typing import NoReturn

import numpy as np
import pytest
from av.codec.codec import UnknownCodecError
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pulse_plugins.core.audio.opus import RATES, Container, OpusEncoder
from pulse_plugins.core.base.errors import ConfigurationError, StreamClosedError

av = pytest.importorskip("av")


def speech_like(rate: int, seconds: float) -> bytes:
    """Tones that come and go: what a voice codec keeps in shape."""
    t = np.arange(int(rate * seconds)) / rate
    envelope = 0.5 + 0.5 * np.sin(2 * np.pi * 3 * t)
    wave = 8000 * envelope * (np.sin(2 * np.pi * 220 * t) + 0.5 * np.sin(2 * np.pi * 660 * t))
    return wave.astype("<i2").tobytes()


def decode_packets(packets: list[bytes], rate: int) -> NDArray[np.float64]:
    decoder = av.AudioCodecContext.create("libopus", "r")
    decoder.sample_rate, decoder.layout = 48_000, "mono"
    decoder.open()
    samples = [
        frame.to_ndarray().reshape(-1).astype(np.float64)
        for packet in packets
        for frame in decoder.decode(av.Packet(packet))
    ]
    return np.concatenate(samples)[:: 48_000 // rate]


def decode_ogg(data: bytes) -> NDArray[np.float64]:
    with av.open(io.BytesIO(data), format="ogg") as container:
        frames = [frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)]
    return np.concatenate(frames)


def likeness(heard: NDArray[np.float64], said: bytes, delay: int) -> float:
    """The correlation with what was said, `delay` samples earlier."""
    samples = np.frombuffer(said, "<i2").astype(np.float64)
    assert heard.size >= samples.size + delay
    return float(np.corrcoef(heard[delay : delay + samples.size], samples)[0, 1])


@dataclass
class Page:
    flags: int
    granule: int
    serial: int
    number: int
    packets: list[bytes]


def pages(data: bytes) -> Iterator[Page]:
    """Read Ogg by RFC 3533 section 6, with the checksum bit by bit."""
    while data:
        magic, version, flags, granule, serial, number, checksum, segments = struct.unpack_from(
            "<4sBBqIIIB", data
        )
        assert (magic, version) == (b"OggS", 0)
        lacing = data[27 : 27 + segments]
        length = 27 + segments + sum(lacing)
        register = 0
        for octet in data[:22] + bytes(4) + data[26:length]:
            register ^= octet << 24
            for _ in range(8):
                register = (register << 1) ^ (0x104C11DB7 if register & 0x80000000 else 0)
        assert register == checksum
        packets, packet, at = [], b"", 27 + segments
        for size in lacing:
            packet += data[at : at + size]
            at += size
            if size < 255:
                packets.append(packet)
                packet = b""
        yield Page(flags, granule, serial, number, packets)
        data = data[length:]


@pytest.mark.parametrize("rate", RATES)
def test_every_packet_is_a_message_and_decodes_to_what_was_said(rate: int) -> None:
    said = speech_like(rate, 1.0)
    encoder = OpusEncoder("opus", rate)
    packets = encoder.encode(said) + encoder.flush()
    assert len(packets) == 51  # 1 s in 20 ms packets, and one for the look-ahead
    assert likeness(decode_packets(packets, rate), said, 312 * rate // 48_000) > 0.98


def test_ogg_stream_is_whole_and_decodes_to_what_was_said() -> None:
    said = speech_like(16_000, 1.0)
    encoder = OpusEncoder("ogg_opus", 16_000)
    messages = encoder.encode(said[:9000]) + encoder.encode(said[9000:]) + encoder.finish()
    found = list(pages(b"".join(messages)))
    assert [page.number for page in found] == list(range(len(found)))
    assert len({page.serial for page in found}) == 1
    assert found[0].flags == 2
    assert found[-1].flags == 4
    assert {page.flags for page in found[1:-1]} == {0}
    assert found[0].packets[0][:8] == b"OpusHead"
    assert found[1].packets[0][:8] == b"OpusTags"
    audio = [packet for page in found[2:] for packet in page.packets]
    assert found[-1].granule == 960 * len(audio)
    heard = decode_ogg(b"".join(messages))[::3]
    assert likeness(heard, said, 0) > 0.98  # a container reader skips the look-ahead itself


def test_ogg_flush_leaves_no_page_back() -> None:
    encoder = OpusEncoder("ogg_opus", 16_000)
    messages = encoder.encode(speech_like(16_000, 0.5)) + encoder.flush()
    audio = [packet for page in list(pages(b"".join(messages)))[2:] for packet in page.packets]
    assert len(audio) == 26


def test_a_very_long_chunk_becomes_several_valid_pages() -> None:
    encoder = OpusEncoder("ogg_opus", 8000, bit_rate=128_000)
    [message] = encoder.encode(speech_like(8000, 10.0))
    found = list(pages(message))
    assert len(found) > 3
    assert sum(len(page.packets) for page in found[2:]) == 500


@given(
    cuts=st.lists(st.integers(0, 9600), max_size=12),
    container=st.sampled_from(["opus", "ogg_opus"]),
)
def test_chunking_changes_no_packet(cuts: list[int], container: Container) -> None:
    said = speech_like(16_000, 0.3)
    edges = [0, *sorted(cuts), len(said)]
    encoder = OpusEncoder(container, 16_000)
    messages: list[bytes] = []
    for start, end in pairwise(edges):
        messages += encoder.encode(said[start:end])
    messages += encoder.finish()
    whole = OpusEncoder("opus", 16_000)
    expected = whole.encode(said) + whole.finish()
    if container == "opus":
        assert messages == expected
    else:
        found = list(pages(b"".join(messages)))[2:]
        assert [packet for page in found for packet in page.packets] == expected


@pytest.mark.parametrize("seconds", [0.001, 0.0135, 0.02, 0.025])
def test_flush_pushes_the_last_sound_onto_the_wire(seconds: float) -> None:
    """Whatever the length, the click at its very end is heard, not held in the codec."""
    rate = 16_000
    quiet = np.zeros(int(rate * (0.2 + seconds)))
    quiet[-8:] = 30_000
    encoder = OpusEncoder("opus", rate)
    packets = encoder.encode(quiet.astype("<i2").tobytes()) + encoder.flush()
    heard = decode_packets(packets, rate)
    at = int(np.argmax(np.abs(heard)))
    assert abs(at - (quiet.size - 4 + 312 * rate // 48_000)) < 32
    assert np.abs(heard).max() > 3000
    assert len(packets) * 0.02 == pytest.approx(0.2 + seconds + encoder.padding)


def test_flush_without_audio_sends_nothing_and_the_stream_goes_on() -> None:
    encoder = OpusEncoder("opus", 8000)
    assert encoder.flush() == []
    assert len(encoder.encode(speech_like(8000, 0.1)) + encoder.flush()) == 6
    assert encoder.flush() == []
    assert len(encoder.encode(speech_like(8000, 0.1))) == 5


def test_half_a_sample_waits_across_a_flush() -> None:
    said = speech_like(8000, 0.2)
    encoder, whole = OpusEncoder("opus", 8000), OpusEncoder("opus", 8000)
    packets = encoder.encode(said[:1601]) + encoder.flush() + encoder.encode(said[1601:])
    expected = whole.encode(said[:1600]) + whole.flush() + whole.encode(said[1600:])
    assert packets == expected


def test_finish_ends_the_encoder() -> None:
    encoder = OpusEncoder("opus", 8000)
    encoder.finish()
    assert encoder.finish() == []
    with pytest.raises(StreamClosedError):
        encoder.encode(b"\0\0")
    with pytest.raises(StreamClosedError):
        encoder.flush()


def test_without_pyav_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ConfigurationError, match=r"pulse-plugins\[codecs\]"):
        OpusEncoder("opus", 16_000)


def test_what_opus_cannot_do_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="44100"):
        OpusEncoder("opus", 44_100)
    with pytest.raises(ConfigurationError, match="bit_rate"):
        OpusEncoder("opus", 16_000, bit_rate=100)
    with pytest.raises(ConfigurationError, match="container"):
        OpusEncoder("mp3", 16_000)  # type: ignore[arg-type]


def test_a_pyav_without_opus_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def create(name: str, mode: str) -> NoReturn:
        raise UnknownCodecError(name)

    monkeypatch.setattr("av.AudioCodecContext", SimpleNamespace(create=create))
    with pytest.raises(ConfigurationError, match="without libopus"):
        OpusEncoder("opus", 16_000)
