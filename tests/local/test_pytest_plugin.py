"""The shipped fixtures in a project of a stranger: a directory with one test file."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

from tests.support.patience import PATIENCE

TEST = """
import json
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from pulse_plugins.local import speak, spell

async def test_words(pulse_server):
    server = await pulse_server(faults=["drop@word=2,connection=2"], max_words=3)
    url = server.url + "/waves/v1/pulse/get_text?language=en&format=false"
    texts = []
    for _ in range(2):
        async with connect(url, additional_headers={"Authorization": "Bearer k"}) as socket:
            try:
                await socket.send(speak([1, 2]).tobytes())
                await socket.send('{"type":"close_stream"}')
                messages = [json.loads(message) async for message in socket]
                texts.append(messages[-1]["transcript"])
            except ConnectionClosed:
                texts.append("dropped")
    assert texts == [f"{spell(1)} {spell(2)} ", "dropped"]

async def test_replay(pulse_replay, tmp_path):
    lines = [
        {"pulse_session": 1, "words": True},
        {"connection": 1, "at": 0.0, "opened": {"path": "/x", "query": {}}},
        {"connection": 1, "at": 0.1, "got": "hello"},
        {"connection": 1, "at": 0.1, "closed": 1000, "by": "server"},
    ]
    path = tmp_path / "session.jsonl"
    path.write_text("\\n".join(json.dumps(line) for line in lines))
    server = await pulse_replay(path)
    async with connect(server.url + "/any", proxy=None) as socket:
        assert [message async for message in socket] == ["hello"]

def test_recording(pulse_audio):
    recording = pulse_audio("booking", 8000)
    assert recording.sample_rate == 8000 and recording.text
"""


def test_the_fixtures_work_in_a_project_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "test_agent.py").write_text(TEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "pulse_plugins.local.pytest_plugin",
             "-p", "pytest_asyncio.plugin",
         "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)],
        cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE,
        # Named above and not found by its entry point: so it works installed or not.
            env={"PYTHONPATH": str(root), "PATH": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )  # fmt: skip
    assert "3 passed" in done.stdout, done.stdout + done.stderr


def test_importing_the_plugin_loads_next_to_nothing() -> None:
    program = (
        "import json, sys, pytest, pytest_asyncio; before = set(sys.modules)\n"
        "import pulse_plugins.local.pytest_plugin\n"
        "new = set(sys.modules) - before\n"
        "print(json.dumps([m for m in new if m.split('.')[0] != 'pulse_plugins']))\n"
        "print(json.dumps([m[14:] for m in new if m.startswith('pulse_plugins.')]))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    foreign, ours = (set(json.loads(line)) for line in done.stdout.splitlines())
    assert foreign == set(), done.stderr
    assert ours <= {"version", "local", "local.pytest_plugin"}


def test_the_entry_point_names_the_plugin() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    (value,) = project["entry-points"]["pytest11"].values()
    module = EntryPoint(name="pulse", value=value, group="pytest11").load()
    assert module.pulse_server
    assert module.pulse_replay
    assert module.pulse_audio
