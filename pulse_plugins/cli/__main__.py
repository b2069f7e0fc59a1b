"""`pulse-plugins`: hands over to the commands, and says what to install where that is missing."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and leave with its exit code."""
    try:
        from pulse_plugins.cli.application import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("typer", "rich", "click"):
            raise
        print(
            f"The command line needs {error.name}: python -m pip install 'pulse-plugins[cli]'",
            file=sys.stderr,
        )
        sys.exit(3)
    sys.exit(run())


if __name__ == "__main__":
    main()
