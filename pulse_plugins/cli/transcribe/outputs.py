"""Where transcripts go: each source has an output of its own, written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path, PurePosixPath

from pulse_plugins.cli.exits import CommandError, Exit
from pulse_plugins.cli.transcribe.documents import SUFFIX, Format
from pulse_plugins.cli.transcribe.memory import Memory, Origin, hashed, origin
from pulse_plugins.cli.transcribe.sources import SUFFIXES, Source

_FORMATS: dict[str, Format] = {suffix: form for form, suffix in SUFFIX.items()}
# Names that files have and folders have not; a name such as `calls.2024` can be a folder.
_OTHER_SUFFIXES = SUFFIXES | frozenset(
    (
        ".ass .csv .doc .docx .htm .html .jsonl .log .md .ndjson .odt .pdf .rtf .sbv .ssa .sub "
        ".text .tsv .ttml .xls .xlsx .xml .yaml .yml"
    ).split()
)
_LONGEST = 255 - len("..json.part") - 10  # bytes of a name, with its suffix while it is written


@dataclass(slots=True)
class Job:
    """One source and what it is turned into.

    Attributes:
        source: The recording.
        made_from: What its outputs will remember; None for standard output.
        outputs: The file for each format; empty for standard output.
        missing: The formats that are not there yet.
        problem: Why it cannot be done, or None.
        is_renamed: Whether the outputs are not called like the source, because another source has
            that name.
    """

    source: Source
    made_from: Origin | None = None
    outputs: dict[Format, Path] = field(default_factory=dict)
    missing: tuple[Format, ...] = ()
    problem: CommandError | None = None
    is_renamed: bool = False

    @property
    def is_done(self) -> bool:
        """Whether all its outputs are there already."""
        return bool(self.outputs) and not self.missing and self.problem is None


@dataclass(frozen=True, slots=True)
class Target:
    """Where a run writes.

    Attributes:
        folder: The folder of all outputs, or of the one file.
        file: The name of the one file, or None: every source gets a name of its own.
    """

    folder: Path
    file: str | None = None


def chosen_formats(output: Path | None, forms: Sequence[Format]) -> tuple[Format, ...]:
    """The formats that are asked for; without any the name of the output file decides.

    Raises:
        CommandError: The name of the file contradicts the format.
    """
    wanted = tuple(dict.fromkeys(forms))
    named = _FORMATS.get(output.suffix.lower()) if output is not None else None
    if output is None or named is None or output.is_dir():
        return wanted or ("text",)
    if len(wanted) > 1:
        raise CommandError(f"-o {output}: several formats need a folder", Exit.USAGE)
    if wanted and wanted != (named,):
        raise CommandError(
            f"-o {output}: the name asks for {named}, and --format for {wanted[0]}", Exit.USAGE
        )
    return (named,)


def target(output: Path, sources: Sequence[Source], arguments: Sequence[str]) -> Target:
    """Whether `-o` names a folder or a file.

    A name that ends in .txt, .json, .srt or .vtt, or that is an existing file, names a file.

    Raises:
        CommandError: Several sources cannot share one file, or the name is that of a file of
            another kind.
    """
    is_file = output.is_file() or (output.suffix.lower() in _FORMATS and not output.is_dir())
    if not is_file:
        if output.suffix.lower() in _OTHER_SUFFIXES and not output.exists():
            raise CommandError(
                f"-o {output}: a file ends in {', '.join(_FORMATS)}; if {output.name} is meant to "
                "be a folder, make it first",
                Exit.USAGE,
            )
        return Target(output)
    if len(sources) > 1 or any(Path(each).is_dir() for each in arguments):
        raise CommandError(f"-o {output}: several recordings need a folder", Exit.USAGE)
    return Target(output.parent, output.name)


class Planner:
    """Gives each source its outputs.

    A name that was given once stays the source's: the index of the folder knows it, however many
    sources come later.

    Args:
        where: The folder or file.
        formats: The formats of the files that are written for each source.
        options: A hash of the options that shape the transcripts.
        force: Write anew what is there, also over files that the index does not know.
    """

    def __init__(
        self, where: Target, formats: Sequence[Format], options: str, *, force: bool = False
    ) -> None:
        self.memory = Memory(where.folder)
        self._where = where
        self._formats = tuple(formats)
        self._options = options
        self._force = force
        self._taken: set[str] = set()

    def plan(self, sources: Sequence[Source]) -> list[Job]:
        """The jobs, in the order of the sources."""
        stems = Counter(str(_stem(source.place)).casefold() for source in sources)
        origins = [origin(source, self._where.folder, self._options) for source in sources]
        # Sources that have a name already come first, so that no new source takes it.
        names = [self._known_name(made_from) for made_from in origins]
        jobs = []
        for source, made_from, known in zip(sources, origins, names, strict=True):
            job = Job(source, made_from)
            self._decide(job, made_from, known or self._new_name(source, made_from, stems))
            jobs.append(job)
        return jobs

    def remember(self, job: Job, form: Format) -> None:
        """Note in the index that an output is complete.

        Raises:
            OSError: The index cannot be written.
        """
        if job.made_from is not None:
            name = job.outputs[form].relative_to(self._where.folder).as_posix()
            self.memory.add(name, job.made_from)

    def _known_name(self, made_from: Origin) -> str | None:
        """The name, without the suffix of a format, that a source has in the index."""
        for output in self.memory.outputs_of(made_from):
            name, suffix = os.path.splitext(output)
            if suffix in _FORMATS and name.casefold() not in self._taken:
                self._taken.add(name.casefold())
                return name
        return None

    def _new_name(self, source: Source, made_from: Origin, stems: Counter[str]) -> str:
        several = stems[str(_stem(source.place)).casefold()] > 1
        name = next(
            each
            for each in _candidates(source.place, several=several)
            if each.casefold() not in self._taken and not self._is_of_another(each, made_from)
        )
        self._taken.add(name.casefold())
        return name

    def _is_of_another(self, name: str, made_from: Origin) -> bool:
        """Whether the index gives this name to another source."""
        known = (self.memory.of(name + suffix) for suffix in _FORMATS)
        return any(each is not None and not each.is_same_source(made_from) for each in known)

    def _decide(self, job: Job, made_from: Origin, base: str) -> None:
        """What of a source's outputs is missing, or why none can be written."""
        missing = []
        job.is_renamed = self._where.file is None and base != _short(_stem(job.source.place))
        for form in self._formats:
            name = self._where.file or base + SUFFIX[form]
            job.outputs[form] = path = self._where.folder / name
            known = self.memory.of(name)
            if path.is_dir():
                job.problem = CommandError(f"{path}: it is a folder")
            elif not path.exists() or self._force:
                missing.append(form)
            elif known is None or not known.is_same_source(made_from):
                by = f"was made from {known.source}" if known else "was not made by this command"
                job.problem = CommandError(
                    f"{path}: the file exists and {by}: --force overwrites it, and -o names "
                    "another place"
                )
            elif not job.source.is_kept or not _is_current(known, made_from):
                missing.append(form)
        job.missing = tuple(missing)


