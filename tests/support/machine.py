"""Who has the machine: tests of several workers at once, or one file of tests alone."""

from __future__ import annotations

from pathlib import Path

from filelock import ReadWriteLock


class Machine:
    """The machine as one worker sees it.

    A test shares it with those of other workers. A file of tests that needs all of it waits until
    they have made room, and keeps it until it is left.

    Args:
        lock: A file, the same one for all workers.
    """

    def __init__(self, lock: Path) -> None:
        self._lock = ReadWriteLock(lock)
        self._kept_for: Path | None = None

    def take(self, file: Path, *, alone: bool) -> None:
        """Wait for a place, for a test of this file."""
        if self._kept_for is None:
            if alone:
                self._lock.acquire_write()
                self._kept_for = file
            else:
                self._lock.acquire_read()

    def leave(self, next_file: Path | None) -> None:
        """Make room, unless the next test is of the file that is alone."""
        if self._kept_for is None or next_file != self._kept_for:
            self._lock.release()
            self._kept_for = None
