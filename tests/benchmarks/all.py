"""Runs the benchmarks of cost and latency, and writes their results on one page.

    pulse-plugins bench all            # between nine and ten minutes
    pulse-plugins bench all --quick    # less than one, and rough

The page is `index.html` beside each benchmark's Markdown, JSON and SVG; whatever else was measured
into the same folder before, such as `faults`, is on it too.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from markdown_it import MarkdownIt

from tests.benchmarks import report

PARTS = ("overhead", "latency", "scale", "conversion")
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "color:#212529}table{border-collapse:collapse}td,th{padding:.3rem .8rem;text-align:right;"
    "border-bottom:1px solid #dee2e6}td:first-child,th:first-child{text-align:left}"
    "svg{width:100%;height:auto}h1{margin-top:3rem}"
)


def page(folder: Path) -> str:
    """Every result in a folder as one HTML document."""
    reader = MarkdownIt("commonmark").enable("table")
    parts = []
    for result in sorted(folder.glob("*.md")):
        parts.append(reader.render(result.read_text(encoding="utf-8")))
        picture = result.with_suffix(".svg")
        if picture.exists():
            parts.append(picture.read_text(encoding="utf-8"))
    return (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8">'
        f"<title>pulse-plugins: benchmarks</title><style>{_STYLE}</style>\n"
        + "\n".join(parts)
        + "</html>\n"
    )


def main() -> None:
    """Run each in turn, and write the page."""
    arguments = report.arguments(str(__doc__), quick="each benchmark's own short form")
    given = [word for word in sys.argv[1:] if word in ("--quick", "--publish")]
    for name in PARTS:
        script = Path(__file__).with_name(f"{name}.py")
        subprocess.run(
            [sys.executable, str(script), "--out", str(arguments.out), *given], check=True
        )
    written = arguments.out / "index.html"
    written.write_text(page(arguments.out), encoding="utf-8")
    print(written)  # noqa: T201


if __name__ == "__main__":
    main()
