"""Where every byte of the stream is, and what the clocks say."""

from __future__ import annotations

import gc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_plugins.core.audio.replay_buffer import ConnectionClock, Timeline


def timeline(*, packet: int = 4, limit: int = 1000) -> Timeline:
    return Timeline(bytes_per_second=100, align=2, packet_bytes=packet, limit=limit)


def sent(line: Timeline) -> bytes:
    packets = []
    while line.unsent:
        packets.append(bytes(line.next_packet()))
    return b"".join(packets)


def test_packets_are_of_one_size_until_a_seal_ends_one() -> None:
    line = timeline()
    assert not line.append(b"ab")
    assert line.append(b"cdefghij")
    assert [line.next_packet() for _ in range(2)] == [b"abcd", b"efgh"]
    assert not line.unsent
    line.seal()
    assert line.next_packet() == b"ij"


def test_a_packet_that_is_a_frame_is_not_copied() -> None:
    line, frame = timeline(), b"abcd"
    line.append(frame)
    assert line.next_packet() is frame


def test_audio_that_is_kept_is_nothing_for_the_garbage_collector() -> None:
    line = timeline(limit=10_000)
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(1000):
        line.append(b"abcd")
        line.next_packet()
    assert line.count.held == 4000
    assert len(gc.get_objects()) - before < 100


def test_a_rewind_sends_what_is_not_settled() -> None:
    line = timeline()
    line.append(b"abcdefghijkl")
    assert sent(line) == b"abcdefghijkl"
    line.settle(6)
    line.rewind()
    assert line.cursor == 6
    assert sent(line) == b"ghijkl"


def test_nothing_is_settled_that_was_not_sent() -> None:
    line = timeline()
    line.append(b"abcdefgh")
    line.next_packet()
    line.settle(8)
    assert line.start == 4


def test_beyond_the_bound_the_oldest_goes_and_only_the_unheard_is_lost() -> None:
    line = timeline(limit=8)
    line.append(b"abcd")
    line.next_packet()  # a server heard it
    line.append(b"efghijkl")
    line.append(b"mnop")
    assert line.take_lost() == [(4, 8)]
    assert line.take_lost() == []
    count = line.count
    assert (count.held, count.released, count.lost) == (8, 4, 4)


def test_what_was_heard_and_forgotten_is_lost_with_the_connection_whose_final_was_awaited() -> None:
    line = timeline(limit=8)
    for _ in range(5):
        line.append(b"abcd")
        line.next_packet()
    line.settle(4)  # the final of the oldest words came after all
    assert line.take_lost() == []
    line.rewind()
    assert line.take_lost() == [(4, 12)]
    count = line.count
    assert (count.held, count.released, count.lost) == (8, 4, 8)
    line.rewind()
    assert line.take_lost() == []


def test_lost_ranges_that_touch_are_one() -> None:
    line = timeline(limit=4)
    for _ in range(4):
        line.append(b"abcd")
    assert line.take_lost() == [(0, 12)]


def test_reading_ends_at_what_is_held() -> None:
    line = timeline()
    line.append(b"abcdefgh")
    line.next_packet()
    line.settle(2)
    assert line.read(0, 6) == b"cdef"


@given(
    pieces=st.lists(st.integers(0, 9).map(lambda n: 2 * n), max_size=30),
    pulls=st.lists(st.integers(0, 3), max_size=30),
    packet=st.integers(1, 8).map(lambda n: 2 * n),
    limit=st.integers(16, 60),  # never less than a packet, by the options' ranges
)
def test_every_byte_is_somewhere(
    pieces: list[int], pulls: list[int], packet: int, limit: int
) -> None:
    line = timeline(packet=packet, limit=limit)
    said = b""
    for index, size in enumerate(pieces):
        new = bytes((len(said) + offset) % 251 for offset in range(size))
        said += new
        line.append(new)
        for _ in range(pulls[index] if index < len(pulls) else 0):
            if line.unsent:
                at = line.cursor
                assert line.next_packet() == said[at : line.cursor]
        if index % 3 == 1:
            line.settle(line.cursor - 2)
        if index % 5 == 2:
            line.rewind()
        cut = line.cursor + sum(len(each) for each in line.unsent)
        assert line.read(line.start, cut) == said[line.start : cut]
        assert line.read(line.start + 3, cut - 5) == said[line.start + 3 : max(0, cut - 5)]
        count = line.count
        assert len(said) == count.held + count.settled + count.released + count.lost
        assert line.start <= line.cursor <= line.end
        assert count.held <= limit + packet


def test_the_connections_clock_begins_where_it_was_sent_its_first_byte() -> None:
    assert ConnectionClock(12.5).to_stream(0.75) == 13.25


def test_silence_that_was_put_in_is_no_time_of_the_stream() -> None:
    clock = ConnectionClock(10.0)
    clock.inserted(2.0, 0.5)
    clock.inserted(2.5, 0.5)  # goes on
    clock.inserted(4.0, 0.1)
    times = [clock.to_stream(at) for at in (1.0, 2.0, 2.7, 3.0, 4.0, 4.05, 5.1)]
    assert times == pytest.approx([11.0, 12.0, 12.0, 12.0, 13.0, 13.0, 14.0])


def test_hours_of_pauses_take_no_memory_and_the_clock_stays_right() -> None:
    clock = ConnectionClock(0.0)
    for number in range(5000):
        clock.inserted(number * 2.0, 1.0)
    assert clock.to_stream(10_000.0) == pytest.approx(5000.0)
    assert len(clock._inserts) <= 512
