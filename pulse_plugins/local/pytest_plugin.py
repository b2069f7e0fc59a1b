"""Fixtures that let a project test its own voice agent without the service or a key.

    async def test_my_agent(pulse_server, pulse_audio):
        server = await pulse_server(faults=["drop@audio=2"])
        recording = pulse_audio("booking")
        ...  # point the agent at server.url and play recording.samples

    async def test_my_agent_again(pulse_replay):
        server = await pulse_replay("session.jsonl")  # what `pulse-plugins record` wrote
        ...

pytest loads this module in every project that has the package installed, so it imports nothing
before a fixture is used. `pulse_server` needs a plugin that runs async fixtures, such as
pytest-asyncio in its `auto` mode; else use `PulseServer` as a context manager.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import pytest

if TYPE_CHECKING:
    from pulse_plugins.local.faults import Fault
    from pulse_plugins.local.recognizers.contract import Recognizer
    from pulse_plugins.local.recordings import Recording
    from pulse_plugins.local.server import PulseServer
    from pulse_plugins.local.sessions.replay import ReplayServer


class StartServer(Protocol):
    """Starts a local server that stops with the test."""

    async def __call__(
        self,
        recognizer: Recognizer | str = "scripted",
        *,
        faults: Iterable[Fault | str] = (),
        **options: Any,
    ) -> PulseServer:
        """Start a server.

        Args:
            recognizer: A recognizer, or `scripted`, `pocketsphinx` or `package.module:factory`.
            faults: The faults, as values or in the compact form.
            options: Fields of `ServerOptions`.
        """
        ...


class LoadRecording(Protocol):
    """Reads a shipped call."""

    def __call__(self, name: str = "booking", rate: Literal[8000, 16000] = 16_000) -> Recording:
        """The call's samples, its turns and the reference text."""
        ...


class StartReplay(Protocol):
    """Starts a server that answers from a recorded session and stops with the test."""

    async def __call__(self, session: str | Path, *, paced: bool = False) -> ReplayServer:
        """Start a server.

        Args:
            session: The path of a file that `pulse-plugins record` wrote.
            paced: Send no message earlier in its connection than in the recording.
        """
        ...


async def _replays() -> AsyncIterator[StartReplay]:
    from pulse_plugins.local.sessions.replay import ReplayServer

    async with AsyncExitStack() as stack:

        async def start(session: str | Path, *, paced: bool = False) -> ReplayServer:
            return await stack.enter_async_context(ReplayServer(session, paced=paced))

        yield start


async def _servers() -> AsyncIterator[StartServer]:
    from pulse_plugins.local.server import PulseServer
    from pulse_plugins.local.settings import ServerOptions

    async with AsyncExitStack() as stack:

        async def start(
            recognizer: Recognizer | str = "scripted",
            *,
            faults: Iterable[Fault | str] = (),
            **options: Any,
        ) -> PulseServer:
            made = ServerOptions(recognizer=recognizer, **options)
            return await stack.enter_async_context(PulseServer(made, faults=faults))

        yield start


try:
    from pytest_asyncio import fixture as _async_fixture
except ImportError:  # another plugin may run async fixtures
    pulse_server: object = pytest.fixture(name="pulse_server")(_servers)
    pulse_replay: object = pytest.fixture(name="pulse_replay")(_replays)
else:
    pulse_server = _async_fixture(name="pulse_server")(_servers)
    pulse_replay = _async_fixture(name="pulse_replay")(_replays)


@pytest.fixture
def pulse_audio() -> LoadRecording:
    """Read a shipped recording with its reference text."""
    from pulse_plugins.local import recordings

    def load(name: str = "booking", rate: Literal[8000, 16000] = 16_000) -> Recording:
        return recordings.load(name, rate)

    return load
