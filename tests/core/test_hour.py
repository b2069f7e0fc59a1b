"""A long call on a line that drops every twenty seconds: every word, and bounded memory."""

from __future__ import annotations

import sys
from collections import deque
from random import Random

import pytest

from pulse_plugins.core.base.errors import ConnectionLostError, from_status
from tests.support.call import Call
from tests.support.profiles import is_few

pytestmark = pytest.mark.unit

LENGTH = 600.0 if is_few() else 3600.0  # seconds
_OURS = "pulse_plugins"


def held(root: object) -> int:
    """Bytes and entries of all containers that an object of ours can reach."""
    seen: set[int] = set()
    waiting, total = [root], 0
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        match each:
            case bytes() | memoryview():
                total += len(each)
            case dict():
                total += sys.getsizeof(each)
                waiting += [*each.keys(), *each.values()]
            case list() | tuple() | set() | deque():
                total += 8 * len(each)
                waiting += each
            case _ if type(each).__module__.startswith(_OURS):
                names = [n for kind in type(each).__mro__ for n in getattr(kind, "__slots__", ())]
                waiting += [getattr(each, name) for name in names if hasattr(each, name)]
                waiting.append(getattr(each, "__dict__", {}))
    return total


def test_a_long_call_on_a_bad_line_loses_nothing_and_keeps_nothing() -> None:
    random, call = Random(7), Call()
    began, asked, spoken = call.now, 0, 0
    next_drop = began + random.expovariate(1 / 20)
    drops, sizes = 0, []
    while call.now - began < LENGTH:
        for _ in range(random.randint(1, 12)):
            spoken += 1
            call.say(spoken)
            if call.now >= next_drop and call.servers:
                call.drop(random.choice([ConnectionLostError("gone"), from_status(500), None]))
                next_drop, drops = call.now + random.expovariate(1 / 20), drops + 1
            take_part(call, random)
        call.say(0, 0)
        asked = call.finalize()
        call.pass_time(random.uniform(0.1, 0.5))
        take_part(call, random)
        sizes.append(held(call.session))
    finish(call, spoken)

    assert drops > LENGTH / 40
    assert call.words == [f"w{number}" for number in range(1, spoken + 1)]
    assert call.answered[-1] == asked
    assert call.answered == sorted(set(call.answered))
    assert call.lost == 0.0
    starts = [word.start for final in call.finals for word in final.words]
    assert starts == sorted(starts)
    late, early = sizes[len(sizes) // 2 :], sizes[: len(sizes) // 2]
    assert max(late) < 1.5 * max(early)


def take_part(call: Call, random: Random) -> None:
    """What network and server do meanwhile."""
    if call.opening:
        if random.random() < 0.3:
            call.refuse(from_status(503))
        else:
            call.connect()
    if not call.servers:
        return
    server = call.server
    if server.finalizes:
        call.hear(server.answer())
    elif random.random() < 0.3 and server.words():
        call.hear(server.final(server.words()[: random.randint(1, 10)]))
    elif random.random() < 0.5:
        call.hear(server.interim())


def finish(call: Call, spoken: int) -> None:
    """The line is well again."""
    for _ in range(300):
        call.pass_time(0.1)
        if call.opening:
            call.connect()
        elif call.servers and call.server.finalizes:
            call.hear(call.server.answer())
        elif call.servers and call.server.words():
            call.hear(call.server.final())
        elif len(call.words) == spoken:
            return
