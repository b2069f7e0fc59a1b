"""Programs of the shapes that the service's documents show, with only the URL changed.

The same order of messages, the same queries and the same ways to read an answer, in Python and
JavaScript. One shape of the documents asks with `finalize` alone and then waits for `is_last`: the
service sends that after `close_stream` only, and so does the local server. What such a program
prints is complete; it has to be stopped.
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

SAMPLES = Path(__file__).with_name("samples")
SAID = [spell(number) for number in range(8)]
DEADLINE = 30.0
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


def _has_ws() -> bool:
    if _NODE is None:
        return False
    found = subprocess.run([_NODE, "-e", "require('ws')"], capture_output=True, check=False)
    return found.returncode == 0


async def run(sample: str, call: Path, *, until: str | None = None) -> list[str]:
    """The lines that a sample prints against the local server, to its end or to a word."""
    runner = sys.executable if sample.endswith(".py") else str(_NODE)
    async with asyncio.timeout(DEADLINE), PulseServer("scripted") as server:
        process = await asyncio.create_subprocess_exec(
            runner,
            str(SAMPLES / sample),
            str(call),
            stdout=subprocess.PIPE,
            env={
                **os.environ,
                "PULSE_URL": server.url,
                "PULSE_HTTP_URL": server.http_url,
                "SMALLEST_API_KEY": "not-a-key",
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


@pytest.mark.process
async def test_a_stream_of_the_older_endpoint(call: Path) -> None:
    said = [json.loads(line) for line in await run("legacy_stream.py", call)]
    last = [each for each in said if each["is_final"]]
    assert words(" ".join(each["transcript"] for each in last)) == SAID
    assert said[-1]["is_last"]
    assert any(not each["is_final"] for each in said)
    assert [w["word"].lower().strip(".,") for each in last for w in each.get("words", ())] == SAID


@pytest.mark.process
async def test_a_microphone(call: Path) -> None:
    lines = await run("microphone.py", call)
    assert finals(lines) == SAID
    assert any(line.startswith("interim") for line in lines)


@pytest.mark.process
@pytest.mark.parametrize("sample", ["upload.py", "upload.cjs"])
async def test_an_upload(sample: str, call: Path) -> None:
    if sample.endswith(".cjs") and _NODE is None:
        pytest.skip("needs Node.js")
    assert finals(await run(sample, call)) == SAID


async def test_a_program_that_only_finalizes_prints_every_word(call: Path) -> None:
    if not _has_ws():
        pytest.skip("needs Node.js and its package ws (NODE_PATH says where)")
    assert finals(await run("finalize_only.cjs", call, until=SAID[-1])) == SAID
