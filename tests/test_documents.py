"""The documents say what is so: commands, code, names, links and tables."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
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
import typer.main
from livekit.plugins import smallestai
from pipecat.services.smallest.stt import SmallestSTTService

import pulse_plugins.livekit
import pulse_plugins.pipecat
from docs import options_table, tables
from pulse_plugins.cli.application import app
from tests.cli.rig import program
from tests.support import typed
from tests.support.patience import PATIENCE
from tests.support.programs import running

ROOT = Path(__file__).parent.parent
PATHS = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(#[\w-]*)?\)")


def blocks(language: str) -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        for found, code in FENCE.findall(page.read_text(encoding="utf-8")):
            if found == language:
                yield page, code


def named(value: object) -> str:
    return str(value.relative_to(ROOT)) if isinstance(value, Path) else ""


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


def test_the_readme_has_the_two_commands() -> None:
    commands = [code.strip() for page, code in blocks("shell") if page.name == "README.md"]
    assert commands[:2] == [
        'python -m pip install -e ".[all]" && pulse-plugins demo',
        'python -m pip install -e ".[dev]" && python -m pytest',
    ]


ELSEWHERE = {
    'python -m pip install -e ".[all]" && pulse-plugins demo',  # tests/cli/test_demo.py
    'python -m pip install -e ".[dev]" && python -m pytest',  # .ci/run
    'python -m pip install -e ".[dev]"',  # .ci/run
    "ruff format && ruff check && mypy && python -m pytest",  # .ci/run
    'python -m pip install -e ".[docs]" && zensical build --strict',  # .ci/run, with BUILD=1
    'python -m pip install -e ".[all]" pytest pytest-asyncio',  # as the first; two tools of tests
    "python -m pytest -o asyncio_mode=auto test_call.py",  # test_a_python_block_runs_as_typed...
    'python -m pip install -e ".[phone]" && python -m examples.phone_agent',  # tests/phone_agent
    "export PULSE_URL=ws://127.0.0.1:8765",  # test_a_block_runs_as_typed, in its environment
    "python -m examples.phone_agent.simulate_call",  # tests/phone_agent/test_calls.py
}


@pytest.mark.parametrize(("page", "code"), list(blocks("json")), ids=named)
def test_every_json_example_is_valid(page: Path, code: str) -> None:
    assert isinstance(json.loads(code), dict)


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


def commands() -> list[tuple[str, ...]]:
    """Every `pulse-plugins …` in the documents: in code, in blocks and in the help's examples."""
    found = set()
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        lines = CODE.findall(text) + [
            line for _, code in FENCE.findall(text) for line in code.split("&&")
        ]
        found |= {line.strip() for line in lines if line.strip().startswith("pulse-plugins")}
    for command in app.registered_commands:
        help_text = inspect.getdoc(command.callback) or ""
        examples = re.findall(r"^(pulse-plugins [^(\n]*)", help_text, re.MULTILINE)
        found |= {line.strip() for line in examples}
    return sorted(tuple(shlex.split(line)[1:]) for line in found if line != "pulse-plugins")


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_and_option_in_the_documents_exists(words: tuple[str, ...]) -> None:
    group = typer.main.get_command(app)
    if words[0].startswith("-"):
        known = {name for each in group.params for name in each.opts}
    else:
        context = group.make_context("pulse-plugins", [], resilient_parsing=True)
        command = group.get_command(context, words[0])  # type: ignore[attr-defined]
        assert command is not None, words[0]
        known = {name for each in command.params for name in each.opts + each.secondary_opts}
    used = {word.partition("=")[0] for word in words if word.startswith("-") and word != "-"}
    assert used <= known | {"--help", "-h"}


def names() -> list[str]:
    """Dotted names of this package in the documents."""
    found: set[str] = set()
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for code in [*CODE.findall(text), *re.findall(r"^::: (\S+)$", text, re.MULTILINE)]:
            found |= set(re.findall(r"\bpulse_plugins(?:\.\w+)+", code))
    return sorted(name for name in found if not name.endswith(".py"))


@pytest.mark.parametrize("name", names())
def test_every_name_of_the_package_in_the_documents_exists(name: str) -> None:
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for part in parts[count:]:
            found = getattr(found, part)
        return
    raise AssertionError(f"{name} does not exist")


_OURS = {
    name: getattr(pulse_plugins, name) for name in pulse_plugins.__all__ if name[0].isupper()
} | {"PulseSTTService": pulse_plugins.pipecat.PulseSTTService, "STT": pulse_plugins.livekit.STT}


def attributes() -> list[tuple[str, str]]:
    """`Class.name` of our classes in the documents."""
    found: set[tuple[str, str]] = set()
    for page in PAGES:
        for code in CODE.findall(page.read_text(encoding="utf-8")):
            found |= {(a, b) for a, b in re.findall(r"\b([A-Z]\w+)\.(\w+)", code) if a in _OURS}
    return sorted(found)


