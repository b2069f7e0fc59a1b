"""The database: who can read it, and how long a booking stays in it."""

from __future__ import annotations

import stat
from datetime import date, time, timedelta
from pathlib import Path

import pytest

from examples.phone_agent.bookings import KEEP_DAYS, Booking, BookingStore, default_store
from examples.phone_agent.settings import SettingError

pytestmark = pytest.mark.unit


def booking(day: date, name: str = "Mary Johnson") -> Booking:
    return Booking(4, day, time(19, 30), name, "5550199")


async def test_only_the_user_of_the_agent_can_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "bookings.db"
    path.touch(mode=0o644)
    path.chmod(0o644)
    await BookingStore(f"sqlite:///{path}").add(booking(date.today()))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_an_old_booking_is_deleted_and_leaves_no_trace_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "bookings.db"
    store = BookingStore(f"sqlite:///{path}")
    kept = booking(date.today() - timedelta(KEEP_DAYS))
    await store.add(booking(date.today() - timedelta(KEEP_DAYS + 1), "Zebedee Quartermaine"))
    assert b"Quartermaine" in path.read_bytes()
    await store.add(kept)
    assert await store.all() == [kept]
    assert b"Quartermaine" not in path.read_bytes()


async def test_the_days_and_the_database_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/b.db")
    monkeypatch.setenv("BOOKINGS_KEEP_DAYS", "0")
    store = default_store()
    await store.add(booking(date.today() - timedelta(1)))
    await store.add(booking(date.today()))
    assert [each.day for each in await store.all()] == [date.today()]


@pytest.mark.parametrize("days", ["-1", "a month", "99999", "1.5"])
def test_a_number_of_days_that_is_none_is_refused(
    days: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOOKINGS_KEEP_DAYS", days)
    with pytest.raises(SettingError, match="BOOKINGS_KEEP_DAYS"):
        default_store()


def test_an_empty_database_url_means_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "")
    default_store()


@pytest.mark.parametrize("url", ["u:sekret@h", "nonsense://u:sekret@h/x"])
def test_a_database_that_cannot_be_used_is_one_clear_error_without_its_password(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(SettingError, match="DATABASE_URL") as failed:
        default_store()
    assert "sekret" not in str(failed.value)
    assert failed.value.__cause__ is None
