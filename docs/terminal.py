"""Draws the picture of a terminal that the README shows.

    python -m docs.terminal

It runs `pulse-plugins demo --drop` and writes what the command prints to `images/demo.svg`.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

PICTURE = Path(__file__).parent / "images" / "demo.svg"
COLUMNS = 84
COMMAND = "pulse-plugins demo --drop"
# rich lets the picture load fonts from another host. A picture of the documents loads nothing.
FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def picture(output: str, command: str = COMMAND, name: str = "demo") -> str:
    """The SVG of a terminal that shows a command and its output.

    Args:
        output: What the command printed, with its colours as ANSI sequences.
        command: What was typed.
        name: A word for the identifiers inside the SVG.
    """
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(f"$ {command}", highlight=False, soft_wrap=True)
    console.print(Text.from_ansi(output))
    return FONTS.sub("", console.export_svg(title=command, unique_id=name))


def main() -> None:
    """Run the command and write the picture."""
    words = [sys.executable, "-m", "pulse_plugins.cli", *COMMAND.split()[1:]]
    asked = {"COLUMNS": str(COLUMNS), "FORCE_COLOR": "1", "TERM": "xterm", "TTY_INTERACTIVE": "0"}
    ran = subprocess.run(
        words, env={**os.environ, **asked}, capture_output=True, text=True, check=True
    )
    PICTURE.write_text(picture(ran.stdout), encoding="utf-8")


if __name__ == "__main__":
    main()
