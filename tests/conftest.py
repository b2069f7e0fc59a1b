"""What holds for every test: its clock, no secret in a log, and no task left behind."""

from __future__ import annotations

import asyncio
import atexit
import gc
import inspect
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import HealthCheck, settings

from pulse_plugins.core.session.endpoint_health import shared_health
from tests.support.privacy import API_KEY, Watch, watching
from tests.support.programs import Preloading
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
_DECIDING = frozenset(spelled for name in _DECIDES for spelled in (name, name.lower()))
_PRELOADING = pytest.StashKey[Preloading]()
_SETTLE = 2.0  # seconds that a task may take to end after the test is over

# What has no socket and no process in it, by folder; files elsewhere are marked where they are.
_UNIT_FOLDERS = tuple(
    f"tests/core/{name}/"
    for name in ("audio", "base", "config", "observe", "session", "transcript", "wire")
)

# Files that take longest on an idle machine, in this order; most of it they wait for real time.
FIRST = {
    f"tests/{name}.py": place
    for place, name in enumerate(
        (
            "phone_agent/test_browser",
            "phone_agent/test_calls",
            "test_documented_programs",
            "livekit/test_context",
            "pipecat/test_context",
            "cli/transcribe/test_transcribe",
            "local/test_pocketsphinx",
            "cli/media/test_corpus",
            "pipecat/test_local_server",
            "cli/transcribe/test_command",
            "local/test_documented_samples",
            "core/test_calls",
            "local/test_uploads",
            "cli/test_live",
            "cli/test_extras",
            "core/test_stream_faults",
            "core/test_session_properties",
            "cli/test_demo",
            "local/test_official_clients",
            "phone_agent/test_livekit_worker",
            "phone_agent/test_crowd",
            "cli/test_terminal",
        )
    )
}

# Examples of each property: few for every run, more in continuous integration, and fresh ones
# every night. A failure of the nightly run prints the line that repeats it.
_COMMON = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))
settings.register_profile("few", _COMMON, max_examples=25, derandomize=True)
settings.register_profile("ci", _COMMON, max_examples=150, derandomize=True)
settings.register_profile("nightly", _COMMON, max_examples=1000, print_blob=True)
settings.load_profile("few")  # `--hypothesis-profile` comes later, and wins


def pytest_configure(config: pytest.Config) -> None:
    """Prepare the process."""
    # NumPy is not imported yet. Its matrix products here are small: with threads for each they
    # take four times the CPU time, which slows the other workers down.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Imports and test items are a million objects that live to the end: the collector need not
    # look at them again and again. `pytest_collection_finish` starts it.
    gc.disable()
    if not hasattr(config, "workerinput"):  # one for all workers
        config.stash[_PRELOADING] = Preloading()


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """An async test runs in virtual time, unless it is marked `process`."""
    if item.get_closest_marker("process") is not None:
        return {"real": asyncio.new_event_loop}
    return {"virtual": VirtualLoop}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With `-m unit`, do not import the files that hold no unit test.

    Most of them import a framework, and each worker imports all that it collects.
    """
    if config.getoption("markexpr") != "unit" or collection_path.suffix != ".py":
        return None
    return None if may_hold_unit_tests(collection_path, config.rootpath) else True


def may_hold_unit_tests(path: Path, root: Path) -> bool:
    """Whether a file may hold tests marked `unit`, by its folder and its text."""
    return path.relative_to(root).as_posix().startswith(_UNIT_FOLDERS) or (
        "pytest.mark.unit" in path.read_text(encoding="utf-8")
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the files first that wait for other processes, the longest before the others.

    A worker runs a whole file. A long one that begins last would keep a single worker busy while
    the others have nothing to do.
    """
    items.sort(key=lambda item: FIRST.get(item.nodeid.partition("::")[0], len(FIRST)))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Let the garbage collector look only at what tests make."""
    gc.freeze()
    gc.enable()
    # Extension modules report at the end of the process what is not collected.
    atexit.register(gc.unfreeze)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the process that starts programs."""
    if _PRELOADING in config.stash:
        config.stash[_PRELOADING].close()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what follows from a test's folder and kind, so that `-m` can select it."""
    is_async = inspect.iscoroutinefunction(getattr(item, "function", None))
    if item.nodeid.startswith(_UNIT_FOLDERS) and not is_async:
        item.add_marker(pytest.mark.unit)
    if is_async and item.get_closest_marker("process") is None:
        item.add_marker(pytest.mark.virtual)


@pytest.fixture(autouse=True)
def _unit_tests_stay_inside(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fail a test that is marked `unit` and opens a socket or starts a process."""
    if request.node.get_closest_marker("unit") is None:
        return

    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("a test with a socket or a process is no unit test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "bind", refuse)
    monkeypatch.setattr(subprocess, "Popen", refuse)


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key or proxy of the developer's own must not decide a test."""
    for name in _DECIDING & os.environ.keys():
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _unknown_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server of a former test, on the same port by chance, must not decide a test."""
    monkeypatch.setattr(shared_health, "_failures", {})


@pytest.fixture
def api_key() -> str:
    """A key that fails the test when it is logged."""
    return API_KEY


_loguru_sinks: list[Callable[[str], None]] = []  # of the test that runs
_loguru_handler = -1  # none yet


@contextmanager
def _loguru_also(lines: list[str]) -> Iterator[None]:
    """Add what Pipecat's logger writes, which does not pass through `logging`.

    One handler stays for all tests: to add one takes Loguru 2 ms. Some tests remove all handlers.
    """
    global _loguru_handler
    loguru = sys.modules.get("loguru")
    if loguru and _loguru_handler not in loguru.logger._core.handlers:
        _loguru_handler = loguru.logger.add(_to_the_test, level="INFO")
    _loguru_sinks.append(lines.append)
    try:
        yield
    finally:
        _loguru_sinks.clear()


def _to_the_test(line: str) -> None:
    for sink in _loguru_sinks:
        sink(line)


@pytest.fixture(autouse=True)
def private_logs() -> Iterator[Watch]:
    """Fail a test when a key or a marked transcript reached a log above debug."""
    with watching() as watch, _loguru_also(watch.lines):
        yield watch
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
