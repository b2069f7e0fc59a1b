"""Every cell of the verdict table."""

from __future__ import annotations

import pytest

from pulse_plugins.core.base.errors import (
    AuthenticationError,
    CertificateError,
    ConfigurationError,
    ConnectionLostError,
    InternalError,
    PulseError,
    RateLimitError,
    RegionError,
    RequestRejectedError,
    ServerError,
    from_status,
)
from pulse_plugins.core.session.verdicts import (
    TABLE,
    Achieved,
    Ended,
    Phase,
    Verdict,
    how_it_ended,
    verdict,
)

pytestmark = pytest.mark.unit

ROWS = """
LIVE CLEAN       RETRY RETRY RETRY_NOW SLEEP
LIVE LOST        RETRY RETRY RETRY_NOW RETRY_NOW
LIVE LIMITED     RETRY_SLOW RETRY_SLOW RETRY_SLOW RETRY_SLOW
LIVE REJECTED    REVERT_OPTIONS REVERT_OPTIONS REVERT_OPTIONS REVERT_OPTIONS
LIVE DENIED      FAIL FAIL FAIL FAIL
LIVE REGION      OTHER_URL OTHER_URL OTHER_URL OTHER_URL
LIVE UNUSABLE    FAIL FAIL FAIL FAIL
SWITCHING CLEAN     TAKE_OVER TAKE_OVER TAKE_OVER TAKE_OVER
SWITCHING LOST      TAKE_OVER TAKE_OVER TAKE_OVER TAKE_OVER
SWITCHING LIMITED   TAKE_OVER TAKE_OVER TAKE_OVER TAKE_OVER
SWITCHING REJECTED  TAKE_OVER TAKE_OVER TAKE_OVER TAKE_OVER
SWITCHING DENIED    FAIL FAIL FAIL FAIL
SWITCHING REGION    TAKE_OVER TAKE_OVER TAKE_OVER TAKE_OVER
SWITCHING UNUSABLE  FAIL FAIL FAIL FAIL
ENDING CLEAN     RETRY RETRY RETRY_NOW FINISH
ENDING LOST      RETRY RETRY RETRY_NOW FINISH
ENDING LIMITED   RETRY_SLOW RETRY_SLOW RETRY_SLOW FINISH
ENDING REJECTED  REVERT_OPTIONS REVERT_OPTIONS REVERT_OPTIONS REVERT_OPTIONS
ENDING DENIED    FAIL FAIL FAIL FAIL
ENDING REGION    OTHER_URL OTHER_URL OTHER_URL OTHER_URL
ENDING UNUSABLE  FAIL FAIL FAIL FAIL
"""
CELLS = [
    (phase, ended, achieved, expected)
    for phase, ended, *cells in (line.split() for line in ROWS.strip().splitlines())
    for achieved, expected in zip(Achieved, cells, strict=True)
]


@pytest.mark.parametrize(("phase", "ended", "achieved", "expected"), CELLS)
def test_each_cell(phase: str, ended: str, achieved: Achieved, expected: str) -> None:
    assert verdict(Phase[phase], Ended[ended], achieved) is Verdict[expected]


def test_the_table_has_no_other_cell() -> None:
    assert len(TABLE) == len(CELLS)


@pytest.mark.parametrize(
    ("error", "ended"),
    [
        (None, Ended.CLEAN),
        (ConnectionLostError("x"), Ended.LOST),
        (ServerError("x"), Ended.LOST),
        (InternalError("x"), Ended.LOST),
        (RateLimitError("x"), Ended.LIMITED),
        (from_status(400), Ended.REJECTED),
        (RequestRejectedError("x"), Ended.REJECTED),
        (AuthenticationError("x"), Ended.DENIED),
        (from_status(402), Ended.DENIED),
        (from_status(403), Ended.DENIED),
        (RegionError("x"), Ended.REGION),
        (CertificateError("x"), Ended.REGION),
        (ConfigurationError("x"), Ended.UNUSABLE),
        (PulseError("cancelled"), Ended.UNUSABLE),
    ],
)
def test_an_error_names_its_row(error: PulseError | None, ended: Ended) -> None:
    assert how_it_ended(error) is ended
