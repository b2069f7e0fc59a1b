"""Each program of the examples ends at Ctrl-C, without a traceback."""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import date, time, timedelta
from pathlib import Path

import pytest

from examples.phone_agent import __main__ as agent
from examples.phone_agent import simulate_call
from examples.phone_agent.bookings import Booking, default_store
from examples.phone_agent.settings import SettingError, check_exposure
from pulse_plugins.local import PulseServer, ServerOptions
from tests.support.peer import peer
from tests.support.programs import running

AGENT = ("-m", "examples.phone_agent", "--port", "0")
PROGRAMS = {
    "agent": (AGENT, b"answers at"),
    "worker": (("-m", "examples.phone_agent.livekit_worker", "--call"), b"stand-in"),
    "livekit": (("examples/livekit_agent.py", "--file"), b""),
    "pipecat": (("examples/pipecat_pipeline.py", "--file"), b""),
}


@pytest.mark.process
@pytest.mark.parametrize("name", PROGRAMS)
async def test_ctrl_c_ends_it_without_a_traceback(name: str, tmp_path: Path) -> None:
    arguments, ready = PROGRAMS[name]
    async with peer() as server:
        variables = {
            **os.environ,
            "PULSE_URL": server.url,
            "DATABASE_URL": f"sqlite:///{tmp_path}/b.db",
            "PYTHONUNBUFFERED": "1",
        }
        async with running(*arguments, environment=variables, joined=True) as program:
            async with asyncio.timeout(50):
                while ready and ready not in (line := await program.stdout.readline()):
                    assert line, "the program ended"
                if not ready:
                    await server.until(lambda: bool(server.links))
                program.send_signal(signal.SIGINT)
                output = await program.stdout.read()
                code = await program.wait()
    assert b"Traceback" not in output, output.decode()
    assert code in (0, 130), output.decode()


@pytest.mark.process
@pytest.mark.parametrize("name", ["livekit", "pipecat"])
@pytest.mark.parametrize("file", ["missing.wav", "README.md", "."])
async def test_an_example_names_the_file_that_it_cannot_read(name: str, file: str) -> None:
    arguments, _ = PROGRAMS[name]
    async with running(*arguments, file, environment=dict(os.environ)) as program:
        _, errors = await asyncio.wait_for(program.communicate(), 50)
    assert program.returncode == 2
    assert f"{file} cannot be read".encode() in errors
    assert b"Traceback" not in errors


@pytest.mark.process
async def test_an_example_ends_when_the_key_is_refused() -> None:
    arguments, _ = PROGRAMS["livekit"]
    refusals = ["refuse=401@times=0"]
    async with PulseServer(ServerOptions(recognizer="scripted"), faults=refusals) as server:
        variables = {**os.environ, "PULSE_URL": server.url}
        async with running(*arguments, environment=variables) as program:
            _, errors = await asyncio.wait_for(program.communicate(), 50)
    assert b"401" in errors


@pytest.mark.process
async def test_the_agent_says_what_is_missing_to_listen_beyond_this_machine() -> None:
    variables = {**os.environ, "TWILIO_AUTH_TOKEN": ""}
    async with running(*AGENT, "--host", "0.0.0.0", environment=variables) as program:
        _, errors = await asyncio.wait_for(program.communicate(), 50)
    assert program.returncode == 1
    assert b"without TWILIO_AUTH_TOKEN" in errors
    assert b"Traceback" not in errors


@pytest.mark.parametrize(
    "words",
    [
        ("--port", "99999"),
        ("--port", "-1"),
        ("--calls", "0"),
        ("--calls", "many"),
        ("--browser-calls", "-1"),
        ("--most-minutes", "0"),
        ("--most-minutes", "nan"),
    ],
)
def test_the_agent_refuses_numbers_that_cannot_work(
    words: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["agent", *words])
    with pytest.raises(SystemExit) as caught:
        agent.main()
    assert caught.value.code == 2
    assert f"argument {words[0]}" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["nonsense", "http://agent.example", "https://", "https://["])
def test_a_public_url_that_twilio_cannot_call_is_refused(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBLIC_URL", url)
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "secret")
    with pytest.raises(SettingError, match=r"such as https://agent\.example"):
        check_exposure("127.0.0.1")


@pytest.mark.parametrize("name", ["call.txt", "missing/call.wav"])
def test_the_caller_finds_out_before_the_call_that_it_cannot_be_saved(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["caller", "--save", str(tmp_path / name)])
    with pytest.raises(SystemExit) as caught:
        simulate_call.main()
    assert caught.value.code == 2
    assert "name a .wav file" in capsys.readouterr().err


@pytest.mark.process
async def test_without_an_agent_the_caller_says_how_to_start_one(tmp_path: Path) -> None:
    arguments = ("-m", "examples.phone_agent.simulate_call", "--url", "http://127.0.0.1:9/twilio")
    variables = {**os.environ, "DATABASE_URL": f"sqlite:///{tmp_path}/b.db"}
    async with running(*arguments, environment=variables) as program:
        _, errors = await asyncio.wait_for(program.communicate(), 50)
    assert program.returncode == 1
    assert b"start the agent with `python -m examples.phone_agent`" in errors


@pytest.mark.parametrize("books", [True, False])
async def test_the_caller_shows_the_booking_of_its_own_call_only(
    books: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The call books what an earlier call booked too, so the two bookings are equal."""
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/b.db")
    booking = Booking(4, date.today() + timedelta(days=1), time(19, 30), "Ann Lee", "5550142")
    store = default_store()
    await store.add(booking)

    async def call(*_: object) -> simulate_call.Outcome:
        if books:
            await store.add(booking)
        return simulate_call.Outcome()

    monkeypatch.setattr(simulate_call, "call", call)
    await simulate_call.make_call("http://127.0.0.1:1/twilio", "book", None)
    shown = booking.in_words if books else "none"
    assert capsys.readouterr().out == f"new booking in the database: {shown}\n"
