"""The pages of the documents and their blocks of code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
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
