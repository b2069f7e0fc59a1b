"""The watchmen themselves: a leak must be seen, and who needs the whole machine must get it."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.machine import Machine
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


def test_debug_may_show_what_was_heard(private_logs: Watch) -> None:
    logging.getLogger("pulse_plugins.core").debug("heard %s", MARKED_WORD)
    assert len(private_logs.records) == 1
    assert private_logs.leaks() == []


async def _forever() -> None:
    await asyncio.Event().wait()


async def test_a_task_that_ends_late_is_no_leak() -> None:
    task = asyncio.create_task(_forever())
    asyncio.get_running_loop().call_later(0.05, task.cancel)


_ANOTHER_WORKER = """
import sys
from pathlib import Path
from tests.support.machine import Machine

machine = Machine(Path(sys.argv[1]))
machine.take(Path("another"), alone=False)
print("begins", flush=True)
input()
machine.leave(None)
"""


def _another_worker(lock: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _ANOTHER_WORKER, str(lock)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
    )


def test_a_file_that_is_alone_waits_for_the_others_and_they_for_it(tmp_path: Path) -> None:
    lock, file = tmp_path / "lock", Path("file")
    machine = Machine(lock)
    with (
        _another_worker(lock) as before,
        ThreadPoolExecutor(1) as here,  # as one worker: it waits in the same thread as it leaves
        ThreadPoolExecutor(1) as there,
    ):
        assert before.stdout is not None
        assert before.stdout.readline() == "begins\n"
        taken = here.submit(machine.take, file, alone=True)
        with pytest.raises(TimeoutError):
            taken.result(0.3)
        before.communicate("over\n")
        taken.result(10)
        with _another_worker(lock) as after:
            assert after.stdout is not None
            begun = there.submit(after.stdout.readline)
            for _ in range(2):  # of the same file
                here.submit(machine.take, file, alone=True).result(10)
                here.submit(machine.leave, file).result(10)
            with pytest.raises(TimeoutError):
                begun.result(1.5)
            here.submit(machine.leave, Path("next")).result(10)
            assert begun.result(10) == "begins\n"
            after.communicate("over\n")
