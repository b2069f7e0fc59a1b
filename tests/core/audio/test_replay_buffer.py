"""Where every byte of the stream is."""

from __future__ import annotations

import gc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_plugins.core.audio.replay_buffer import ReplayBuffer

pytestmark = pytest.mark.unit


def filled(*packets: bytes, limit: int = 1000) -> ReplayBuffer:
    buffer = ReplayBuffer(bytes_per_second=100, align=2, limit=limit)
    for packet in packets:
        buffer.append(packet)
    return buffer


def sent(buffer: ReplayBuffer) -> bytes:
    packets = []
    while buffer.has_unsent:
        packets.append(buffer.next_packet())
    return b"".join(packets)


def test_a_backlog_is_sent_in_packets_of_a_tenth_of_a_second() -> None:
    buffer = filled(b"abcd", b"efgh", b"ijkl")
    assert [buffer.next_packet(), buffer.next_packet()] == [b"abcdefghij", b"kl"]
    assert not buffer.has_unsent


def test_a_packet_ends_at_the_offset_that_it_must_not_pass() -> None:
    buffer = filled(b"abcdefgh")
    assert [buffer.next_packet(stop=6), buffer.next_packet()] == [b"abcdef", b"gh"]


def test_held_audio_is_no_work_for_the_garbage_collector() -> None:
    buffer = filled(limit=10_000)
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(1000):
        buffer.append(b"abcd")
        buffer.next_packet()
    assert buffer.count.held == 4000
    assert len(gc.get_objects()) - before < 100


def test_a_rewind_sends_everything_that_is_not_acked() -> None:
    buffer = filled(b"abcd", b"efgh", b"ijkl")
    assert sent(buffer) == b"abcdefghijkl"
    buffer.ack(6)
    buffer.rewind()
    assert (buffer.start, buffer.next_offset, buffer.high_water) == (6, 6, 12)
    assert sent(buffer) == b"ghijkl"


def test_an_ack_never_passes_what_was_sent() -> None:
    buffer = filled(b"abcd", b"efgh")
    buffer.next_packet(stop=4)
    buffer.ack(8)
    assert buffer.start == 4
    assert sent(buffer) == b"efgh"


def test_released_audio_is_counted_apart_from_acked_audio() -> None:
    buffer = filled(b"abcd", b"efgh", b"ijkl")
    sent(buffer)
    buffer.ack(4)
    buffer.release(8)
    buffer.release(2)
    count = buffer.count
    assert (count.acked, count.released, count.held, count.lost) == (4, 4, 4, 0)


def test_unsent_audio_beyond_the_limit_is_lost() -> None:
    buffer = filled(b"abcd", b"efgh", b"ijkl", limit=8)
    assert buffer.take_lost() == [(0.0, 0.04)]
    assert buffer.take_lost() == []
    assert buffer.count.lost == 4


def test_touching_lost_ranges_are_one() -> None:
    buffer = filled(b"abcd", b"efgh", b"ijkl", b"mnop", limit=8)
    assert buffer.take_lost() == [(0.0, 0.08)]


def test_sent_audio_beyond_the_limit_is_lost_only_with_its_connection() -> None:
    buffer = filled(b"abcd", b"efgh", limit=8)
    sent(buffer)
    buffer.append(b"ijkl")
    assert buffer.take_lost() == []
    buffer.rewind()
    assert buffer.take_lost() == [(0.0, 0.04)]


def test_sent_audio_beyond_the_limit_is_not_lost_once_a_final_covers_it() -> None:
    buffer = filled(b"abcd", b"efgh", limit=8)
    sent(buffer)
    buffer.append(b"ijkl")
    buffer.ack(6)
    buffer.rewind()
    assert buffer.take_lost() == []


def test_what_is_given_up_behind_the_understood_offset_is_lost() -> None:
    buffer = filled(b"abcd", b"efgh")
    buffer.give_up(2)
    assert buffer.take_lost() == [(0.02, 0.06)]
    count = buffer.count
    assert (count.held, count.released, count.lost) == (0, 2, 6)


def test_held_audio_can_be_read_across_packets() -> None:
    buffer = filled(b"abcd", b"efgh", b"ijkl")
    buffer.next_packet()
    assert buffer.read(0, 12) == b"abcdefghijkl"
    assert buffer.read(2, 6) == b"cdef"
    assert buffer.read(4, 8) == b"efgh"
    buffer.ack(2)
    assert buffer.read(0, 4) == b"cd"


def test_offsets_and_seconds_convert_on_whole_samples() -> None:
    buffer = filled()
    assert buffer.seconds(50) == 0.5
    assert buffer.offset(0.5) == 50
    assert buffer.offset(0.513) == 52


@given(
    limit=st.integers(2, 20).map(lambda n: 2 * n),
    steps=st.lists(
        st.tuples(
            st.sampled_from(["append", "send", "ack", "release", "rewind", "give_up"]),
            st.integers(0, 60).map(lambda n: 2 * n),
        ),
        max_size=60,
    ),
)
def test_every_byte_is_in_exactly_one_place(limit: int, steps: list[tuple[str, int]]) -> None:
    buffer, appended = filled(limit=limit), 0
    for step, number in steps:
        match step:
            case "append":
                size = 2 + number % 8
                buffer.append(bytes(size))
                appended += size
            case "send":
                if buffer.has_unsent:
                    buffer.next_packet()
            case "rewind":
                buffer.rewind()
            case _:
                getattr(buffer, step)(number)
        count = buffer.count
        assert count.held + count.acked + count.released + count.lost == appended
        assert min(count.held, count.acked, count.released, count.lost) >= 0
        assert buffer.start <= buffer.next_offset <= buffer.end == appended
        assert buffer.high_water <= appended
        assert len(buffer.read(0, appended)) == count.held
