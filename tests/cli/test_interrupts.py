"""The first Ctrl-C asks, the second one is as ever."""

from __future__ import annotations

import asyncio
import signal
import threading

import pytest

from pulse_plugins.cli.interrupts import first_interrupt
from tests.support.patience import PATIENCE

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(
        threading.current_thread() is not threading.main_thread(),
        reason="signals need the main thread",
    ),
]


async def test_the_first_one_calls_and_the_second_one_does_what_it_did_before() -> None:
    asked = asyncio.Event()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with first_interrupt(asked.set):
            signal.raise_signal(signal.SIGINT)
            async with asyncio.timeout(PATIENCE):
                await asked.wait()
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


async def test_after_the_block_and_where_it_is_ignored_nothing_has_changed() -> None:
    kept = signal.getsignal(signal.SIGINT)
    try:
        for handler in (signal.default_int_handler, signal.SIG_IGN):
            signal.signal(signal.SIGINT, handler)
            with first_interrupt(lambda: None):
                ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
            assert ignored is (handler is signal.SIG_IGN)
            assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, kept)
