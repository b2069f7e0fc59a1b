"""The checks of conftest: each must see what it is for."""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
import sys
from collections.abc import Callable

import loguru
import pytest

from tests.conftest import FIRST, may_hold_unit_tests
from tests.support.privacy import API_KEY, MARKED_WORD, Watch

Log = Callable[[logging.Logger], None]


def _raises(logger: logging.Logger) -> None:
    try:
        raise ValueError(f"refused {API_KEY}")
    except ValueError:
        logger.exception("it failed")


@pytest.mark.parametrize(
    "log",
    [
        pytest.param(lambda logger: logger.info("heard %s", MARKED_WORD), id="argument"),
        pytest.param(lambda logger: logger.warning("x", extra={"key": API_KEY}), id="extra"),
        pytest.param(lambda logger: logger.error("HEARD %s", MARKED_WORD.upper()), id="case"),
        pytest.param(_raises, id="traceback"),
    ],
)
def test_a_secret_above_debug_is_seen_whoever_logs_it(log: Log, private_logs: Watch) -> None:
    logger = logging.getLogger("somebody.else")
    logger.propagate = False  # not even a handler of the root logger would see it
    logger.setLevel(logging.DEBUG)
    logger.addHandler(logging.NullHandler())
    log(logger)
    assert len(private_logs.leaks()) == 1
    private_logs.records.clear()  # seen, and meant


@pytest.mark.parametrize("removed", [True, False])  # a test may remove all handlers
def test_a_secret_in_pipecats_log_is_seen(removed: bool, private_logs: Watch) -> None:
    loguru.logger.info(f"heard {MARKED_WORD}")
    assert private_logs.leaks() == [f"loguru: {MARKED_WORD}"]
    private_logs.lines.clear()
    if removed:
        loguru.logger.remove()


def test_debug_may_show_what_was_heard(private_logs: Watch) -> None:
    logging.getLogger("pulse_plugins.core").debug("heard %s", MARKED_WORD)
    assert len(private_logs.records) == 1
    assert private_logs.leaks() == []


async def _forever() -> None:
    await asyncio.Event().wait()


async def test_a_task_that_ends_late_is_no_leak() -> None:
    task = asyncio.create_task(_forever())
    asyncio.get_running_loop().call_later(0.05, task.cancel)


@pytest.mark.unit
def test_a_unit_test_can_open_no_socket_and_start_no_process() -> None:
    with socket.socket() as made, pytest.raises(AssertionError, match="no unit test"):
        made.connect(("127.0.0.1", 1))
    with pytest.raises(AssertionError, match="no unit test"):
        subprocess.run([sys.executable, "--version"])


@pytest.mark.unit
def test_files_that_wait_run_first_and_each_of_them_exists(request: pytest.FixtureRequest) -> None:
    folder = request.config.rootpath
    assert [name for name in FIRST if not (folder / name).is_file()] == []
    files = [item.nodeid.partition("::")[0] for item in request.session.items]
    ranks = [FIRST.get(file, len(FIRST)) for file in files]
    assert ranks == sorted(ranks)


@pytest.mark.unit
def test_no_file_with_a_unit_test_is_left_out_of_a_run_of_unit_tests(
    request: pytest.FixtureRequest,
) -> None:
    root = request.config.rootpath
    files = {item.path for item in request.session.items if item.get_closest_marker("unit")}
    assert [file for file in files if not may_hold_unit_tests(file, root)] == []


@pytest.mark.unit
@pytest.mark.parametrize(("name", "held"), [("test_conftest", True), ("livekit/test_stt", False)])
def test_a_file_without_a_unit_test_is_left_out_of_a_run_of_unit_tests(
    name: str, held: bool, request: pytest.FixtureRequest
) -> None:
    root = request.config.rootpath
    assert may_hold_unit_tests(root / "tests" / f"{name}.py", root) is held
