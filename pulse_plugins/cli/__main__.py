"""`pulse-plugins`: starts the commands, or says what to install where that is missing."""

from __future__ import annotations

import io
import os
import sys

_INTERRUPTED = 130  # `Exit.INTERRUPTED`, before it can be imported


def main() -> None:
    """Run the command line and leave with its exit code."""
    _prepare_streams()
    try:
        from pulse_plugins.cli.application import run

        sys.exit(run())
    except KeyboardInterrupt:  # during the imports, which take their time
        print("stopped", file=sys.stderr)
        sys.exit(_INTERRUPTED)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("typer", "rich", "click"):
            raise
        print(
            f"The command line needs {error.name}: python -m pip install 'pulse-plugins[cli]'",
            file=sys.stderr,
        )
        sys.exit(3)


def _prepare_streams() -> None:
    """Let every character be written, and standard input be read.

    Output that goes to a file or a pipe is UTF-8, also on Windows, unless PYTHONIOENCODING asks for
    something else. A terminal keeps its encoding; characters that it lacks are escaped. An output
    that the shell has closed (`>&-`) takes everything and keeps nothing, and a closed input (`<&-`)
    is empty.
    """
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):  # others are a test's or an embedder's
            piped = not stream.isatty() and "PYTHONIOENCODING" not in os.environ
            stream.reconfigure(encoding="utf-8" if piped else None, errors="backslashreplace")


if __name__ == "__main__":
    main()
