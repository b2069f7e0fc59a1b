"""What the frameworks transcribe in the demo: shown live, and counted for the closing table."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field

from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from pulse_plugins.cli.calls import Call, Player
from pulse_plugins.cli.terminal import Output, safe_line
from pulse_plugins.local.recognizers.scoring import WordErrors, normalize, word_errors


@dataclass(frozen=True, slots=True)
class Result:
    """One run of the demo.

    Attributes:
        framework: Which one.
        words: How many were heard.
        errors: Compared with the recording's text, or None where there is none.
        turns: Turns of the caller that the framework completed.
        delays: For each turn, seconds from the end of speech to its last final.
        reconnects: Connections that replaced one that was lost.
        replayed: Seconds of audio that were sent a second time.
        lost: Seconds of audio that no server heard.
    """

    framework: str
    words: int
    errors: WordErrors | None
    turns: int
    delays: tuple[float, ...]
    reconnects: int
    replayed: float
    lost: float

    def as_json(self) -> str:
        """The result as one JSON object."""
        rate = round(self.errors.rate, 4) if self.errors else None
        return json.dumps(
            {
                "event": "result",
                "framework": self.framework,
                "words": self.words,
                "word_error_rate": rate,
                "turns": self.turns,
                "seconds_to_final": [round(delay, 3) for delay in self.delays],
                "reconnects": self.reconnects,
                "replayed_seconds": round(self.replayed, 3),
                "lost_seconds": round(self.lost, 3),
            }
        )


@dataclass(slots=True)
class Recovery:
    """Lost connections, and the audio that was sent again or lost because of them."""

    reconnects: int = 0
    replayed: float = 0.0
    lost: float = 0.0


@dataclass(slots=True)
class Hearing:
    """Shows and counts the transcripts of one call through one framework.

    Attributes:
        framework: The name of the framework.
        call: The recording that is played.
        player: The player of the recording, which tells how much was played.
        as_json: Show JSON lines instead of a growing transcript.
        recovery: Lost connections.
        left: Set when nobody reads the output any more.
    """

    framework: str
    call: Call
    player: Player
    as_json: bool
    recovery: Recovery = field(default_factory=Recovery)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    _finals: list[tuple[float, str]] = field(default_factory=list)
    _turns: int = 0
    _live: Live = field(init=False)
    _loop: asyncio.AbstractEventLoop = field(init=False)

    def __post_init__(self) -> None:
        """Prepare the terminal line that shows interims."""
        console = Output(self._leave, quiet=self.as_json, emoji=False)
        self._loop = asyncio.get_running_loop()
        self._live = Live("", console=console, transient=True, refresh_per_second=12)

    def __enter__(self) -> Hearing:
        self._live.console.rule(
            f"[bold]{escape(self.call.name)}[/] through [bold]{self.framework}[/]"
        )
        self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._live.stop()

    def interim(self, text: str) -> None:
        """Show an interim in grey; the next transcript replaces it."""
        self._live.update(Text(f"        {safe_line(text)}", style="bright_black"))
        self._tell("interim", text)

    def final(self, text: str) -> None:
        """Show a final with its time."""
        if not text:
            return
        self._finals.append((self.player.now, text))
        self._live.update("")
        self._show(text)
        self._tell("final", text)

    def turn(self, text: str) -> None:
        """Show that the framework has completed a turn of the caller."""
        self._turns += 1
        self._show("turn ends", "green")
        self._tell("turn", text)

    def note(self, text: str) -> None:
        """Show what happened to the connection."""
        self._show(text, "yellow")
        self._tell("note", text)

    def result(self) -> Result:
        """The figures of this run."""
        heard = " ".join(text for _, text in self._finals)
        text = self.call.text
        return Result(
            framework=self.framework,
            words=len(normalize(heard)),
            errors=None if text is None else word_errors(text, heard),
            turns=self._turns,
            delays=self._delays(),
            reconnects=self.recovery.reconnects,
            replayed=self.recovery.replayed,
            lost=self.recovery.lost,
        )

    def _delays(self) -> tuple[float, ...]:
        """Seconds from the end of each turn's speech to the last final before the next turn."""
        turns = self.call.turns
        found = []
        for index, (_, end) in enumerate(turns):
            until = turns[index + 1][0] if index + 1 < len(turns) else float("inf")
            finals = [at for at, _ in self._finals if turns[index][0] < at < until]
            if finals:
                found.append(max(finals[-1] - end, 0.0))
        return tuple(found)

    def _show(self, text: str, style: str = "") -> None:
        """A line with its time; longer text goes on below itself."""
        line = Table.grid(padding=(0, 2))
        line.add_row(
            Text(f"{self.player.now:6.2f}", style="cyan"), Text(safe_line(text), style=style)
        )
        self._live.console.print(line)

    def _tell(self, event: str, text: str) -> None:
        if self.as_json:
            line = {"event": event, "framework": self.framework, "at": round(self.player.now, 3)}
            try:
                print(json.dumps({**line, "text": text}), flush=True)
            except BrokenPipeError:
                self._leave()

    def _leave(self) -> None:
        # The thread that refreshes the terminal may find out.
        self._loop.call_soon_threadsafe(self.left.set)


def table(results: list[Result]) -> Table:
    """The closing table: a column for each framework, so that it fits narrow terminals."""
    made = Table("", *(each.framework for each in results), title="Results", title_justify="left")
    for column in made.columns[1:]:
        column.justify = "right"
    for heading, figure in _FIGURES.items():
        made.add_row(heading, *(figure(each) for each in results))
    return made


_FIGURES: dict[str, Callable[[Result], str]] = {
    "words": lambda each: str(each.words),
    "wrong words": lambda each: "unknown" if each.errors is None else f"{each.errors.rate:.1%}",
    "turns": lambda each: str(each.turns),
    "end of speech to last words": lambda each: (
        " ".join(f"{delay:.2f} s" for delay in each.delays) or "-"
    ),
    "lost connections": lambda each: str(each.reconnects),
    "audio sent twice": lambda each: f"{each.replayed:.1f} s",
    "audio lost": lambda each: f"{each.lost:.1f} s",
}
