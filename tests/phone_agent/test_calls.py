"""Callers, all at once: real audio over the telephone's protocol, through the real agent.

The default run leaves out the scripts whose steps another test has, too; `--hypothesis-profile=ci`
and `nightly` take all.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import time
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from loguru import logger

from examples.phone_agent.bookings import Booking
from examples.phone_agent.simulate_call import SCRIPTS, Outcome, call
from pulse_plugins.local import PulseServer, ServerOptions
from tests.phone_agent.answering import agent
from tests.support.profiles import is_few
from tests.support.sphinx import PocketSphinxRecognizer

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
]
BOOKED = ("interrupt",) if is_few() else ("interrupt", "keys")
STEP_BY_STEP = ("mishear",) if is_few() else ("mishear", "step")
IN_THE_NUMBER = 14 + 5 + 6  # words: the table, the name, "my number is five five five"


@dataclass(slots=True)
class Called:
    """A call that is over."""

    outcome: Outcome
    bookings: list[Booking]
    open_lines: int


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def servers() -> AsyncIterator[dict[str, PulseServer]]:
    """A Pulse server, and another that cuts its caller off in the middle of the phone number."""
    recognizer = PocketSphinxRecognizer(language_model="bookings", decoders=9)
    faults = [f"drop@word={IN_THE_NUMBER}"]
    options = ServerOptions(recognizer=recognizer)
    try:
        await recognizer.warm()
        async with PulseServer(options) as well, PulseServer(options, faults=faults) as cutting:
            yield {"well": well, "cutting": cutting}
    finally:
        await recognizer.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def log() -> AsyncIterator[list[str]]:
    """What the agent and the framework wrote above debug."""
    lines: list[str] = []
    logger.remove()
    sink = logger.add(lines.append, level="INFO")
    yield lines
    logger.remove(sink)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def calls(
    servers: dict[str, PulseServer], log: list[str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Called]:
    """All scripts at once; `book` without a database, and on a line that is cut."""
    folder = tmp_path_factory.mktemp("bookings")
    scripts = dict(SCRIPTS)
    scripts["no database"] = scripts["cut"] = scripts.pop("book")
    if is_few():
        del scripts["step"], scripts["keys"]  # keys are in test_crowd, too

    async def one(name: str, steps: tuple[str, ...]) -> Called:
        missing = "/nowhere" if name == "no database" else ""
        path = Path(f"{missing}{folder}") / f"{name.replace(' ', '_')}.db"
        pulse = servers["cutting" if name == "cut" else "well"]
        async with agent(f"sqlite:///{path}", pulse=pulse) as answering:
            outcome = await call(answering.url, steps)
        bookings = [] if missing else await answering.store.all()
        return Called(outcome, bookings, answering.lines.open)

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SMALLEST_API_KEY", raising=False)
        patch.delenv("OPENAI_API_KEY", raising=False)
        async with asyncio.TaskGroup() as calling:
            tasks = {name: calling.create_task(one(name, scripts[name])) for name in scripts}
    assert len(tasks) >= 7
    return {name: task.result() for name, task in tasks.items()}


def is_booked(called: Called, party: int, at: time) -> bool:
    [booking] = called.bookings
    assert (booking.name, booking.phone) == ("Robert Miller", "5550142")
    return (booking.party, booking.time) == (party, at)


@pytest.mark.parametrize("name", BOOKED)
async def test_a_table_is_booked(calls: dict[str, Called], name: str) -> None:
    assert is_booked(calls[name], 4, time(19, 30))
    assert calls[name].outcome.hung_up


async def test_a_caller_corrects_the_agent_before_and_after_the_summary(
    calls: dict[str, Called],
) -> None:
    assert is_booked(calls["correct"], 6, time(20))


@pytest.mark.parametrize("name", STEP_BY_STEP)
async def test_one_thing_after_the_other_also_when_it_was_not_understood(
    calls: dict[str, Called], name: str
) -> None:
    assert is_booked(calls[name], 2, time(20))


async def test_the_agent_stops_when_the_caller_speaks(calls: dict[str, Called]) -> None:
    assert calls["interrupt"].outcome.interrupted >= 1


async def test_a_person_can_be_asked_for(calls: dict[str, Called]) -> None:
    assert calls["human"].outcome.hung_up
    assert calls["human"].bookings == []


async def test_a_caller_hangs_up_in_mid_sentence(calls: dict[str, Called]) -> None:
    assert calls["hang up"].bookings == []
    assert calls["hang up"].open_lines == 0


async def test_both_sides_are_heard_on_one_clock(calls: dict[str, Called]) -> None:
    outcome = calls["cut"].outcome
    assert len(outcome.caller) == len(outcome.agent)
    assert np.abs(outcome.agent.astype(np.int32)).max() > 3000
    assert len(outcome.answered_after) == len(SCRIPTS["book"])
    assert max(outcome.answered_after) < 10


async def test_a_dead_database_is_told_to_the_caller_and_to_the_log(
    calls: dict[str, Called], log: list[str]
) -> None:
    assert calls["no database"].outcome.hung_up
    text = "".join(log)
    for secret in ("Miller", "5550142", "five five five", "seven thirty"):
        assert secret.lower() not in text.lower()


async def test_a_cut_in_the_middle_of_the_phone_number_costs_no_digit(
    calls: dict[str, Called], servers: dict[str, PulseServer]
) -> None:
    assert len(servers["cutting"].connections) == 2
    assert is_booked(calls["cut"], 4, time(19, 30))
    assert calls["cut"].outcome.hung_up
