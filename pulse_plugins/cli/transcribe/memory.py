"""Which output was made from which source: an index file in the folder of the outputs.

The index is a text file with one JSON object a line, written at the end. A line is added after its
output is complete, so that a run that was killed leaves no false line; the last line for an output
counts. The index stays with the outputs when their folder is moved.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pulse_plugins.cli.media.location import is_url, shown
from pulse_plugins.cli.transcribe.sources import Source

INDEX = ".pulse-plugins.jsonl"


@dataclass(frozen=True, slots=True)
class Origin:
    """What an output was made from.

    Attributes:
        source: The absolute path, or the URL without its query.
        relative: The path from the folder of the outputs, which stays when both are moved.
        key: A hash of the whole URL; "" for files.
        size: Bytes; -1 for a URL.
        modified: The file's modification time in nanoseconds; -1 for a URL.
        options: A hash of the options that shape the transcript.
    """

    source: str
    relative: str
    key: str
    size: int
    modified: int
    options: str

    def is_same_source(self, other: Origin) -> bool:
        """Whether both name the same recording, whatever its content and the options."""
        if self.key or other.key:
            return self.key == other.key
        return self.source == other.source or (
            bool(self.relative)
            and self.relative == other.relative
            and (self.size, self.modified) == (other.size, other.modified)
        )


def origin(source: Source, folder: Path, options: str) -> Origin:
    """What an output in this folder that is made now will remember."""
    if is_url(source.name):
        return Origin(shown(source.name), "", hashed(source.name), -1, -1, options)
    if not source.is_kept:
        return Origin(source.name, "", "", -1, -1, options)
    path = os.path.abspath(source.location)
    found = os.stat(source.location)
    try:
        relative = os.path.relpath(path, os.path.abspath(folder))
    except ValueError:  # another drive
        relative = ""
    return Origin(path, relative, "", found.st_size, found.st_mtime_ns, options)


class Memory:
    """The index of one folder.

    Args:
        folder: Where the outputs are; the folder need not exist yet.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / INDEX
        self._origins: dict[str, Origin] = {}
        self._outputs: dict[str, list[str]] = {}
        self._read()

    def of(self, output: str) -> Origin | None:
        """What an output was made from, or None if the index does not know it.

        Args:
            output: The path below the folder, with forward slashes.
        """
        return self._origins.get(_fold(output))

    def outputs_of(self, source: Origin) -> list[str]:
        """The outputs that were made from this recording."""
        names = [name for mark in _marks(source) for name in self._outputs.get(mark, ())]
        return [
            name
            for name in dict.fromkeys(names)
            if (known := self.of(name)) is not None and known.is_same_source(source)
        ]

    def add(self, output: str, made_from: Origin) -> None:
        """Remember a complete output.

        Raises:
            OSError: The index cannot be written.
        """
        self._keep(output, made_from)
        line = json.dumps({"output": output, **asdict(made_from)}) + "\n"
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line)

    def _keep(self, output: str, made_from: Origin) -> None:
        self._origins[_fold(output)] = made_from
        for mark in _marks(made_from):
            self._outputs.setdefault(mark, []).append(output)

    def _read(self) -> None:
        try:
            lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        except (FileNotFoundError, NotADirectoryError):
            return
        for line in lines:
            try:
                fields: dict[str, Any] = json.loads(line)
                self._keep(fields.pop("output"), Origin(**fields))
            except (ValueError, TypeError, KeyError, AttributeError):
                continue  # a line that a killed run left


def _marks(source: Origin) -> list[str]:
    """What two origins of one recording can have in common."""
    return [source.key] if source.key else [source.source, f"./{source.relative}"]


def hashed(value: object) -> str:
    """A short hash of anything that JSON can hold."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:16]


def _fold(name: str) -> str:
    """Two names that some file systems take for one."""
    return name.casefold()
