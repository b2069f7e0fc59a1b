"""What holds for every test: room on the machine, no secret in a log, and no task left behind."""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.machine import Machine
from tests.support.privacy import API_KEY, Watch, watching
from tests.support.virtual_time import VirtualLoop

_DECIDES = (
    "SMALLEST_API_KEY",
    "PULSE_API_KEY",
    "PULSE_URL",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "WS_PROXY",
    "WSS_PROXY",
    "POCKETSPHINX_PATH",
    "OPENAI_API_KEY",
    "DATABASE_URL",
    "BOOKINGS_KEEP_DAYS",
    "PUBLIC_URL",
    "TWILIO_ACCOUNT_SID",
    "TWILIO_AUTH_TOKEN",
    "TWILIO_SHARED_KEY_SECRET",
)
_SETTLE = 2.0  # seconds that a task may take to end after the test is over
_MACHINE = pytest.StashKey[Machine]()


def pytest_configure(config: pytest.Config) -> None:
    """Prepare the process, and the share of the machine of one of several workers."""
    # NumPy is not imported yet. Its matrix products here are small: with threads for each they
    # take four times the CPU time, which slows the other workers down.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if hasattr(config, "workerinput"):
        config.stash[_MACHINE] = Machine(Path(config.option.basetemp).parent / "machine.lock")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """An async test runs in virtual time, unless it is marked `process` or `alone`."""
    if _needs_real_clock(item):
        return {"real": asyncio.new_event_loop}
    return {"virtual": VirtualLoop}


def _needs_real_clock(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(name) is not None for name in ("process", "alone"))


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what runs in virtual time, so that `-m virtual` selects it."""
    if inspect.iscoroutinefunction(getattr(item, "function", None)) and not _needs_real_clock(item):
        item.add_marker(pytest.mark.virtual)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, bool, bool]:
    """Wait for the machine before the test's time begins to count."""
    machine = item.config.stash.get(_MACHINE, None)
    if machine is None:
        return (yield)
    machine.take(item.path, alone=item.get_closest_marker("alone") is not None)
    try:
        return (yield)
    finally:
        machine.leave(nextitem.path if nextitem else None)


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key or proxy of the developer's own must not decide a test."""
    for name in _DECIDES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def api_key() -> str:
    """A key that fails the test when it is logged."""
    return API_KEY


@pytest.fixture(autouse=True)
def private_logs() -> Iterator[Watch]:
    """Fail a test when a key or a marked transcript reached a log above debug."""
    with watching() as watch:
        loguru = sys.modules.get("loguru")  # Pipecat's; it does not pass through `logging`
        sink = loguru.logger.add(watch.lines.append, level="INFO") if loguru else None
        try:
            yield watch
        finally:
            if loguru and sink is not None:
                loguru.logger.remove(sink)
    leaks = watch.leaks()
    assert not leaks, f"secrets reached a log: {', '.join(leaks)}"


@pytest.fixture(autouse=True)
def _no_leaked_tasks(request: pytest.FixtureRequest) -> None:
    """Fail an async test that leaves one of our tasks running."""
    if inspect.iscoroutinefunction(getattr(request, "function", None)):
        request.getfixturevalue("leaked_tasks")


@pytest.fixture
async def leaked_tasks() -> AsyncIterator[None]:
    """Wait for the tasks that the test started, and fail on those that stay.

    Tasks of a framework's own are the framework's affair.
    """
    before = asyncio.all_tasks()
    yield
    ours = {task for task in asyncio.all_tasks() - before if _is_ours(task)}
    ours.discard(asyncio.current_task())
    if ours:
        _, stuck = await asyncio.wait(ours, timeout=_SETTLE)
        assert not stuck, f"leaked tasks: {sorted(task.get_name() for task in stuck)}"


def _is_ours(task: asyncio.Task[object]) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    return code is None or not any(
        f"/{name}/" in code.co_filename.replace("\\", "/")
        for name in ("site-packages/pipecat", "site-packages/livekit", "site-packages/pytest")
    )
