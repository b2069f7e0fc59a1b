"""The one place that gathers audio."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_plugins.core.audio.formats import AudioFormat
from pulse_plugins.core.audio.packetizer import MAX_PACKET_BYTES, Packetizer

pytestmark = pytest.mark.unit
WIRE = AudioFormat("linear16", 8000)


def test_audio_goes_out_as_soon_as_a_packet_is_full() -> None:
    packetizer = Packetizer(WIRE, WIRE, 0.02)
    assert packetizer.add(bytes(200)) is None
    assert packetizer.add(bytes(120)) == [bytes(320)]


def test_an_empty_frame_makes_no_packet_and_no_copy_of_the_next_one() -> None:
    packetizer = Packetizer(WIRE, WIRE, 0.02)
    frame = bytes(320)
    assert packetizer.add(b"") is None
    packets = packetizer.add(frame)
    assert packets is not None
    assert packets[0] is frame


def test_a_longer_frame_is_one_packet_and_is_not_cut() -> None:
    packetizer = Packetizer(WIRE, WIRE, 0.02)
    frame = bytes(800)
    assert packetizer.add(frame) == [frame]


def test_a_frame_of_the_wires_format_is_not_copied() -> None:
    packetizer = Packetizer(WIRE, WIRE, 0.02)
    frame = bytes(range(160)) * 2
    packets = packetizer.add(frame)
    assert packets is not None
    assert packets[0] is frame


def test_no_packet_is_longer_than_the_service_takes() -> None:
    wide = AudioFormat("linear16", 48_000)
    packetizer = Packetizer(wide, wide, 0.5)
    packets = packetizer.add(bytes(96_000)) or []
    packets += packetizer.flush()
    assert max(map(len, packets)) == MAX_PACKET_BYTES == 8192
    assert sum(map(len, packets)) == 96_000


def test_a_flush_gives_all_audio_at_once() -> None:
    packetizer = Packetizer(WIRE, WIRE, 0.1)
    packetizer.add(bytes(300))
    assert packetizer.held_seconds == pytest.approx(300 / 16_000)
    assert packetizer.flush() == [bytes(300)]
    assert packetizer.flush() == []
    assert packetizer.held_seconds == 0.0


def test_the_length_of_packets_can_change() -> None:
    packetizer = Packetizer(WIRE, WIRE, 0.1)
    packetizer.packet_seconds = 0.02
    assert packetizer.add(bytes(320)) == [bytes(320)]
    assert packetizer.packet_seconds == 0.02


def test_a_change_of_the_source_keeps_what_came_before() -> None:
    packetizer = Packetizer(WIRE, WIRE, 0.1)
    packetizer.add(bytes(300))
    assert packetizer.change_source(AudioFormat("linear16", 16_000)) == [bytes(300)]
    assert packetizer.source.sample_rate == 16_000
    assert packetizer.stream_time == pytest.approx(300 / 16_000)


def test_stream_time_counts_the_audio_that_was_added() -> None:
    source = AudioFormat("linear16", 48_000, 2)
    packetizer = Packetizer(source, WIRE, 0.02)
    for _ in range(50):
        packetizer.add(bytes(48_000 * 4 // 100))
    assert packetizer.stream_time == pytest.approx(0.5)


@given(
    sizes=st.lists(st.integers(0, 1500), max_size=40),
    seconds=st.sampled_from([0.02, 0.05, 0.1]),
    rate=st.sampled_from([8000, 16_000]),
)
def test_however_audio_is_cut_the_same_bytes_go_out(
    sizes: list[int], seconds: float, rate: int
) -> None:
    source = AudioFormat("linear16", rate)
    audio = bytes(number % 251 for number in range(2 * sum(sizes)))
    whole = Packetizer(source, WIRE, 10.0)
    expected = b"".join((whole.add(audio) or []) + whole.flush())
    packetizer, at, found = Packetizer(source, WIRE, seconds), 0, b""
    for size in sizes:
        found += b"".join(packetizer.add(audio[at : at + 2 * size]) or [])
        at += 2 * size
    assert found + b"".join(packetizer.flush()) == expected


def test_a_sample_in_two_parts_is_joined() -> None:
    packetizer = Packetizer(WIRE, WIRE, 0.02)
    audio = bytes(number % 251 for number in range(1000))
    found = packetizer.add(audio[:401]) or []
    found += packetizer.add(audio[401:]) or []
    assert b"".join(found + packetizer.flush()) == audio
