"""Keeps bookings in a database: SQLite by default, or any that SQLAlchemy knows by its URL.

A booking holds a name and a telephone number. So only the user who runs the agent can read the
SQLite file, and a booking is deleted `KEEP_DAYS` days after its day.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date, time, timedelta
from threading import Lock
from typing import TypeVar

from sqlalchemy import Date, Engine, Integer, String, Time, create_engine, delete, event, select
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.pool import NullPool

from examples.phone_agent.settings import SettingError, setting
from examples.phone_agent.spoken import spoken_day, spoken_people, spoken_time

T = TypeVar("T")
DEFAULT_URL = "sqlite:///bookings.db"
KEEP_DAYS = 30  # `BOOKINGS_KEEP_DAYS` changes it
_PRIVATE = 0o600


@dataclass(frozen=True, slots=True)
class Booking:
    """A table for some people at some time, and a telephone number to call back."""

    party: int
    day: date
    time: time
    name: str
    phone: str

    @property
    def in_words(self) -> str:
        """The booking in one line, as people say it."""
        return (
            f"{self.name}, {spoken_people(self.party)}, {spoken_day(self.day)}, "
            f"{spoken_time(self.time)}, phone {self.phone}"
        )


class BookingError(RuntimeError):
    """The database cannot be reached, read or written. The text holds nothing of a booking."""


def default_store() -> BookingStore:
    """The database that `DATABASE_URL` names, or a SQLite file in the current folder.

    Raises:
        SettingError: `BOOKINGS_KEEP_DAYS` is not a whole number of days, or `DATABASE_URL` cannot
            be used. The text does not show the URL, which may hold a password.
    """
    days = setting("BOOKINGS_KEEP_DAYS")
    if days is not None and not (days.isascii() and days.isdigit() and len(days) <= 4):
        raise SettingError("BOOKINGS_KEEP_DAYS must be a whole number of days, 0 to 9999")
    url = setting("DATABASE_URL") or DEFAULT_URL
    try:
        return BookingStore(url, keep_days=KEEP_DAYS if days is None else int(days))
    except (SQLAlchemyError, ModuleNotFoundError) as error:
        raise SettingError(
            f"DATABASE_URL cannot be used ({type(error).__name__}): check its form, and install "
            "the driver that it names"
        ) from None


class _Base(DeclarativeBase):
    pass


class _Row(_Base):
    __tablename__ = "bookings"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    party: Mapped[int] = mapped_column(Integer)
    day: Mapped[date] = mapped_column(Date)
    time: Mapped[time] = mapped_column(Time)
    name: Mapped[str] = mapped_column(String(80))
    phone: Mapped[str] = mapped_column(String(20))


class BookingStore:
    """Writes and reads bookings in threads, so that a slow database does not hold up a call.

    Args:
        url: SQLAlchemy's URL of the database, such as `postgresql+psycopg://user@host/name`.
        keep_days: A booking is deleted so many days after its day, when the next one is added.
    """

    def __init__(self, url: str = DEFAULT_URL, *, keep_days: int = KEEP_DAYS) -> None:
        self._engine: Engine = create_engine(url, poolclass=NullPool, hide_parameters=True)
        self._keep = timedelta(keep_days)
        self._making = Lock()
        self._made = False

    async def add(self, booking: Booking) -> None:
        """Keep a booking, and delete those that are too old.

        Raises:
            BookingError: The database refuses the booking. Nothing was written.
        """
        await self._run(self._add, booking)

    async def all(self) -> list[Booking]:
        """Read all bookings, in the order in which they were made.

        Raises:
            BookingError: The database cannot be read.
        """
        return await self._run(self._all)

    async def _run(self, work: Callable[..., T], *args: object) -> T:
        try:
            return await asyncio.to_thread(work, *args)
        except (SQLAlchemyError, OSError) as error:
            raise BookingError(f"the database failed: {type(error).__name__}") from None

    def _add(self, booking: Booking) -> None:
        with self._session() as session:
            session.execute(delete(_Row).where(_Row.day < date.today() - self._keep))
            session.add(_Row(**asdict(booking)))
            session.commit()

    def _all(self) -> list[Booking]:
        with self._session() as session:
            rows = session.scalars(select(_Row).order_by(_Row.id))
            return [Booking(r.party, r.day, r.time, r.name, r.phone) for r in rows]

    def _session(self) -> Session:
        with self._making:  # of two first calls at once, one makes the table
            if not self._made:
                _make_private(self._engine)
                _Base.metadata.create_all(self._engine)
                self._made = True
        return Session(self._engine)


def _make_private(engine: Engine) -> None:
    """Let nobody but this user read a SQLite file; SQLite gives its journal the same permissions.

    Deleted bookings are overwritten in the file (`secure_delete`).
    """
    if engine.dialect.name != "sqlite":
        return
    path = engine.url.database
    if path and path != ":memory:":
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, _PRIVATE))
        os.chmod(path, _PRIVATE)

    @event.listens_for(engine, "connect")
    def overwrite(connection: DBAPIConnection, _: object) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA secure_delete = ON")
        cursor.close()
