"""Where bookings stand: SQLite by default, any database that SQLAlchemy knows by its URL."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date, time
from threading import Lock
from typing import TypeVar

from sqlalchemy import Date, Engine, Integer, String, Time, create_engine, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.pool import NullPool

T = TypeVar("T")
DEFAULT_URL = "sqlite:///bookings.db"


@dataclass(frozen=True, slots=True)
class Booking:
    """A table for some people at some time; a phone number to call back."""

    party: int
    day: date
    time: time
    name: str
    phone: str


class BookingError(RuntimeError):
    """The database cannot be reached or written; the text holds no booking."""


def default_store() -> BookingStore:
    """Where `DATABASE_URL` says, by default a SQLite file here."""
    return BookingStore(os.environ.get("DATABASE_URL", DEFAULT_URL))


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
    """Writes and reads bookings in threads, so that a slow database never holds up a call.

    Args:
        url: SQLAlchemy's, such as `postgresql+psycopg://user@host/name`.
    """

    def __init__(self, url: str = DEFAULT_URL) -> None:
        self._engine: Engine = create_engine(url, poolclass=NullPool, hide_parameters=True)
        self._making = Lock()
        self._made = False

    async def add(self, booking: Booking) -> None:
        """Keep a booking.

        Raises:
            BookingError: The database refuses; nothing was written.
        """
        await self._run(self._add, booking)

    async def all(self) -> list[Booking]:
        """All bookings, oldest first.

        Raises:
            BookingError: The database cannot be read.
        """
        return await self._run(self._all)

    async def _run(self, work: Callable[..., T], *args: object) -> T:
        try:
            return await asyncio.to_thread(work, *args)
        except SQLAlchemyError as error:
            raise BookingError(f"the database failed: {type(error).__name__}") from None

    def _add(self, booking: Booking) -> None:
        with self._session() as session:
            session.add(_Row(**asdict(booking)))
            session.commit()

    def _all(self) -> list[Booking]:
        with self._session() as session:
            rows = session.scalars(select(_Row).order_by(_Row.id))
            return [Booking(r.party, r.day, r.time, r.name, r.phone) for r in rows]

    def _session(self) -> Session:
        with self._making:  # of two first calls at once, one makes the table
            if not self._made:
                _Base.metadata.create_all(self._engine)
                self._made = True
        return Session(self._engine)
