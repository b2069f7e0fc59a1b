"""`demo`: what README's first command shows, through both real frameworks."""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from pulse_plugins.cli import demo as command
from pulse_plugins.cli.exits import CommandError, Exit
from pulse_plugins.local import PulseServer, ServerOptions, recordings
from tests.cli.rig import program
from tests.support import livekit_time, sphinx  # noqa: F401 - both make their subject follow the clock
from tests.support.patience import PATIENCE
from tests.support.programs import running


async def demo(*words: str) -> tuple[int, list[dict[str, Any]], str]:
    """Run it in virtual time in its own process, as it silences the frameworks' logs."""
    async with program("demo", "--json", *words, virtual=True) as running:
        lines = []
        while line := await running.line():
            lines.append(json.loads(line))
        ended = await running.ended()
    return ended.code, lines, ended.err


async def test_both_frameworks_hear_every_word_in_spite_of_a_drop(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In virtual time: a machine that is too slow for the recognizer would connect again."""
    code = await command._demo(
        ("pipecat", "livekit"),
        file=None,
        recording="booking",
        telephone=False,
        language_model="bookings",
        cloud=False,
        drop=True,
        as_json=True,
    )
    shown = capsys.readouterr()
    assert code == Exit.OK, shown.err
    lines = [json.loads(line) for line in shown.out.splitlines()]
    results = [line for line in lines if line["event"] == "result"]
    assert [each["framework"] for each in results] == ["pipecat", "livekit"]
    for each in results:
        assert each["word_error_rate"] < 0.05
        assert each["reconnects"] == 1
        assert each["replayed_seconds"] > 0
        assert each["lost_seconds"] == 0
        assert each["turns"] >= 1
        assert len(each["seconds_to_final"]) == 2
    assert "Traceback" not in shown.err


@pytest.mark.process
async def test_a_file_of_one_s_own_as_a_telephone_hears_it() -> None:
    path = recordings.load("change", 8000).path
    code, lines, err = await demo("--framework", "pipecat", str(path))
    assert code == Exit.OK, err
    (result,) = [line for line in lines if line["event"] == "result"]
    assert result["word_error_rate"] is None  # nobody wrote down what is said in it
    assert result["words"] > 10
    assert [line["event"] for line in lines].count("interim") > 5


@pytest.mark.process
async def test_a_cut_wire_is_not_for_the_cloud() -> None:
    code, _, err = await demo("--cloud", "--drop")
    assert code == Exit.USAGE
    assert "Traceback" not in err


@pytest.mark.process
async def test_the_cloud_needs_a_key() -> None:
    code, lines, err = await demo("--cloud", "--framework", "pipecat")
    assert code == Exit.CONFIGURATION
    (line,) = lines
    assert line["event"] == "error"
    assert line["message"].endswith("set SMALLEST_API_KEY, or leave out --cloud")
    assert "Traceback" not in err


@pytest.mark.parametrize("framework", ["pipecat", "livekit"])
@pytest.mark.parametrize(
    ("status", "code", "text"),
    [(401, Exit.CONFIGURATION, "does not accept the key"), (503, Exit.CONNECTION, "failed")],
)
async def test_a_service_that_takes_no_call_is_told_with_its_reason(
    framework: str, status: int, code: Exit, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = [f"refuse={status}@times=0"]
    async with PulseServer(ServerOptions(recognizer="scripted"), faults=refusals) as server:
        monkeypatch.setattr(command, "CLOUD_URL", server.url)
        with pytest.raises(CommandError, match=text) as caught:
            await command._demo(
                (framework,),
                file=None,
                recording="booking",
                telephone=False,
                language_model="bookings",
                cloud=True,
                drop=False,
                as_json=True,
            )
    assert caught.value.code == code


class _Unread(io.StringIO):
    """An output whose reader has gone away after the first lines, as with `| head`."""

    def write(self, text: str) -> int:
        if self.tell() > 200:
            raise BrokenPipeError
        return super().write(text)


@pytest.mark.parametrize("framework", ["pipecat", "livekit"])
@pytest.mark.parametrize("as_json", [True, False])
async def test_without_a_reader_the_demo_ends(
    framework: str, as_json: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys, "stdout", _Unread())
    with pytest.raises(BrokenPipeError):
        await command._demo(
            (framework,),
            file=None,
            recording="booking",
            telephone=False,
            language_model="bookings",
            cloud=False,
            drop=False,
            as_json=as_json,
        )
    assert "Traceback" not in caplog.text


@pytest.mark.process
async def test_a_refused_key_is_one_line_in_livekit(tmp_path: Path) -> None:
    """LiveKit logs a traceback. The demo has no option for another server than the service."""
    program = tmp_path / "program.py"
    program.write_text(
        "import sys\n"
        "from pulse_plugins.cli import application, demo\n"
        "demo.CLOUD_URL = sys.argv[1]\n"
        "demo.target.check_key = lambda *_, **__: None\n"
        "sys.exit(application.run(['demo', '--cloud', '--framework', 'livekit']))\n"
    )
    refusals = ["refuse=401@times=0"]
    async with PulseServer(ServerOptions(recognizer="scripted"), faults=refusals) as server:
        arguments = (str(program), server.url)
        async with running(*arguments, environment=dict(os.environ)) as demo:
            _, errors = await asyncio.wait_for(demo.communicate(), PATIENCE)
    assert demo.returncode == Exit.CONFIGURATION
    (line,) = errors.decode().splitlines()
    assert line.startswith("error: 127.0.0.1:")
    assert "does not accept the key" in line


@pytest.mark.parametrize(
    ("installed", "wanted", "played"),
    [
        ({"pipecat", "livekit"}, None, ("pipecat", "livekit")),
        ({"pipecat"}, None, ("pipecat",)),
        ({"livekit"}, None, ("livekit",)),
        (set(), None, ("pipecat", "livekit")),
        ({"pipecat"}, "both", ("pipecat", "livekit")),
        ({"pipecat"}, "livekit", ("livekit",)),
    ],
)
def test_without_a_choice_the_installed_frameworks_get_the_call(
    installed: set[str],
    wanted: command.Framework | None,
    played: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(command, "is_installed", lambda name: name.partition(".")[0] in installed)
    assert command.chosen_frameworks(wanted) == played
