"""Where transcripts go: one file for each input, whole or not at all."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

from pulse_plugins.cli.media import is_url


def plan(sources: list[str], directory: Path, suffix: str) -> dict[str, Path]:
    """The file that each source's transcript is written to.

    It has the source's name with another suffix; sources that would meet in one file keep their
    own suffix too, and then get a number.
    """
    stems = Counter(_name(source).stem for source in sources)
    taken: set[Path] = set()
    planned = {}
    for source in sources:
        name = _name(source)
        base = name.stem if stems[name.stem] == 1 else name.name
        target = directory / f"{base}{suffix}"
        number = 2
        while target in taken:
            target = directory / f"{base}-{number}{suffix}"
            number += 1
        taken.add(target)
        planned[source] = target
    return planned


def is_done(source: str, target: Path) -> bool:
    """Whether the transcript is there and not older than the recording."""
    if not target.is_file():
        return False
    return is_url(source) or target.stat().st_mtime >= Path(source).stat().st_mtime


def write(target: Path, text: str) -> None:
    """Put the text there in one step: a reader sees the old file, none, or the whole new one.

    What UTF-8 cannot say, such as a byte of a file's name, is escaped as in JSON.

    Raises:
        OSError: The disk is full, or writing is not permitted; nothing half-written is left.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    # The same name every time: what a killed run left there, the next one overwrites.
    part = target.with_name(f".{target.name}.part")
    try:
        with part.open("w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _name(source: str) -> Path:
    if is_url(source):
        return Path(Path(urlsplit(source).path).name or "audio")
    return Path(source)
