"""The documents say what is so: commands, names, links and tables.

`test_documented_programs.py` runs their programs.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import json
import re
import shlex
from pathlib import Path

import pytest
import typer.main
from livekit.plugins import smallestai
from pipecat.services.smallest.stt import SmallestSTTService

import pulse_plugins.livekit
import pulse_plugins.pipecat
from docs import options_table, tables
from pulse_plugins.cli.application import app
from tests.support.pages import CODE, FENCE, LINK, PAGES, ROOT, blocks, named


def test_the_readme_has_the_two_commands() -> None:
    commands = [code.strip() for page, code in blocks("shell") if page.name == "README.md"]
    assert commands[:2] == [
        'python -m pip install -e ".[all]" && pulse-plugins demo',
        'python -m pip install -e ".[dev]" && python -m pytest',
    ]


@pytest.mark.parametrize(("page", "code"), list(blocks("json")), ids=named)
def test_every_json_example_is_valid(page: Path, code: str) -> None:
    assert isinstance(json.loads(code), dict)


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
