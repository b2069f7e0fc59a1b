"""A transcript as text, JSON, SubRip or WebVTT."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from pulse_plugins.core.events import Final, Word

Format = Literal["text", "json", "srt", "vtt"]
SUFFIX: dict[Format, str] = {"text": ".txt", "json": ".json", "srt": ".srt", "vtt": ".vtt"}

_LINE = 42  # characters that a caption line may have
_CAPTION = 74  # and a caption: a little less than two, because lines break between words
_LONGEST = 6.0  # seconds that a caption stays
_SHORTEST = 0.4


@dataclass(frozen=True, slots=True)
class Cue:
    """One caption.

    Attributes:
        start: Seconds.
        end: Seconds, later than `start` and never later than the next one's start.
        text: One or two lines.
    """

    start: float
    end: float
    text: str


def render(finals: Sequence[Final], form: Format, *, source: str, seconds: float) -> str:
    """Write a transcript.

    Args:
        finals: The segments, in order.
        form: The format.
        source: What was transcribed, for JSON.
        seconds: How long the audio is.
    """
    match form:
        case "text":
            return "".join(f"{final.text}\n" for final in finals)
        case "json":
            return _json(finals, source, seconds)
        case "srt":
            blocks = enumerate(cues(finals), 1)
            return "".join(
                f"{number}\n{_time(cue.start, ',')} --> {_time(cue.end, ',')}\n{cue.text}\n\n"
                for number, cue in blocks
            )
        case "vtt":
            return "WEBVTT\n\n" + "".join(
                f"{_time(cue.start, '.')} --> {_time(cue.end, '.')}\n"
                f"{html.escape(cue.text, quote=False)}\n\n"
                for cue in cues(finals)
            )


def cues(finals: Sequence[Final]) -> list[Cue]:
    """Captions short enough to read; they break where segments do and never overlap."""
    raw = [cue for final in finals if final.text for cue in _of(final)]
    settled: list[Cue] = []
    for index, cue in enumerate(raw):
        start = max(cue.start, settled[-1].end) if settled else max(cue.start, 0.0)
        end = max(cue.end, start + _SHORTEST)
        if index + 1 < len(raw) and raw[index + 1].start > start:
            end = min(end, raw[index + 1].start)
        settled.append(Cue(start, max(end, start + 0.001), cue.text))
    return settled


def _of(final: Final) -> list[Cue]:
    if not final.words:
        return [Cue(final.start, max(final.end, final.start), _two_lines(final.text.split()))]
    found: list[Cue] = []
    open_words: list[Word] = []
    for word in final.words:
        longer = sum(len(each.text) + 1 for each in open_words) + len(word.text)
        if open_words and (longer > _CAPTION or word.end - open_words[0].start > _LONGEST):
            found.append(_cue(open_words))
            open_words = []
        open_words.append(word)
    return [*found, _cue(open_words)]


def _cue(words: list[Word]) -> Cue:
    return Cue(words[0].start, words[-1].end, _two_lines([word.text for word in words]))


def _two_lines(words: list[str]) -> str:
    """Break once, at the word nearest to the middle, where one line would be too long."""
    text = " ".join(words)
    if len(text) <= _LINE:
        return text
    breaks = [index for index, letter in enumerate(text) if letter == " "]
    if not breaks:
        return text
    middle = min(breaks, key=lambda index: abs(index - len(text) // 2))
    return f"{text[:middle]}\n{text[middle + 1 :]}"


def _time(seconds: float, point: str) -> str:
    total = round(seconds * 1000)
    minutes, milliseconds = divmod(total, 60_000)
    return (
        f"{minutes // 60:02}:{minutes % 60:02}:"
        f"{milliseconds // 1000:02}{point}{milliseconds % 1000:03}"
    )


def _json(finals: Sequence[Final], source: str, seconds: float) -> str:
    segments = [
        {
            "start": round(final.start, 3),
            "end": round(final.end, 3),
            "text": final.text,
            "speaker": final.speaker,
            "language": final.language,
            "words": [asdict(word) for word in final.words],
        }
        for final in finals
    ]
    whole = {
        "source": source,
        "seconds": round(seconds, 3),
        "text": " ".join(final.text for final in finals),
        "segments": segments,
    }
    return json.dumps(whole, ensure_ascii=False, indent=2) + "\n"
