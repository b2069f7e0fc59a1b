"""A transcript as text, JSON, SubRip or WebVTT."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal
from unicodedata import east_asian_width

from pulse_plugins.core.base.events import Final, Word
from pulse_plugins.core.base.languages import spaceless

Format = Literal["text", "json", "srt", "vtt"]
SUFFIX: dict[Format, str] = {"text": ".txt", "json": ".json", "srt": ".srt", "vtt": ".vtt"}
VTT_HEAD = "WEBVTT\n\n"
"""How a file of this format begins, once."""

_LINE = 42  # columns that a caption line may have
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
            return VTT_HEAD + "".join(
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
    gap = _gap(final)
    if not final.words:
        parts = final.text.split() if gap else list(final.text)
        return [Cue(final.start, max(final.end, final.start), _two_lines(parts, gap))]
    found: list[Cue] = []
    open_words: list[Word] = []
    for word in final.words:
        longer = _width(gap.join(each.text for each in (*open_words, word)))
        if open_words and (longer > _CAPTION or word.end - open_words[0].start > _LONGEST):
            found.append(_cue(open_words, gap))
            open_words = []
        open_words.append(word)
    return [*found, _cue(open_words, gap)]


def _gap(final: Final) -> str:
    """What stands between two words: nothing in Chinese or Japanese."""
    one = len(final.words) > 1 and not any(map(str.isspace, final.text.strip()))
    return "" if one or spaceless(final.language or "") else " "


def _cue(words: list[Word], gap: str) -> Cue:
    return Cue(words[0].start, words[-1].end, _two_lines([word.text for word in words], gap))


def _two_lines(parts: list[str], gap: str) -> str:
    """Break once, between the parts nearest to the middle, where one line would be too long."""
    text = gap.join(parts)
    if _width(text) <= _LINE or len(parts) < 2:
        return text
    half = _width(text) // 2
    middle = min(range(1, len(parts)), key=lambda n: abs(_width(gap.join(parts[:n])) - half))
    return f"{gap.join(parts[:middle])}\n{gap.join(parts[middle:])}"


def _width(text: str) -> int:
    """Columns on a screen: a Chinese or Japanese character takes two."""
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


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
