"""What is counted, from events alone."""

from __future__ import annotations

from pulse_plugins.core.base.errors import ConnectionLostError
from pulse_plugins.core.base.events import (
    AudioLost,
    Connected,
    Disconnected,
    Final,
    Interim,
    MessageIgnored,
    Reconnecting,
    Recovered,
    ServerReported,
    SpeechStarted,
)
from pulse_plugins.core.observe.metrics import Counters, StreamMetrics


def test_every_event_is_counted_where_it_belongs() -> None:
    counters = Counters()
    gone = ConnectionLostError("gone")
    for event in (
        Connected(1, 0.1),
        Interim("a", 0.0),
        Interim("a b", 0.0),
        Final("a b", 0.0, 1.0),
        Final("c", 1.0, 2.0, finalize_id=1, promoted=True),
        Disconnected(gone),
        Reconnecting(1, "reset", 0.0, gone),
        Reconnecting(2, "reset", 0.5, gone),
        Reconnecting(3, "http_503", 1.0, gone),
        Connected(4, 0.1, failed_over=True),
        Recovered(2.5, 1.0),
        AudioLost(3.0, 0.5, "why"),
        MessageIgnored("binary"),
        ServerReported(gone),
        SpeechStarted(1.0),
    ):
        counters.count(event)
    counters.discarded()
    assert counters.snapshot(10.0, 11.0, 1.0, 0.2) == StreamMetrics(
        audio_seconds=10.0,
        sent_seconds=11.0,
        replayed_seconds=1.0,
        silence_seconds=0.2,
        lost_seconds=0.5,
        outage_seconds=2.5,
        connects=2,
        failovers=1,
        recoveries=1,
        finals=2,
        interims=2,
        promoted=1,
        ignored=1,
        reported=1,
        unread=1,
        retries={"reset": 2, "http_503": 1},
    )


def test_an_empty_answer_is_no_final() -> None:
    counters = Counters()
    counters.count(Final("", 0.0, 0.0, finalize_id=1))
    assert counters.snapshot(0, 0, 0, 0).finals == 0


def test_a_snapshot_does_not_change_afterwards() -> None:
    counters = Counters()
    before = counters.snapshot(0, 0, 0, 0)
    counters.count(Reconnecting(1, "reset", 0.0, ConnectionLostError("gone")))
    assert before.retries == {}
