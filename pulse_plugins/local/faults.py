"""Faults on purpose: what happens, and when.

The compact form, for a command line or the control endpoint:

    fault     := kind [ "=" number ] [ "@" condition { "," condition } ]
    condition := name "=" number

    drop@audio=3.2              reset the TCP connection after 3.2 s of a connection's audio
    close=1011@word=7           close with a code once the seventh word was heard
    refuse=503@connection=2     answer the second handshake with a status
    stall=5@finalize=1          read and write nothing for 5 s from the first finalize on
    blackhole@audio=10          from then on read everything and never answer again, nor to pings
    late_final=2@finalize=3     the answer to the third finalize comes 2 s late, and all after it
    garbage@word=3              messages that a client must survive; the connection goes on
    timed_out@audio=5,times=0   the message "timed out" of the legacy path; the connection goes on
    error=1011@audio=4          the error message of the documents, then close with the code
    drop@closing=1              at the closing word, before it is answered
    drop@audio=20,times=0       on every connection, each time it has sent 20 s of audio

`audio` (seconds), `word` (number) and `finalize` (number) count on one connection, from its first
sample; `connection` counts handshakes of the server from 1. Without a moment a fault happens right
after the handshake. `times` is on how many connections it happens, 0 for all; the default is 1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from enum import Enum
from math import inf
from typing import cast

from pulse_plugins.core.base.errors import ConfigurationError


class Kind(Enum):
    """What goes wrong."""

    DROP = "drop"
    CLOSE = "close"
    REFUSE = "refuse"
    STALL = "stall"
    BLACKHOLE = "blackhole"
    GARBAGE = "garbage"
    LATE_FINAL = "late_final"
    ERROR = "error"
    TIMED_OUT = "timed_out"


MEANINGS: dict[Kind, str] = {
    Kind.DROP: "The TCP connection is reset without a close frame.",
    Kind.CLOSE: "The connection is closed with this code.",
    Kind.REFUSE: "The handshake is answered with this HTTP status.",
    Kind.STALL: "Nothing is read and nothing is written for so many seconds.",
    Kind.BLACKHOLE: "From then on everything is read and nothing is answered, not even pings.",
    Kind.GARBAGE: "Messages come that a client must survive: not JSON, binary, wrong types.",
    Kind.LATE_FINAL: "The next final comes so many seconds late, and all messages behind it.",
    Kind.ERROR: "The documented error message comes, then a close with this code.",
    Kind.TIMED_OUT: "An in-band message says that the request timed out; the connection goes on.",
}
MOMENTS: dict[str, str] = {
    "audio": "After so many seconds of the connection's audio.",
    "word": "Once so many words of the connection were heard.",
    "finalize": "At the connection's nth finalize, before the answer.",
    "closing": "At the closing message, before the answer; the value is 1.",
    "connection": "Only on the server's nth connection.",
    "times": "On how many connections it happens; 0 means on all. The default is 1.",
}


_VALUES: dict[Kind, tuple[float, float, float]] = {  # default, lowest, highest
    Kind.CLOSE: (1011, 1000, 4999),
    Kind.REFUSE: (503, 400, 599),
    Kind.STALL: (5, 0, 3600),
    Kind.LATE_FINAL: (1, 0, 3600),
    Kind.ERROR: (1011, 1000, 4999),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: its kind, its number and its moment. The module explains the kinds.

    Attributes:
        kind: What happens, as a `Kind` or as its name.
        value: The close code, HTTP status or seconds, where the kind has one.
        audio: Seconds of the connection's audio after which it happens.
        word: It happens once so many words of the connection were heard.
        finalize: It happens at the connection's nth finalize, before the answer.
        closing: 1: it happens at the closing message, before the answer.
        connection: Only on the server's nth connection.
        times: On how many connections; 0 means all.
    """

    kind: Kind
    value: float | None = None
    audio: float | None = None
    word: int | None = None
    finalize: int | None = None
    closing: int | None = None
    connection: int | None = None
    times: int = 1

    def __post_init__(self) -> None:
        """Check ranges and fill in the kind's default value."""
        try:
            object.__setattr__(self, "kind", Kind(self.kind))
        except ValueError:
            kinds = ", ".join(kind.value for kind in Kind)
            raise ConfigurationError(f"fault {self.kind!r} is unknown: use {kinds}") from None
        name = self.kind.value
        moments = [m for m in (self.audio, self.word, self.finalize, self.closing) if m is not None]
        if len(moments) > 1:
            raise ConfigurationError(f"fault {name}: give one of audio, word, finalize, closing")
        if self.kind is Kind.REFUSE and moments:
            raise ConfigurationError(
                "fault refuse happens at the handshake: only @connection and @times go with it"
            )
        counts = (self.word, self.finalize, self.closing, self.connection)
        if any(count is not None and count < 1 for count in counts):
            raise ConfigurationError(f"fault {name}: counts begin at 1")
        if (self.audio is not None and not 0 <= self.audio < inf) or self.times < 0:
            raise ConfigurationError(f"fault {name}: audio and times are 0 or more")
        if self.kind in _VALUES:
            default, low, high = _VALUES[self.kind]
            value = default if self.value is None else self.value
            if not low <= value <= high:
                raise ConfigurationError(f"fault {name}={value:g}: use {low:g} to {high:g}")
            object.__setattr__(self, "value", value)
        elif self.value is not None:
            raise ConfigurationError(f"fault {name} takes no value")

    @property
    def number(self) -> float:
        """The value, 0 where the kind has none."""
        return self.value or 0.0

    def __str__(self) -> str:
        """The compact form."""
        text = self.kind.value + ("" if self.value is None else f"={_plain(self.value)}")
        conditions = [
            f"{name}={_plain(value)}"
            for name in ("audio", "word", "finalize", "closing", "connection")
            if (value := getattr(self, name)) is not None
        ]
        if self.times != 1:
            conditions.append(f"times={self.times}")
        return text + ("@" + ",".join(conditions) if conditions else "")


