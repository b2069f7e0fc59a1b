"""Every fuzz target with a few examples; `python -m tests.fuzz` runs them for longer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fuzz.server import Door, Request
from tests.fuzz.targets import targets

EXAMPLES = {"parse": 200, "session": 40, "streams": 40, "requests": 40}


@pytest.fixture
def door() -> Iterator[Door]:
    with Door() as running:
        yield running


@pytest.mark.parametrize("name", EXAMPLES)
def test_anything_is_survived(name: str, door: Door) -> None:
    target = next(each for each in targets(door) if each.name == name)
    profile = settings(
        max_examples=EXAMPLES[name],
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    profile(given(target.examples)(target.check))()
    door.check_healthy()


def test_an_upgrade_header_that_is_no_text_is_refused(door: Door) -> None:
    headers = [(b"Upgrade", b"\x80")]
    query = b"model=pulse&language=en"
    door.check_request(Request("GET", b"/waves/v1/pulse/get_text", query, headers, b""))
    door.check_healthy()
