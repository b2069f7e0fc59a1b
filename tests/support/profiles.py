"""How much of a large table of cases a run takes: a share by default, all of it in CI."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from hypothesis import settings

T = TypeVar("T")
U = TypeVar("U")


def is_few() -> bool:
    """Whether this is the default run, and not `--hypothesis-profile=ci` or `nightly`."""
    return settings.get_current_profile_name() == "few"


def share(cases: Sequence[T], every: int) -> Sequence[T]:
    """Every so many-th case in the default run, and all cases in the other profiles."""
    return cases[::every] if is_few() else cases


def pairs(first: Sequence[T], second: Sequence[U], every: int) -> list[tuple[T, U]]:
    """Every so many-th pair in the default run, so that each case of both is in some pair.

    All pairs in the other profiles.
    """
    return [
        (one, other)
        for place, one in enumerate(first)
        for index, other in enumerate(second)
        if not is_few() or (place + index) % every == 0
    ]