def _plain(number: float) -> str:
    """A number without an exponent or needless zeros."""
    return f"{number:.6f}".rstrip("0").rstrip(".")


_SAMPLE = 1e-4  # seconds: about one sample, which is as exactly as audio can be cut
_FORM = re.compile(r"(?P<kind>[a-z_-]+)(=(?P<value>[0-9.]+))?(@(?P<conditions>.+))?")
_CONDITIONS = frozenset(each.name for each in fields(Fault)) - {"kind", "value"}


def parse(text: str) -> Fault:
    """Read the compact form.

    Raises:
        ConfigurationError: It is not one; the text says what to write.
    """
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise ConfigurationError(f"fault {text!r}: write KIND[=NUMBER][@NAME=NUMBER,...]")
    conditions: dict[str, float | int] = {}
    for condition in (match["conditions"] or "").split(",") if match["conditions"] else ():
        name, _, number = condition.strip().partition("=")
        if name not in _CONDITIONS:
            names = ", ".join(sorted(_CONDITIONS))
            raise ConfigurationError(f"fault {text!r}: {name!r} is unknown; use {names}")
        try:
            conditions[name] = float(number) if name == "audio" else int(number)
        except ValueError:
            wanted = "a number" if name == "audio" else "a whole number"
            raise ConfigurationError(
                f"fault {text!r}: {name} needs {wanted}, such as {name}=3"
            ) from None
    try:
        value = float(match["value"]) if match["value"] else None
    except ValueError:
        raise ConfigurationError(f"fault {text!r}: {match['value']} is no number") from None
    kind = match["kind"].replace("-", "_")
    return Fault(cast("Kind", kind), value, **cast("dict[str, int]", conditions))


class Schedule:
    """The faults still to come, for all connections of a server."""

    def __init__(self, faults: Iterable[Fault | str] = ()) -> None:
        self._left: list[tuple[Fault, int]] = []
        self.happened: list[str] = []
        self.add(faults)

    def add(self, faults: Iterable[Fault | str]) -> None:
        """Arm more faults; connections already open meet them too."""
        for fault in faults:
            fault = parse(fault) if isinstance(fault, str) else fault
            self._left.append((fault, fault.times))

    def clear(self) -> None:
        """Disarm all."""
        self._left.clear()

    @property
    def armed(self) -> list[Fault]:
        """What can still happen."""
        return [fault for fault, _ in self._left]

    def refusal(self, connection: int) -> Fault | None:
        """The fault that refuses this handshake, if any."""
        return self._take(
            lambda fault: fault.kind is Kind.REFUSE and fault.connection in (None, connection)
        )

    def limit(self, trigger: Trigger) -> float | None:
        """Seconds of audio at which the next fault of this connection waits."""
        times = [
            fault.audio
            for fault, _ in self._left
            if fault.audio is not None and trigger.may_meet(fault) and fault.audio > trigger.audio
        ]
        return min(times, default=None)

    def due(self, trigger: Trigger) -> Fault | None:
        """The next fault whose moment has come on this connection; ask until None."""
        fault = self._take(lambda fault: trigger.may_meet(fault) and trigger.meets(fault))
        if fault is not None:
            trigger.met.append(fault)
        return fault

    def _take(self, wanted: Callable[[Fault], bool]) -> Fault | None:
        for place, (fault, left) in enumerate(self._left):
            if wanted(fault):
                if left == 1:
                    del self._left[place]
                elif left > 1:
                    self._left[place] = (fault, left - 1)
                self.happened.append(str(fault))
                return fault
        return None


@dataclass(slots=True)
class Trigger:
    """How far a connection is; what `Schedule` compares a fault's moment with."""

    connection: int
    audio: float = 0.0
    words: int = 0
    finalizes: int = 0
    closings: int = 0
    met: list[Fault] = field(default_factory=list)

    def may_meet(self, fault: Fault) -> bool:
        """Whether a fault concerns this connection and has not happened on it."""
        return (
            fault.kind is not Kind.REFUSE
            and fault.connection in (None, self.connection)
            and not any(fault is each for each in self.met)
        )

    def meets(self, fault: Fault) -> bool:
        """Whether a fault's moment has come."""
        return (
            (fault.audio is None or self.audio >= fault.audio - _SAMPLE)
            and (fault.word is None or self.words >= fault.word)
            and (fault.finalize is None or self.finalizes >= fault.finalize)
            and (fault.closing is None or self.closings >= fault.closing)
        )
