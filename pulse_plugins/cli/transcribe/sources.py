"""What is to be transcribed: files, folders, URLs, pipes and standard input."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from pulse_plugins.cli.exits import CommandError, Exit
from pulse_plugins.cli.media.location import (
    host_of,
    is_file_url,
    is_url,
    name_of,
    path_of,
    shown,
)

# What a folder is searched for: suffixes of containers that FFmpeg decodes audio from.
SUFFIXES = frozenset(
    (
        ".3g2 .3ga .3gp .3gpp .aa3 .aac .ac3 .adts .aif .aifc .aiff .amr .ape .asf .au .avi "
        ".awb .caf .dav .divx .dss .dts .dtshd .dv .eac3 .ec3 .f4a .f4v .flac .flv .g722 .g729 "
        ".gsm .ircam .isma .ismv .lc3 .loas .m1a .m2a .m2t .m2ts .m4a .m4b .m4r .m4v .mk3d .mka "
        ".mkv .mlp .mov .mp1 .mp2 .mp3 .mp4 .mpa .mpc .mpeg .mpg .msbc .mts .mxf .nist .nut "
        ".oga .ogg .ogm .ogv .oma .opus .paf .pvf .qoa .qt .ra .ram .rm .rmvb .sbc .sf .shn "
        ".sln .snd .sph .spx .tak .thd .ts .tta .vob .voc .vox .vqf .w64 .wav .wave .way .weba "
        ".webm .wma .wmv .wtv .wv"
    ).split()
)
RAW_SUFFIXES = frozenset(
    ".al .alaw .f32 .g711a .g711u .mulaw .pcm .raw .s16 .s32 .sln .ul .ulaw".split()
)
_TRASH = frozenset(
    (
        "$recycle.bin",
        "#recycle",
        "@eadir",
        "__macosx",
        "lost+found",
        "recycler",
        "system volume information",
    )
)
_LISTED = 4  # kinds of skipped files that are named


@dataclass(frozen=True, slots=True)
class Source:
    """One recording.

    Attributes:
        name: What the user called it; the same for a pipe, whose content is elsewhere.
        location: The path or the URL that is opened.
        place: Its path below the folder that was named, which the transcript's path follows.
        is_kept: Whether the same content can be met again; False for standard input and pipes.
    """

    name: str
    location: str
    place: PurePosixPath
    is_kept: bool = True

    @property
    def label(self) -> str:
        """The name as it may be printed."""
        return shown(self.name)


@dataclass(slots=True)
class Found:
    """What the arguments of a command line name.

    Attributes:
        sources: The recordings, each once.
        skipped: How many files of folders are not read, by suffix or reason.
    """

    sources: list[Source] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)

    @property
    def remark(self) -> str:
        """What was skipped, in one line, or ""."""
        if not self.skipped:
            return ""
        common = self.skipped.most_common()
        named = ", ".join(f"{count} {what}" for what, count in common[:_LISTED])
        rest = sum(count for _, count in common[_LISTED:])
        more = f", {rest} others" if rest else ""
        files = "file" if self.skipped.total() == 1 else "files"
        return f"skipped {self.skipped.total()} {files}: {named}{more}"


class Finder:
    """Turns arguments into sources; holds the copies of pipes while it is open.

    Args:
        raw: Whether files without a header are meant, so that folders are searched for these and
            not for files with a header, which would be heard as noise.
    """

    def __init__(self, *, raw: bool = False) -> None:
        self._suffixes = RAW_SUFFIXES if raw else SUFFIXES
        self._copies: Path | None = None

    def __enter__(self) -> Finder:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._copies is not None:
            shutil.rmtree(self._copies, ignore_errors=True)

    def find(self, arguments: Sequence[str]) -> Found:
        """The recordings that the arguments name; a folder stands for all that are in it.

        Raises:
            CommandError: An argument names nothing, a URL has no host, or a folder holds no
                recording.
            OSError: A folder may not be read.
        """
        found = Found()
        for argument in arguments:
            found.sources += self._named(argument, found.skipped)
        unique: dict[str, Source] = {}
        for source in found.sources:
            unique.setdefault(_key(source), source)
        found.sources = list(unique.values())
        return found

    def _named(self, argument: str, skipped: Counter[str]) -> list[Source]:
        if argument == "-":
            return [self._copied("standard input", sys.stdin.buffer)]
        if is_url(argument):
            if not host_of(argument):
                raise CommandError(f"{argument}: this URL names no host", Exit.USAGE)
            return [Source(argument, argument, PurePosixPath(name_of(argument)))]
        try:
            path = Path(path_of(argument) if is_file_url(argument) else argument)
        except ValueError as error:
            raise CommandError(f"{argument}: {error}", Exit.USAGE) from error
        if path.is_dir():
            return self._inside(path, skipped)
        if path.is_fifo() or path.is_char_device():
            with path.open("rb") as pipe:
                return [self._copied(str(path), pipe)]
        if path.is_file():
            return [Source(str(path), str(path), PurePosixPath(path.name))]
        raise CommandError(f"{argument}: no such file or folder", Exit.USAGE)

    def _inside(self, folder: Path, skipped: Counter[str]) -> list[Source]:
        os.scandir(folder).close()  # a folder that may not be read is not one without audio
        found = [
            Source(str(path), str(path), PurePosixPath(*path.relative_to(folder).parts))
            for path in _walk(folder, skipped)
            if self._is_wanted(path, skipped)
        ]
        if not found:
            raise CommandError(f"{folder}: no audio in this folder", Exit.USAGE)
        return found

    def _is_wanted(self, path: Path, skipped: Counter[str]) -> bool:
        suffix = path.suffix.lower()
        if suffix in self._suffixes:
            return True
        skipped[suffix or "without a suffix"] += 1
        return False

    def _copied(self, name: str, pipe: BinaryIO) -> Source:
        """A pipe's content as a file: most containers cannot be read without going back."""
        if self._copies is None:
            self._copies = Path(tempfile.mkdtemp(prefix="pulse-plugins-"))
        copy = self._copies / str(len(list(self._copies.iterdir())))
        with copy.open("wb") as file:
            shutil.copyfileobj(pipe, file)
        place = "stdin" if name == "standard input" else name_of(name)
        return Source(name, str(copy), PurePosixPath(place), is_kept=False)


def _walk(folder: Path, skipped: Counter[str]) -> Iterator[Path]:
    """The files of a folder in order, without hidden ones and those of a trash folder."""
    for parent, folders, files in os.walk(folder):
        for name in [name for name in folders if _is_hidden(name)]:
            folders.remove(name)
            skipped["in hidden or trash folders"] += sum(
                len(inside) for _, _, inside in os.walk(Path(parent) / name)
            )
        folders.sort()
        for name in sorted(files):
            if name.startswith("."):
                skipped["hidden"] += 1
            elif (path := Path(parent) / name).is_file():
                yield path


def _is_hidden(folder: str) -> bool:
    return folder.startswith(".") or folder.lower() in _TRASH


def _key(source: Source) -> str:
    """The same for two names of one recording."""
    return source.name if is_url(source.name) else os.path.realpath(source.location)
