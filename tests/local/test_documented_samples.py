"""Programs of the shapes that the service's documents and others show, with only the URL changed.

The same order of messages, the same queries and the same ways to read an answer, in Python and
JavaScript, each with its own defaults. One shape of the documents asks with `finalize` alone and
then waits for `is_last`: the service sends that after `close_stream` only, and so does the local
server. What such a program prints is complete; it has to be stopped.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import wave
from pathlib import Path

import pytest

from pulse_plugins.local import PulseServer
from pulse_plugins.local.recognizers.scripted import speak, spell
from tests.support.patience import PATIENCE

SAMPLES = Path(__file__).with_name("samples")
SAID = [spell(number) for number in range(8)]
DEADLINE = PATIENCE
_NODE = shutil.which("node")


@pytest.fixture
def call(tmp_path: Path) -> Path:
    path = tmp_path / "call.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(speak(range(8), tail_seconds=0.4).tobytes())
    return path


# Node's own WebSocket, behind what the samples use of the package `ws`.
_STANDIN = SAMPLES / "standin"


def _command(sample: str) -> list[str]:
    if sample.endswith(".py"):
        return [sys.executable, str(SAMPLES / sample)]
    if _NODE is None:
        pytest.skip("needs Node.js")
    helped = subprocess.run([_NODE, "--experimental-websocket", "-e", "WebSocket"], check=False)
    flags = [] if helped.returncode else ["--experimental-websocket", "--no-warnings"]
    return [_NODE, *flags, str(SAMPLES / sample)]


async def run(sample: str, call: Path, *, until: str | None = None) -> list[str]:
    """The lines that a sample prints against the local server, to its end or to a word."""
    command = _command(sample)
    async with asyncio.timeout(DEADLINE), PulseServer("scripted") as server:
        process = await asyncio.create_subprocess_exec(
            *command,
            str(call),
            stdout=subprocess.PIPE,
            env={
                **os.environ,
                "PULSE_URL": server.url,
                "PULSE_HTTP_URL": server.http_url,
                "SMALLEST_API_KEY": "not-a-key",
                "NODE_PATH": os.pathsep.join((os.environ.get("NODE_PATH", ""), str(_STANDIN))),
            },
        )
        assert process.stdout is not None
        lines = []
        async for line in process.stdout:
            lines.append(line.decode().strip())
            if until is not None and until in lines[-1].lower() and "FINAL" in lines[-1]:
                process.kill()
        status = await process.wait()
        assert status == 0 or until is not None
    return lines


def finals(lines: list[str]) -> list[str]:
    return words(" ".join(line.removeprefix("FINAL") for line in lines if "FINAL" in line))


def words(text: str) -> list[str]:
    return text.lower().replace(".", "").replace(",", "").split()


pytestmark = pytest.mark.process


async def test_a_stream_of_the_older_endpoint(call: Path) -> None:
    said = [json.loads(line) for line in await run("legacy_stream.py", call)]
    last = [each for each in said if each["is_final"]]
    assert words(" ".join(each["transcript"] for each in last)) == SAID
    assert said[-1]["is_last"]
    assert any(not each["is_final"] for each in said)
    assert [w["word"].lower().strip(".,") for each in last for w in each.get("words", ())] == SAID


async def test_a_microphone(call: Path) -> None:
    lines = await run("microphone.py", call)
    assert finals(lines) == SAID
    assert any(line.startswith("interim") for line in lines)


@pytest.mark.parametrize("sample", ["upload.py", "upload.cjs"])
async def test_an_upload(sample: str, call: Path) -> None:
    assert finals(await run(sample, call)) == SAID


async def test_a_program_that_only_finalizes_prints_every_word(call: Path) -> None:
    assert finals(await run("finalize_only.cjs", call, until=SAID[-1])) == SAID


async def test_a_client_that_joins_the_finals_without_a_space(call: Path) -> None:
    lines = await run("captions.py", call)
    assert finals(lines) == SAID
    times = json.loads(lines[-1].removeprefix("TIMES"))
    assert len(times) == len(SAID)
    assert times == sorted(times)


async def test_a_client_that_reads_text_or_transcription_alone(call: Path) -> None:
    lines = await run("text_alone.py", call)
    assert finals(lines) == SAID
    assert any(line.startswith("interim") for line in lines)


async def test_subtitles_of_an_upload(call: Path) -> None:
    lines = await run("subtitles.py", call)
    assert finals(lines) == SAID
    assert lines[1].startswith("00:00:00,0")
    assert "speaker 0" in lines


async def test_a_provider_with_the_key_in_the_query(call: Path) -> None:
    assert finals(await run("provider.cjs", call)) == SAID
