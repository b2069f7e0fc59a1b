"""Writes the tables of a benchmark as Markdown and JSON, and copies the comparison to README."""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TypeAlias

from tests.benchmarks import comparison, plot

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
BENCHMARKS = ROOT / "docs" / "benchmarks.md"
IMAGES = ROOT / "docs" / "images"
FOLDER = Path("build/benchmarks")  # where nobody says otherwise
_PACKAGES = (
    "pulse-plugins",
    "pipecat-ai",
    "livekit-agents",
    "livekit-plugins-smallestai",
    "websockets",
)


def machine() -> dict[str, str]:
    """What the figures depend on: the processor, the interpreter and the versions compared."""
    facts = {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "system": platform.system(),
        "python": platform.python_version(),
    }
    for package in _PACKAGES:
        try:
            facts[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            facts[package] = "none"
    return facts


def _processor() -> str:
    with_names = Path("/proc/cpuinfo")
    if with_names.exists():
        found = re.search(r"model name\s*:\s*(.+)", with_names.read_text(encoding="utf-8"))
        if found:
            return " ".join(found[1].split())
    return platform.processor() or platform.machine()


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; the first column is left, the others right-aligned.

    Numbers are written with at most three digits that mean something; None is a dash.
    """
    lines = [_line(columns), _line(["---", *["---:"] * (len(columns) - 1)])]
    lines += [_line([show(cell) for cell in row]) for row in rows]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def show(value: object) -> str:
    """A cell as text."""
    match value:
        case None:
            return "-"
        case float() if value != value:
            return "-"
        case float() if abs(value) >= 100:
            return f"{value:.0f}"
        case float() if abs(value) >= 10:
            return f"{value:.1f}"
        case float():
            return f"{value:.2f}"
        case _:
            return str(value)


def percentile(values: Sequence[float], percent: float) -> float:
    """The value below which so many percent lie, between neighbours in proportion; NaN of none."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def header(facts: Mapping[str, str]) -> str:
    """One line on the machine and the versions, to stand above a table."""
    machine_part = (
        f"{facts['processor']}, {facts['cores']} cores, {facts['system']}, Python {facts['python']}"
    )
    versions = ", ".join(f"{name} {facts[name]}" for name in _PACKAGES)
    return f"{machine_part}; {versions}."


def write(
    name: str,
    title: str,
    tables: Iterable[str],
    data: Mapping[str, Json],
    *,
    folder: Path = FOLDER,
    picture: str | None = None,
) -> Path:
    """Write `name.md`, `name.json` and, where there is a picture, `name.svg`.

    Args:
        name: Of both files.
        title: The Markdown heading.
        tables: Markdown, each a table or a paragraph, in order.
        data: The figures themselves; the machine is added.
        folder: Made if it is not there.
        picture: An SVG.

    Returns:
        The Markdown file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    facts = machine()
    document = "\n\n".join([f"# {title}", header(facts), *tables]) + "\n"
    path = folder / f"{name}.md"
    path.write_text(document, encoding="utf-8")
    whole = {"benchmark": name, "machine": facts, **data}
    (folder / f"{name}.json").write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
    if picture is not None:
        (folder / f"{name}.svg").write_text(picture, encoding="utf-8")
    return path


def paste(page: Path, mark: str, text: str) -> None:
    """Put text between `<!-- mark -->` and `<!-- /mark -->` of a document.

    Raises:
        ValueError: The document has no such place.
    """
    old = page.read_text(encoding="utf-8")
    place = re.compile(rf"(<!-- {mark} -->\n).*?(<!-- /{mark} -->)", re.DOTALL)
    new, count = place.subn(lambda found: f"{found[1]}\n{text}\n\n{found[2]}", old)
    if count != 1:
        raise ValueError(f"{page.name} has {count} places marked {mark}")
    page.write_text(new, encoding="utf-8")


def publish(name: str, text: str, drawing: plot.Drawing | None = None) -> None:
    """Put results into the page of benchmarks and what the README quotes of them into the README.

    Args:
        name: Of the marked place in the page, and of the picture.
        text: Markdown.
        drawing: The picture; None where the page shows none.
    """
    paste(BENCHMARKS, name, text)
    if drawing is not None:
        draw(name, drawing)
    compare()


def compare() -> None:
    """Write the README's comparison anew from the page of benchmarks."""
    paste(README, "comparison", comparison.table(BENCHMARKS.read_text(encoding="utf-8")))


def draw(name: str, drawing: plot.Drawing) -> None:
    """Write a picture of the documents for a light and for a dark page."""
    for suffix, theme in (("", plot.LIGHT), ("-dark", plot.DARK)):
        (IMAGES / f"{name}{suffix}.svg").write_text(drawing(theme), encoding="utf-8")


def parser(description: str, *, quick: str) -> argparse.ArgumentParser:
    """What every benchmark understands: `--quick`, `--out FOLDER` and `--publish`."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--quick", action="store_true", help=quick)
    made.add_argument("--out", type=Path, default=FOLDER, help="folder for the results")
    made.add_argument(
        "--publish", action="store_true", help="also write the results into README and docs"
    )
    return made


def arguments(description: str, *, quick: str) -> argparse.Namespace:
    """The arguments of a benchmark that understands no others."""
    return parser(description, quick=quick).parse_args()


if __name__ == "__main__":
    compare()
