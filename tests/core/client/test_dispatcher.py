"""Events that wait for a consumer are bounded."""

from __future__ import annotations

import pytest

from pulse_plugins.core.base.events import Final
from pulse_plugins.core.client.dispatcher import MAX_UNREAD
from pulse_plugins.core.client.stream import PulseStream
from pulse_plugins.core.config.options import PulseOptions


@pytest.mark.parametrize("together", [1, 3])
async def test_events_that_nobody_reads_are_bounded_and_counted(together: int) -> None:
    stream = PulseStream(PulseOptions(base_url="ws://127.0.0.1:1"))
    dispatcher = stream._dispatcher
    for number in range(MAX_UNREAD // together + 5):
        events = [Final(f"{number}.{part}", 0.0, 1.0) for part in range(together)]
        stream._session.events.extend(events)
        dispatcher.dispatch(stream._session.events, None, 0.0)
    assert len(dispatcher._unread) == MAX_UNREAD == 10_000
    assert stream.metrics.unread + MAX_UNREAD == together * (MAX_UNREAD // together + 5)