def _is_current(known: Origin, now: Origin) -> bool:
    """Whether content and options are those that an output was made with."""
    return (known.size, known.modified, known.options) == (now.size, now.modified, now.options)


def _stem(place: PurePosixPath) -> PurePosixPath:
    return place.with_suffix("") if place.stem else place


def _candidates(place: PurePosixPath, *, several: bool) -> Iterator[str]:
    """Names for a source's outputs, the best first."""
    full = _short(place)
    if not several:
        yield _short(_stem(place))
    yield full
    yield from (f"{full}-{number}" for number in count(2))


def _short(place: PurePosixPath) -> str:
    """A name that a file system takes; a part that is too long keeps its start and a hash."""
    parts = [part for part in place.parts if part not in ("/", "..")]
    return "/".join(_short_part(part) for part in parts)


def _short_part(name: str) -> str:
    raw = os.fsencode(name)
    if len(raw) <= _LONGEST:
        return name
    kept = raw[: _LONGEST - 17].decode("utf-8", "ignore")
    return f"{kept}~{hashed(name)}"


def check_writable(jobs: Sequence[Job]) -> None:
    """Find out before any audio is sent whether the outputs can be written.

    Raises:
        CommandError: One of the folders cannot be made or written to.
    """
    checked = set()
    for job in jobs:
        for form in job.missing:
            folder = job.outputs[form].parent
            while not folder.exists() and folder != folder.parent:
                folder = folder.parent
            if folder not in checked:
                checked.add(folder)
                try:
                    with tempfile.TemporaryFile(dir=folder):
                        pass
                except OSError as error:
                    raise CommandError(
                        f"{folder}: no transcript can be written there: {error.strerror}"
                    ) from error


def write(target: Path, text: str) -> None:
    """Put the text there in one step: a reader sees the old file, none, or the whole new one.

    A link at the name of the unfinished file is not followed, because others may have put it there.
    What UTF-8 cannot say, such as a byte of a file's name, is escaped as in JSON.

    Raises:
        OSError: The disk is full, or writing is not permitted; nothing half-written is left.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    # The same name every time: what a killed run left there, the next one removes.
    part = target.with_name(f".{target.name}.part")
    part.unlink(missing_ok=True)
    try:
        with part.open("x", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
