"""The commands put together. Each command's own file is imported when it is called."""

from __future__ import annotations

import inspect
import logging
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from pulse_plugins.cli import bench, demo, doctor, live, record
from pulse_plugins.cli.exits import MEANING, CommandError, Exit, needs, report
from pulse_plugins.cli.interrupts import termination_unwinds
from pulse_plugins.cli.terminal import discard_output, safe
from pulse_plugins.cli.transcribe.command import command as transcribe
from pulse_plugins.core.base.errors import PulseError
from pulse_plugins.version import __version__

_ANY_ARGUMENTS = {"allow_extra_args": True, "ignore_unknown_options": True}


def _add(name: str, command: Callable[..., int], **settings: Any) -> None:
    """Add a command whose help is its docstring, each paragraph as wide as the terminal."""
    paragraphs = (inspect.getdoc(command) or "").split("\n\n")
    text = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
    app.command(name, help=text, epilog=MEANING, context_settings=settings)(command)


def _add_serve() -> None:
    """Add the command `serve`, or a stand-in that says which extra `serve` needs."""
    try:
        from pulse_plugins.cli.serve import command
    except ModuleNotFoundError as error:
        missing = error

        def stand_in(context: typer.Context) -> int:
            """Run a Pulse server on this machine; this needs pulse-plugins[local]."""
            del context  # whatever the options are
            with needs("local", "the local server"):
                raise missing

        _add("serve", stand_in, **_ANY_ARGUMENTS)
    else:
        _add("serve", command)


app = typer.Typer(
    name="pulse-plugins",
    help="Smallest AI Pulse speech-to-text: try it, transcribe with it, test against it.\n\n"
    "Every command also works without a key and without a network: `serve` runs a local server.",
    epilog=MEANING,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_add("demo", demo.command)
_add("transcribe", transcribe)
_add("live", live.command)
_add_serve()
_add("record", record.command)
_add("doctor", doctor.command)
# --help after a benchmark's name is the benchmark's.
_add("bench", bench.command, **_ANY_ARGUMENTS, help_option_names=[])


class _Notes(logging.Handler):
    """Shows warnings of the package as notes.

    The log of a stream's events is left out: the commands say what trouble of a connection means.
    """

    def emit(self, record: logging.LogRecord) -> None:
        if record.name != "pulse_plugins.stream":
            console = Console(stderr=True, highlight=False, soft_wrap=True)
            console.print(f"[yellow]note:[/] {escape(safe(record.getMessage()))}")


logging.getLogger("pulse_plugins").addHandler(_Notes(logging.WARNING))

# Typer brings its own copy of click in new versions and uses click itself in old ones.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]


def _version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    del version  # the callback has printed it


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command line.

    Args:
        arguments: What follows the program's name; by default what this process was started with.

    Returns:
        The exit code.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with termination_unwinds():
            code = int(app(given, prog_name="pulse-plugins", standalone_mode=False) or Exit.OK)
            sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):
        code = Exit.INTERRUPTED
    except typer.Exit as error:
        code = error.exit_code
    except BrokenPipeError:  # the reader of our output went away: `| head`
        discard_output()
        return Exit.FAILED
    except _UsageError as error:
        if not given:
            return Exit.USAGE  # the help has been shown, and says it all
        return report(CommandError(_one_line(error), Exit.USAGE), as_json="--json" in given)
    except (CommandError, PulseError, OSError) as error:
        return report(error, as_json="--json" in given)
    if code == Exit.INTERRUPTED:  # some versions of Typer make an exit code of Ctrl-C
        Console(stderr=True).print("stopped")
    return code


def _one_line(error: Exception) -> str:
    message: str = getattr(error, "format_message", error.__str__)()
    return f"{message.replace('Value error, ', '')} (--help says more)"
