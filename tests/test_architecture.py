"""The arrows of the house, read from the imports: who may know whom, and who may wait."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

PACKAGE = Path(__file__).parent.parent / "pulse_plugins"

# The packages of `core`, lowest first. A file imports its own package and packages of lower floors.
FLOORS = ("base", "config audio wire", "transcript observe", "session", "client")
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names.split()}

CLOCKS = {"time", "datetime", "asyncio", "threading", "sched"}
SOCKETS = {"socket", "ssl", "websockets", "aiohttp", "httpx", "requests"}
FRAMEWORKS = {"pipecat", "livekit"}


def files(folder: str = "") -> list[Path]:
    return sorted((PACKAGE / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE).with_suffix(""))


def imported(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever the import stands, type checking apart."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            yield node.module or ""


def of_core(path: Path) -> set[str]:
    """The packages of `core` that a file imports."""
    return {name.split(".")[2] for name in imported(path) if name.startswith("pulse_plugins.core.")}


def package(path: Path) -> str:
    """The package of `core` that a file belongs to."""
    parts = path.relative_to(PACKAGE / "core").parts
    return parts[0] if len(parts) > 1 else ""


def core_files() -> list[Path]:
    return [path for path in files("core") if package(path)]


def roots(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imported(path)}


def test_every_file_of_core_belongs_to_a_package() -> None:
    assert {package(path) for path in files("core")} - {""} == set(FLOOR)


@pytest.mark.parametrize("path", core_files(), ids=name_of)
def test_core_imports_its_own_package_and_lower_floors_only(path: Path) -> None:
    mine = package(path)
    assert not {other for other in of_core(path) - {mine} if FLOOR[other] >= FLOOR[mine]}


@pytest.mark.parametrize("path", files("core"), ids=name_of)
def test_core_knows_nobody_above_it(path: Path) -> None:
    outside = {name for name in imported(path) if name.startswith("pulse_plugins.")}
    assert all(name.startswith("pulse_plugins.core.") for name in outside)
    assert not roots(path) & FRAMEWORKS


@pytest.mark.parametrize(
    "path", [path for path in core_files() if package(path) != "client"], ids=name_of
)
def test_below_the_client_nothing_awaits_or_reads_a_clock(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    waits = (ast.Await, ast.AsyncFor, ast.AsyncWith, ast.AsyncFunctionDef)
    assert not [node.lineno for node in ast.walk(tree) if isinstance(node, waits)]
    assert not roots(path) & (CLOCKS | SOCKETS)


def test_only_the_protocol_of_core_decodes_the_wire() -> None:
    texts = {name_of(path): path.read_text(encoding="utf-8") for path in files("core")}
    readers = {name for name, text in texts.items() if "msgspec.json" in text}
    assert readers
    assert {name.split("/")[1] for name in readers} <= {"wire", "client"}


@pytest.mark.parametrize("path", files("local"), ids=name_of)
def test_the_local_server_shares_no_codec_with_the_client(path: Path) -> None:
    """A shared codec would share its misreadings."""
    assert "wire" not in of_core(path)
    assert not roots(path) & FRAMEWORKS


@pytest.mark.parametrize("path", files("pipecat") + files("livekit"), ids=name_of)
def test_the_adapters_never_meet(path: Path) -> None:
    mine = path.relative_to(PACKAGE).parts[0]
    (other,) = FRAMEWORKS - {mine}
    assert other not in roots(path)
    ours = {name.split(".")[1] for name in imported(path) if name.startswith("pulse_plugins.")}
    assert ours <= {"core", "version", mine}


@pytest.mark.parametrize("path", files("pipecat") + files("livekit"), ids=name_of)
def test_an_adapter_opens_no_connection(path: Path) -> None:
    assert not roots(path) & {"socket", "ssl", "websockets"}


def test_the_tests_do_not_hide_a_framework() -> None:
    """`tests/pipecat` as a package would be imported in its stead."""
    assert not list(Path(__file__).parent.rglob("__init__.py"))


def test_no_file_is_longer_than_400_lines() -> None:
    files_of_tests = Path(__file__).parent.rglob("*.py")
    lengths = {
        str(path): len(path.read_text(encoding="utf-8").splitlines())
        for path in (*files(), *files_of_tests)
    }
    assert {path: lines for path, lines in lengths.items() if lines > 400} == {}
