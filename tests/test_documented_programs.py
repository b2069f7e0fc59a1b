"""Each program and each command of the documents runs as a reader would type it."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.cli.rig import program
from tests.support import typed
from tests.support.pages import FENCE, PAGES, ROOT, blocks, named
from tests.support.patience import PATIENCE
from tests.support.programs import running

PATHS = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
PYTHON = list(blocks("python"))
SNIPPETS = [pair for pair in PYTHON if pair[0].name != "CONTRIBUTING.md"]


class Block(NamedTuple):
    """A program of the documents, and the one variable that its environment needs."""

    code: str
    environment: str


def programs() -> dict[str, Block]:
    """Every Python block, and each side of every diff, by page and number.

    Python blocks get no key. A diff shows how to switch, which assumes one.
    """
    found = {}
    for number, (page, code) in enumerate(SNIPPETS):
        found[f"{named(page)}-{number}"] = Block(code, "PULSE_URL=ws://127.0.0.1:8765")
    for number, (page, code) in enumerate(blocks("diff")):
        for side in "-+":
            lines = [line[1:] for line in code.splitlines() if line[:1] in (side, " ")]
            block = Block("\n".join(lines), "SMALLEST_API_KEY=sk_0")
            found[f"{named(page)}-diff-{number}{side}"] = block
    return found


PROGRAMS = programs()


def run_as_typed(code: str, environment: str, folder: Path) -> str:
    """Run a block of the documents in a process of its own, as a reader would.

    A block with a test is run by pytest. Other blocks run in virtual time, as some play a call;
    their servers are their own. The environment holds no key unless one is given.

    Returns:
        What the process wrote if it failed, or an empty string.
    """
    variable, _, value = environment.partition("=")
    keyless = {name: each for name, each in os.environ.items() if name != "SMALLEST_API_KEY"}
    variables = {**keyless, "PYTHONPATH": PATHS, variable: value}
    if not re.search(r"^(async )?def test_", code, re.MULTILINE):
        (folder / "block.py").write_text(code, encoding="utf-8")
        return typed.run(folder / "block.py", variables, PATIENCE, virtual=True)
    (folder / "test_block.py").write_text(code, encoding="utf-8")
    pytest_of_its_own = ["-m", "pytest", "-o", "asyncio_mode=auto", "-p", "no:cacheprovider"]
    return typed.run(folder / "test_block.py", variables, PATIENCE, before=pytest_of_its_own)


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Block, Future[str]]]:
    """What became of each selected block; three run at once."""
    selected = {
        item.callspec.params["block"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.originalname == "test_a_block_runs_as_typed"
    }
    with ThreadPoolExecutor(3) as pool:
        yield {
            block: pool.submit(
                run_as_typed, block.code, block.environment, tmp_path_factory.mktemp("block")
            )
            for block in PROGRAMS.values()
            if block in selected
        }


@pytest.mark.parametrize("block", PROGRAMS.values(), ids=PROGRAMS)
def test_a_block_runs_as_typed(block: Block, outcomes: dict[Block, Future[str]]) -> None:
    assert outcomes[block].result() == ""


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import pulse_plugins.nothing", "ModuleNotFoundError"),
        ("print('so far', flush=True)\nimport time\ntime.sleep(60)", "so far"),
        ("raise SystemExit('no key')", "no key"),
        ("import sys\nassert 'pulse_plugins' in sys.modules", "AssertionError"),
    ],
    ids=["fails", "hangs", "ends with a message", "finds nothing of the package imported"],
)
def test_a_block_that_cannot_run_is_reported(code: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "block.py").write_text(code, encoding="utf-8")
    assert said in typed.run(tmp_path / "block.py", os.environ, 2 if "sleep" in code else PATIENCE)


def test_adding_a_parameter_is_one_field_as_contributing_says(tmp_path: Path) -> None:
    """The worked example, followed: in a copy of the file, nothing else is touched."""
    (line,) = [code for page, code in PYTHON if page.name == "CONTRIBUTING.md"]
    source = (ROOT / "pulse_plugins/core/config/options.py").read_text(encoding="utf-8")
    mark = "    diarize: bool | None ="
    assert source.count(mark) == 1
    (tmp_path / "changed.py").write_text(source.replace(mark, f"    {line.strip()}\n{mark}"))
    program = (
        "import sys, importlib.util\n"
        "spec = importlib.util.spec_from_file_location("
        f"'pulse_plugins.core.config.options', {str(tmp_path / 'changed.py')!r})\n"
        "module = importlib.util.module_from_spec(spec)\n"
        "sys.modules[spec.name] = module\n"
        "spec.loader.exec_module(module)\n"
        "import pulse_plugins.core; pulse_plugins.core.config.options = module\n"
        "url = 'ws://127.0.0.1:1'\n"
        "made = module.PulseOptions(base_url=url, profanity_filter=True)\n"
        "assert made.query()['profanity_filter'] == 'true'\n"
        "assert 'profanity_filter' not in module.PulseOptions(base_url=url).query()\n"
        "from pulse_plugins.livekit import STT\n"
        "stt = STT(base_url=url, profanity_filter=True)\n"
        "from pulse_plugins.cli import target\n"
        "made = target.options(url=url, language='en', dialect='pulse', "
        "settings=['profanity_filter=yes'])\n"
        "assert made.query()['profanity_filter'] == 'true'\n"
    )
    environment = {**os.environ, "PYTHONPATH": PATHS}
    subprocess.run([sys.executable, "-c", program], check=True, timeout=PATIENCE, env=environment)


ELSEWHERE = {
    'python -m pip install -e ".[all]" && pulse-plugins demo',  # tests/cli/test_demo.py
    'python -m pip install -e ".[dev]" && python -m pytest',  # .ci/run
    'python -m pip install -e ".[dev]"',  # .ci/run
    "ruff format && ruff check && mypy && python -m pytest",  # .ci/run
    'python -m pip install -e ".[docs]" && zensical build --strict',  # .ci/run, with BUILD=1
    'python -m pip install -e ".[all]" pytest pytest-asyncio',  # as the first; two tools of tests
    "python -m pytest -o asyncio_mode=auto test_call.py",  # test_a_block_runs_as_typed
    'python -m pip install -e ".[phone]" && python -m examples.phone_agent',  # tests/phone_agent
    "export PULSE_URL=ws://127.0.0.1:8765",  # test_a_block_runs_as_typed, in its environment
    "python -m examples.phone_agent.simulate_call",  # tests/phone_agent/test_calls.py
}


EXAMPLES = [code.strip() for _, code in blocks("shell") if code.startswith("python examples/")]
SERVERS = [pair for pair in blocks("shell") if pair[1].startswith("pulse-plugins serve")]


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_block_is_one_that_a_test_runs(page: Path) -> None:
    """Or output, or a picture, which are `text`."""
    text = page.read_text(encoding="utf-8")
    found = FENCE.findall(text)
    assert len(re.findall(r"^\s*(?:```|~~~)", text, re.MULTILINE)) == 2 * len(found)
    assert {language for language, _ in found} <= {"python", "shell", "text", "json", "diff"}
    here = {code.strip() for language, code in found if language == "shell"}
    run = {code.strip() for where, code in SERVERS if where == page}
    assert here <= run | ELSEWHERE | set(EXAMPLES)


@pytest.mark.process
@pytest.mark.parametrize("command", EXAMPLES)
async def test_an_example_runs_as_typed_without_a_key(command: str) -> None:
    """In virtual time: it plays a call, and a recognizer of its own listens."""
    _, *words = shlex.split(command)
    without = {"SMALLEST_API_KEY", "PULSE_URL"}
    variables = {name: value for name, value in os.environ.items() if name not in without}
    variables["PYTHONPATH"] = PATHS
    async with running(*words, environment=variables, joined=True, virtual=True) as process:
        out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
    assert "robert miller" in out.decode().lower()


@pytest.mark.process
@pytest.mark.parametrize(("page", "code"), SERVERS, ids=named)
async def test_a_server_of_the_documents_starts(page: Path, code: str) -> None:
    """On another port, so that it disturbs nobody."""
    (line,) = code.strip().splitlines()
    async with program(*shlex.split(line)[1:], "--port", "0", "--json") as running:
        assert json.loads(await running.line())["url"].startswith("ws://")
        running.terminate()
        assert (await running.ended()).code == 0