@pytest.mark.parametrize(("owner", "name"), attributes(), ids=".".join)
def test_every_attribute_in_the_documents_exists(owner: str, name: str) -> None:
    kind = _OURS[owner]
    here = (
        {each.name for each in dataclasses.fields(kind)} if dataclasses.is_dataclass(kind) else ()
    )
    source = inspect.getsource(kind) if inspect.isclass(kind) else ""
    assert name in here or hasattr(kind, name) or f"self.{name} = " in source


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_and_file_in_the_documents_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    images = re.findall(r'\b(?:src|srcset)="([^"]+)"', text)
    for target in [*images, *(target for target, _ in LINK.findall(text))]:
        assert not target or (page.parent / target).exists(), target
    for path in re.findall(r"`((?:pulse_plugins|tests|docs|examples|\.ci)/[\w./-]+)`", text):
        assert (ROOT / path).exists(), path


def anchors(page: Path) -> set[str]:
    """The anchors that the site's generator makes of a page's headings."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    plain = [re.sub(r"[^\w\s-]", "", heading).strip().lower() for heading in headings]
    return {re.sub(r"[-\s]+", "-", heading) for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_anchor_of_a_link_is_a_heading(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        if anchor and (not target or target.endswith(".md")):
            assert anchor[1:] in anchors(page.parent / target if target else page), target + anchor


CITATION = re.compile(
    r"protocol(?:\.md| page)[,:]?\s+sections?\s+((?:\d+(?:\.\d+)?(?:, | and | to )?)+)"
)


def citations() -> list[tuple[str, str]]:
    """Each section of the protocol page that the code names, and where."""
    found = set()
    for folder in ("pulse_plugins", "tests"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for numbers in CITATION.findall(path.read_text(encoding="utf-8")):
                each = re.findall(r"\d+(?:\.\d+)?", numbers)
                found |= {(str(path.relative_to(ROOT)), number) for number in each}
    return sorted(found)


def messages() -> list[str]:
    """The error texts in the first column of the page on faults, without statuses."""
    page = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    cells = re.findall(r"^\| ([^|]*) \|", page, re.MULTILINE)
    found = [code for cell in cells for code in CODE.findall(cell) if " " in code]
    return [text for text in found if not text.startswith("HTTP ")]


@pytest.mark.parametrize("text", messages())
def test_an_error_text_of_the_page_on_faults_is_in_the_code(text: str) -> None:
    source = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "pulse_plugins").rglob("*.py")
    )
    joined = re.sub(r'"\s*\n\s*f?"', "", source)  # a text may be split over several lines
    assert all(part.strip() in joined for part in re.split(r"…|=8000|wss:\S+|1008", text))


def test_every_cited_section_of_the_protocol_page_exists() -> None:
    page = (ROOT / "docs/protocol.md").read_text(encoding="utf-8")
    sections = set(re.findall(r"^##+ (\d+(?:\.\d+)?)\.? ", page, re.MULTILINE))
    assert len(citations()) > 5
    assert [cited for cited in citations() if cited[1] not in sections] == []


def test_the_site_lists_every_page() -> None:
    listed = set(re.findall(r": ([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE))
    assert listed == {str(p.relative_to(ROOT / "docs")) for p in (ROOT / "docs").rglob("*.md")}


def test_the_reference_of_options_is_up_to_date() -> None:
    """`python docs/options_table.py` writes it."""
    assert options_table.PAGE.read_text(encoding="utf-8") == options_table.page()


def test_the_tables_of_the_architecture_page_are_up_to_date() -> None:
    """`python docs/tables.py` writes them."""
    text = tables.PAGE.read_text(encoding="utf-8")
    assert text == tables.page(text)


def rows(page: str, heading: str) -> set[str]:
    """The first cells of the tables below a heading."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    section = text.split(heading, 1)[1].split("\n## ", 1)[0]
    return set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))


def test_every_argument_of_the_official_pipecat_service_is_in_the_table() -> None:
    theirs = set(inspect.signature(SmallestSTTService.__init__).parameters) - {"self"}
    settings = {each.name for each in dataclasses.fields(SmallestSTTService.Settings)}
    assert rows("switching.md", "## Pipecat") == theirs | settings
    ours = set(inspect.signature(pulse_plugins.pipecat.PulseSTTService.__init__).parameters)
    assert theirs <= ours
    mine = {each.name for each in dataclasses.fields(pulse_plugins.pipecat.PulseSTTSettings)}
    assert settings <= mine


def test_every_argument_of_the_official_livekit_plugin_is_in_the_table() -> None:
    theirs = set(inspect.signature(smallestai.STT.__init__).parameters) - {"self"}
    assert rows("switching.md", "## LiveKit") == theirs
    assert theirs <= set(inspect.signature(pulse_plugins.livekit.STT.__init__).parameters)


def test_the_documents_never_claim_the_service_was_tried() -> None:
    for page in ("README.md", "docs/index.md", "docs/protocol.md"):
        text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
        assert "was never run against the real service" in text


def test_contributing_names_every_package_of_the_engine_that_rules_live_in() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`pulse_plugins/core/(\w+)/`", text))
    packages = {path.parent.name for path in (ROOT / "pulse_plugins/core").glob("*/__init__.py")}
    assert packages - named <= {"base"}
    assert named <= packages


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=named)
def test_an_example_says_how_it_is_run(path: Path) -> None:
    doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    assert f"python examples/{path.name}" in doc
