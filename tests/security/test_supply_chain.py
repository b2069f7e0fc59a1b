"""What the extras install is documented, with its licences."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PAGE = (ROOT / "docs/licences.md").read_text(encoding="utf-8")
FOR_USERS = sorted(set(PROJECT["optional-dependencies"]) - {"dev", "docs"})
COPYLEFT = re.compile(r"GPL|Lesser General|Mozilla|MPL|Proprietary|LicenseRef", re.IGNORECASE)


def requirements(extra: str | None) -> list[Requirement]:
    texts = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    return [Requirement(text) for text in texts]


def closure(wanted: Iterable[Requirement]) -> set[str]:
    """The names of all packages that requirements bring, as they are installed here."""
    seen: set[tuple[str, str]] = set()
    waiting = [(each.name, extra) for each in wanted for extra in ("", *each.extras)]
    while waiting:
        name, extra = waiting.pop()
        if (canonicalize_name(name), extra) in seen or canonicalize_name(name) == "pulse-plugins":
            continue
        try:
            needs = distribution(name).requires or []
        except PackageNotFoundError:
            continue
        seen.add((canonicalize_name(name), extra))
        for each in map(Requirement, needs):
            if each.marker is None or each.marker.evaluate({"extra": extra}):
                waiting += [(each.name, also) for also in ("", *each.extras)]
    return {name for name, _ in seen}


def licences(name: str) -> str:
    metadata = distribution(name).metadata
    classifiers = [each for each in metadata.get_all("Classifier", []) if "License" in each]
    return " ".join([*metadata.get_all("License-Expression", []), *classifiers])


def row(extra: str | None) -> str:
    head = f"| `{extra}` |" if extra else "| none |"
    [found] = [line for line in PAGE.splitlines() if line.startswith(head)]
    return found.lower()


@pytest.mark.parametrize("extra", [None, *FOR_USERS])
def test_every_extra_has_a_row_that_names_what_it_installs(extra: str | None) -> None:
    for each in requirements(extra):
        names = each.extras if each.name == "pulse-plugins" else {each.name}
        if extra != "all":
            assert all(name.lower() in row(extra) for name in names), each


@pytest.mark.parametrize("extra", [None, *FOR_USERS])
def test_every_package_with_a_copyleft_licence_is_named(extra: str | None) -> None:
    strict = {name for name in closure(requirements(extra)) if COPYLEFT.search(licences(name))}
    for name in strict:
        assert name in PAGE.lower(), name


@pytest.mark.parametrize("extra", ["cli", "codecs", "livekit"])
def test_pyav_is_named_where_it_comes_along(extra: str) -> None:
    assert "av" in closure(requirements(extra))
    assert "**av**" in row(extra)


def test_the_wheels_hold_what_the_page_says() -> None:
    assert any("libx264" in str(each) for each in distribution("av").files or [])
    assert any("libespeak-ng" in str(each) for each in distribution("espeakng-loader").files or [])
    assert any("libsndfile" in str(each) for each in distribution("soundfile").files or [])


def test_every_test_that_the_security_page_names_exists() -> None:
    page = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    cells = [line.rsplit("|", 2)[1] for line in page.splitlines() if "`tests/" in line]
    assert len(cells) > 20
    for cell in cells:
        for part in cell.split("; "):
            file, *names = re.findall(r"`([^`]+)`", part)
            assert names, cell
            code = (ROOT / file).read_text(encoding="utf-8")
            for name in names:
                assert f"def {name}(" in code, (file, name)
