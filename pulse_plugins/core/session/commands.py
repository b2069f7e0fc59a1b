"""What the session asks the driver to do with connections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from pulse_plugins.core.config.options import PulseOptions


@dataclass(frozen=True, slots=True)
class OpenConnection:
    """Open a connection with these options to this base URL; `id` names it from now on."""

    id: int
    options: PulseOptions
    url: str


@dataclass(frozen=True, slots=True)
class CloseConnection:
    """Close this connection; its messages are ignored from now on."""

    id: int


Command: TypeAlias = OpenConnection | CloseConnection
