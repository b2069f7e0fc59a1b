"""The loop in virtual time: it waits for sockets and threads, and for nothing else."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable

import anyio.to_thread
import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from tests.support import virtual_time
from tests.support.virtual_time import VirtualLoop, real_monotonic

_REAL_SLEEP = time.sleep


async def test_an_hour_passes_at_once_on_every_clock() -> None:
    real, loop = real_monotonic(), asyncio.get_running_loop()
    clocks: list[Callable[[], float]] = [
        loop.time,
        time.time,
        time.monotonic,
        time.perf_counter,
        lambda: time.time_ns() / 1e9,
        lambda: time.monotonic_ns() / 1e9,
        lambda: time.perf_counter_ns() / 1e9,
    ]
    before = [clock() for clock in clocks]
    await asyncio.sleep(3600)
    for clock, began in zip(clocks, before, strict=True):
        assert clock() - began == pytest.approx(3600, abs=0.01)
    assert real_monotonic() - real < 30


async def test_timers_run_in_their_order_and_at_their_time() -> None:
    loop = asyncio.get_running_loop()
    began, ran = loop.time(), list[tuple[str, float]]()

    def run(name: str) -> None:
        ran.append((name, loop.time() - began))

    for name, delay in (("late", 40.0), ("early", 0.25), ("middle", 3.0)):
        loop.call_later(delay, run, name)
    await asyncio.sleep(60)
    assert [name for name, _ in ran] == ["early", "middle", "late"]
    assert [at for _, at in ran] == pytest.approx([0.25, 3.0, 40.0], abs=0.01)


async def test_a_timeout_is_met_when_nothing_comes() -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(30):
            await asyncio.Event().wait()
    assert loop.time() - began == pytest.approx(30, abs=0.01)


async def test_what_is_under_way_on_a_socket_comes_before_a_timeout() -> None:
    async def echo(socket: ServerConnection) -> None:
        async for message in socket:
            await asyncio.sleep(0.3)
            await socket.send(message)

    loop = asyncio.get_running_loop()
    async with serve(echo, "127.0.0.1", 0, compression=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with connect(f"ws://127.0.0.1:{port}", compression=None) as client:
            began = loop.time()
            for number in range(200):
                await client.send(bytes([number]) * 100_000)
                async with asyncio.timeout(0.35):
                    assert await client.recv() == bytes([number]) * 100_000
            assert loop.time() - began == pytest.approx(200 * 0.3, abs=3)


@pytest.mark.parametrize(
    "work",
    [
        lambda: asyncio.to_thread(_REAL_SLEEP, 0.2),
        lambda: asyncio.get_running_loop().run_in_executor(None, _REAL_SLEEP, 0.2),
        lambda: anyio.to_thread.run_sync(_REAL_SLEEP, 0.2),
    ],
    ids=["to_thread", "executor", "anyio"],
)
async def test_a_thread_that_works_is_waited_for(work: Callable[[], Awaitable[None]]) -> None:
    async with asyncio.timeout(0.01):
        await work()


async def test_a_thread_that_waits_itself_does_not_stop_the_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(virtual_time, "_THREAD_PATIENCE", 0.1)
    loop, is_over = asyncio.get_running_loop(), asyncio.Event()

    def waits() -> None:
        asyncio.run_coroutine_threadsafe(is_over.wait(), loop).result(20)

    loop.call_later(1000, is_over.set)
    await asyncio.to_thread(waits)


async def test_who_polls_reaches_a_deadline() -> None:
    ends = time.monotonic() + 0.1
    while time.monotonic() < ends:  # noqa: ASYNC110 - code under test may poll like this
        await asyncio.sleep(0)


async def test_another_process_is_refused() -> None:
    with pytest.raises(RuntimeError, match="mark this test `process`"):
        await asyncio.create_subprocess_exec(sys.executable, "--version")


def test_the_clocks_are_real_again_afterwards() -> None:
    before = (time.time(), time.monotonic(), time.perf_counter())
    virtual_time.run(asyncio.sleep(1e6))
    after = (time.time(), time.monotonic(), time.perf_counter())
    for began, ended in zip(before, after, strict=True):
        assert 0 <= ended - began < 60


@pytest.mark.process
async def test_a_test_of_another_process_has_a_real_clock() -> None:
    assert not isinstance(asyncio.get_running_loop(), VirtualLoop)
    assert time.monotonic() == pytest.approx(real_monotonic(), abs=5)


async def test_every_other_async_test_has_a_virtual_one(request: pytest.FixtureRequest) -> None:
    assert isinstance(asyncio.get_running_loop(), VirtualLoop)
    assert request.node.get_closest_marker("virtual") is not None
