"""When an interim is worth a preemptive reply."""

from __future__ import annotations

import numpy as np

from pulse_plugins.livekit.preflight import STABLE, Preflight

LOUD = (np.sin(np.arange(320) * 0.3) * 12_000).astype("<i2").tobytes()
QUIET = bytes(640)
FRAME = 0.02


def hear(preflight: Preflight, data: bytes, seconds: float) -> None:
    for _ in range(round(seconds / FRAME)):
        preflight.audio(data, FRAME)


def test_a_stable_interim_in_silence_is_sent_once() -> None:
    preflight = Preflight()
    hear(preflight, LOUD, 0.4)
    preflight.interim("book a table", 1.0)
    assert preflight.stable(1.0 + STABLE / 2) is None
    hear(preflight, QUIET, 0.4)
    assert preflight.stable(1.0 + STABLE) == "book a table"
    preflight.interim("book a table", 1.5)
    assert preflight.deadline is None
    assert preflight.stable(2.0) is None


def test_not_while_somebody_speaks() -> None:
    preflight = Preflight()
    hear(preflight, LOUD, 0.4)
    preflight.interim("book a", 1.0)
    hear(preflight, LOUD, 0.4)
    assert preflight.stable(1.0 + STABLE) is None
    hear(preflight, QUIET, 0.4)
    again = preflight.deadline
    assert again is not None
    assert preflight.stable(again) == "book a"


def test_a_change_starts_the_wait_again() -> None:
    preflight = Preflight()
    preflight.interim("book", 1.0)
    preflight.interim("book a table", 1.2)
    assert preflight.deadline == 1.2 + STABLE


def test_the_known_end_of_speech_needs_no_wait() -> None:
    preflight = Preflight()
    preflight.interim("yes", 1.0)
    assert preflight.ended() == "yes"
    assert preflight.ended() is None


def test_a_service_that_rewrites_its_interims_gets_none_until_it_stops() -> None:
    preflight = Preflight()
    for _ in range(6):
        preflight.interim("twenty five dollars", 1.0)
        preflight.final("$25.")
    preflight.interim("yes", 2.0)
    assert preflight.ended() is None
    for _ in range(6):
        preflight.interim("yes please", 3.0)
        preflight.final("Yes, please.")
    preflight.interim("yes", 4.0)
    assert preflight.ended() == "yes"


def test_counts_what_it_was_worth() -> None:
    preflight = Preflight()
    preflight.interim("yes", 1.0)
    preflight.ended()
    preflight.final("Yes.")
    preflight.interim("no", 2.0)
    preflight.ended()
    preflight.final("Not now.")
    assert (preflight.sent, preflight.kept) == (2, 1)
