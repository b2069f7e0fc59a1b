"""Captions: at most two lines of 42 columns, one voice each, broken where speech pauses."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pulse_plugins.cli.transcribe.alignment import Token, joined, width
from pulse_plugins.cli.transcribe.transcript import Segment, turns

LINE = 42  # columns of a line: what broadcasters' guides for subtitles allow
_LONGEST = 6.0  # seconds that a caption stays; the same guides say five to seven
_SHORTEST = 0.4  # seconds; a shorter caption is not seen
# Seconds without a word after which a caption ends: a longer one would show words before they are
# said, or stay while nobody speaks.
_PAUSE = 0.8
_BREATH = 0.25  # seconds without a word; a good place to break, if a caption is full anyway
_SENTENCE = (".", "!", "?", "…", "。", "\uff01", "\uff1f", "।", "؟")
_AFTER = "\"'\u201d\u2019)]」』"  # what may follow the end of a sentence
_CLAUSE = (",", ";", ":", "—", "\uff0c", "、", "\uff1b", "\uff1a")


@dataclass(frozen=True, slots=True)
class Cue:
    """One caption.

    Attributes:
        start: Seconds.
        end: Seconds, later than `start`, and never later than the next start of the same voice.
        lines: One or two lines of text.
        voice: Who speaks, or "".
    """

    start: float
    end: float
    lines: tuple[str, ...]
    voice: str = ""


def srt(segments: Sequence[Segment]) -> str:
    """SubRip; a caption of another voice than the one before begins with its label."""
    text, before = "", ""
    for number, cue in enumerate(cues(segments, labels=True), 1):
        label = f"{cue.voice}: " if cue.voice and cue.voice != before else ""
        before = cue.voice
        lines = "\n".join((label + cue.lines[0], *cue.lines[1:]))
        text += f"{number}\n{stamp(cue.start, ',')} --> {stamp(cue.end, ',')}\n{lines}\n\n"
    return text


def vtt(segments: Sequence[Segment]) -> str:
    """WebVTT without its first line; voices are `<v>` tags."""
    text = ""
    for cue in cues(segments):
        voice = f"<v {_annotation(cue.voice)}>" if cue.voice else ""
        lines = html.escape("\n".join(cue.lines), quote=False)
        text += f"{stamp(cue.start, '.')} --> {stamp(cue.end, '.')}\n{voice}{lines}\n\n"
    return text


def stamp(seconds: float, point: str = ".") -> str:
    """A time as `hh:mm:ss.mmm`."""
    total = round(max(seconds, 0.0) * 1000)
    minutes, milliseconds = divmod(total, 60_000)
    return (
        f"{minutes // 60:02}:{minutes % 60:02}:"
        f"{milliseconds // 1000:02}{point}{milliseconds % 1000:03}"
    )


def cues(segments: Sequence[Segment], *, labels: bool = False) -> list[Cue]:
    """The captions of a transcript, in the order of their start.

    Args:
        segments: What was said.
        labels: Leave room on the first line for the label of the voice.
    """
    streams: dict[str | None, list[Cue]] = {}
    groups: dict[str | None, list[tuple[str, list[Token]]]] = {}
    for segment, found in zip(
        (each for each in segments if each.final.text.strip()), turns(segments), strict=True
    ):
        for turn in found:
            _add(groups.setdefault(segment.channel, []), turn.voice, turn.tokens)
    for channel, runs in groups.items():
        streams[channel] = _settled(
            [
                Cue(part[0].start, part[-1].end, _lines(part, room), voice)
                for voice, run in runs
                for room in (_room(voice) if labels else 0,)
                for part in _parts(run, room)
            ]
        )
    return sorted((cue for each in streams.values() for cue in each), key=lambda cue: cue.start)


def _room(voice: str) -> int:
    return width(voice) + 2 if voice else 0


def _add(runs: list[tuple[str, list[Token]]], voice: str, more: Sequence[Token]) -> None:
    """Add tokens to the open run, or begin another where the voice changes or speech pauses."""
    for whole in more:
        for token in _split(whole):
            if runs and runs[-1][0] == voice and token.start - runs[-1][1][-1].end < _PAUSE:
                runs[-1][1].append(token)
            else:
                runs.append((voice, [token]))


def _split(token: Token) -> Iterator[Token]:
    """A token in pieces that a line can hold."""
    if width(token.text) <= LINE:
        yield token
        return
    size = LINE // 2
    parts = [token.text[at : at + size] for at in range(0, len(token.text), size)]
    step = (token.end - token.start) / len(parts)
    for at, part in enumerate(parts):
        start = token.start + at * step
        yield replace(
            token, text=part, start=start, end=start + step, space=token.space and at == 0
        )


def _parts(run: Sequence[Token], room: int) -> Iterator[Sequence[Token]]:
    """Cut a run into captions."""
    rest = list(run)
    while rest:
        fits = _fitting(rest, room)
        at = fits if fits == len(rest) else _best_cut(rest, fits)
        yield rest[:at]
        rest = rest[at:]


def _fitting(tokens: Sequence[Token], room: int) -> int:
    """How many tokens one caption can hold; at least one."""
    for count in range(2, len(tokens) + 1):
        part = tokens[:count]
        if part[-1].end - part[0].start > _LONGEST or not _wrapped(part, room):
            return count - 1
    return len(tokens)


def _best_cut(tokens: Sequence[Token], fits: int) -> int:
    """Where a caption ends best: after a sentence, after a clause, in a breath, or when full."""
    second_half = range(fits, fits // 2, -1)
    for at in second_half:
        if tokens[at - 1].text.rstrip(_AFTER).endswith(_SENTENCE):
            return at
    for at in second_half:
        if tokens[at - 1].text.endswith(_CLAUSE):
            return at
    for at in second_half:
        if tokens[at].start - tokens[at - 1].end >= _BREATH:
            return at
    # A word or two alone would flash by: where little is left, two captions share it evenly.
    return fits if len(tokens) - fits > fits // 2 else (len(tokens) + 1) // 2


def _lines(tokens: Sequence[Token], room: int) -> tuple[str, ...]:
    return _wrapped(tokens, room) or (joined(tokens),)


def _wrapped(tokens: Sequence[Token], room: int) -> tuple[str, ...]:
    """One or two lines; () where two are not enough."""
    text = joined(tokens)
    if width(text) + room <= LINE:
        return (text,)
    best: tuple[str, ...] = ()
    least = LINE + 1
    for at in range(1, len(tokens)):
        first, second = joined(tokens[:at]), joined(tokens[at:])
        longer = max(width(first) + room, width(second))
        if longer < least:
            best, least = (first, second), longer
    return best


def _settled(raw: Sequence[Cue]) -> list[Cue]:
    """Cues of one channel that never overlap and stay long enough to be seen."""
    settled: list[Cue] = []
    for index, cue in enumerate(raw):
        start = max(cue.start, settled[-1].end) if settled else max(cue.start, 0.0)
        end = max(cue.end, start + _SHORTEST)
        if index + 1 < len(raw) and raw[index + 1].start > start:
            end = min(end, raw[index + 1].start)
        # A millisecond is the least that the formats can tell.
        settled.append(replace(cue, start=start, end=max(end, start + 0.001)))
    return settled


def _annotation(voice: str) -> str:
    """A label as the `<v>` tag can hold it: on one line and without the tag's own end."""
    return html.escape(" ".join(voice.split()), quote=False)
