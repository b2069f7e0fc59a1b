"""Progress bars on standard error, for as long as recordings are being sent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TaskID
from rich.table import Column
from rich.text import Text

from pulse_plugins.cli.terminal import safe_line

_NARROW = 60  # columns of a terminal in which a bar gets less room


class _BarOrSpinner(ProgressColumn):
    """A bar where the length is known, else a spinner."""

    def __init__(self, width: int) -> None:
        self._bar = BarColumn(bar_width=width)
        self._spinner = SpinnerColumn()
        super().__init__(Column(no_wrap=True))

    def render(self, task: Task) -> RenderableType:
        """The bar or spinner of one recording."""
        return self._spinner.render(task) if task.total is None else self._bar.render(task)


class _Time(ProgressColumn):
    """Percent and the time that is left, or the time that has passed where no length is known."""

    max_refresh = 0.5

    def __init__(self) -> None:
        super().__init__(Column(no_wrap=True, justify="right"))

    def render(self, task: Task) -> Text:
        """The figures of one recording."""
        if task.total is None:
            return Text(_clock(task.elapsed or 0.0))
        if task.finished:
            return Text("finishing")  # all audio is sent, and the last words are on their way
        left = f" {_clock(task.time_remaining)}" if task.time_remaining else ""
        return Text(f"{min(task.percentage, 100.0):.0f} %{left}")


class _Name(ProgressColumn):
    """The name, shortened to the room that the other columns leave."""

    def __init__(self) -> None:
        super().__init__(Column(no_wrap=True, overflow="ellipsis", ratio=1, min_width=4))

    def render(self, task: Task) -> Text:
        """The name of one recording."""
        return Text(task.description, no_wrap=True, overflow="ellipsis")


class Bars:
    """Bars for the recordings that are being sent, and one for all of them.

    Args:
        quiet: Show nothing, as also where standard error is no terminal.
    """

    def __init__(self, *, quiet: bool) -> None:
        console = Console(stderr=True)
        self._console = console
        self._progress = Progress(
            _Name(),
            _BarOrSpinner(10 if console.width < _NARROW else 24),
            _Time(),
            console=console,
            expand=True,
        )
        self._is_shown = console.is_terminal and not quiet
        self._live: Live | None = None
        self._all: TaskID | None = None

    def __enter__(self) -> Self:
        self._show()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._hide()

    def count(self, recordings: int) -> None:
        """Show how many of so many recordings are done."""
        if recordings > 1:
            self._all = self._progress.add_task(f"{recordings} recordings", total=recordings)

    def begin(self, name: str) -> TaskID:
        """Show a recording whose length is not known yet."""
        return self._progress.add_task(safe_line(name), total=None)

    def length(self, bar: TaskID, seconds: float | None) -> None:
        """Tell the length of a recording."""
        self._progress.update(bar, total=seconds)

    def advance(self, bar: TaskID, seconds: float) -> None:
        """Tell that more of a recording was sent."""
        self._progress.advance(bar, seconds)

    def end(self, bar: TaskID) -> None:
        """Take a recording's bar away."""
        self._progress.remove_task(bar)
        if self._all is not None:
            self._progress.advance(self._all)

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Take the bars away while something else is printed on the terminal."""
        self._hide()
        try:
            yield
        finally:
            self._show()

    def _show(self) -> None:
        if self._is_shown:
            # A display that was stopped would erase what was printed since, so each is a new one.
            self._live = Live(
                self._progress,
                console=self._console,
                refresh_per_second=10,
                transient=True,
                redirect_stdout=False,  # it would send transcripts to standard error
                redirect_stderr=False,
            )
            self._live.start(refresh=True)

    def _hide(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
