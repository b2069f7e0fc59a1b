"""One agent, as many callers as it has lines, and one more."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from loguru import logger

from examples.phone_agent.dial import CallError, announce
from examples.phone_agent.simulate_call import SCRIPTS, call
from pulse_plugins.local import PulseServer, ServerOptions
from tests.phone_agent.answering import agent
from tests.support.profiles import is_few
from tests.support.sphinx import PocketSphinxRecognizer

LINES = 2 if is_few() else 10


async def test_every_line_books_at_once_and_one_caller_more_is_told_that_it_is_busy(
    tmp_path: Path,
) -> None:
    log: list[str] = []
    sink = logger.add(log.append, level="WARNING")
    recognizer = PocketSphinxRecognizer(language_model="bookings", decoders=LINES)
    try:
        await recognizer.warm()
        async with (
            PulseServer(ServerOptions(recognizer=recognizer)) as pulse,
            agent(f"sqlite:///{tmp_path}/b.db", calls=LINES, pulse=pulse) as answering,
        ):
            async with asyncio.TaskGroup() as calling:
                calls = [
                    calling.create_task(call(answering.url, SCRIPTS["keys"])) for _ in range(LINES)
                ]
                async with asyncio.timeout(30):
                    while not answering.lines.is_full:  # noqa: ASYNC110 - `Lines` signals it in no other way
                        await asyncio.sleep(0.01)
                with pytest.raises(CallError, match="Reject"):
                    await announce(answering.url)
            bookings = await answering.store.all()
    finally:
        await recognizer.close()
        logger.remove(sink)
    assert all(each.result().hung_up for each in calls)
    assert len(bookings) == LINES
    assert {(each.party, each.name, each.phone) for each in bookings} == {
        (4, "Robert Miller", "5550142")
    }
    assert answering.lines.open == 0
    assert any("all lines are busy" in line for line in log)
    assert not any("Miller" in line or "5550142" in line for line in log)
