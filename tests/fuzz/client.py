"""The client's reading of messages: alone, and in a session."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hypothesis import strategies as st

from pulse_plugins.core.wire.stream_messages import (
    ErrorReport,
    Pong,
    SpeechMark,
    Transcript,
    Unreadable,
    parse,
)
from pulse_plugins.local.wire.messages import PATHS
from tests.fuzz.messages import VALID, texts
from tests.support.call import Call


def check_parse(data: str | bytes) -> None:
    """`parse` answers with a message of its vocabulary, whatever comes."""
    message = parse(data)
    assert isinstance(message, Transcript | SpeechMark | Pong | ErrorReport | Unreadable)


@dataclass(frozen=True)
class Step:
    """One thing that happens in a call."""

    kind: str
    data: str | bytes = ""


CLIENT_FRAMES = st.one_of(texts(VALID), texts(VALID), st.binary(max_size=200))
_STEPS = st.lists(
    st.one_of(
        st.builds(Step, st.just("hear"), CLIENT_FRAMES),
        st.builds(Step, st.just("hear"), CLIENT_FRAMES),
        st.builds(Step, st.sampled_from(["say", "finalize", "wait"])),
    ),
    min_size=1,
    max_size=12,
)
SESSIONS = st.tuples(st.sampled_from(sorted(PATHS.values())), _STEPS)


def check_session(example: tuple[str, list[Step]]) -> None:
    """No message makes a session raise, lose count of a byte, or leave the clock."""
    dialect, steps = example
    call = Call(dialect=dialect)
    for step in steps:
        if call.opening:
            call.connect()
        match step.kind:
            case "hear" if call.servers:
                call.hear(step.data)
            case "say":
                call.say(1)
            case "finalize":
                call.finalize()
            case _:
                call.pass_time(0.5)
        _check_call(call)
    call.end()
    call.pass_time(30.0)
    _check_call(call)


def _check_call(call: Call) -> None:
    count = call.session.buffer.count
    waiting = round(call.packetizer.held_seconds * call.session.buffer.bytes_per_second)
    assert call.fed == count.held + count.acked + count.released + count.lost + waiting
    assert call.answered == sorted(set(call.answered))
    for final in call.finals:
        times = [final.start, final.end, *(t for w in final.words for t in (w.start, w.end))]
        assert all(math.isfinite(time) for time in times)
