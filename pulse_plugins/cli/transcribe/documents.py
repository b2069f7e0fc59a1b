"""A transcript as text, JSON, SubRip or WebVTT."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Literal

from pulse_plugins.cli.transcribe import captions
from pulse_plugins.cli.transcribe.alignment import join_texts, joined
from pulse_plugins.cli.transcribe.transcript import Segment, Transcript, turns

Format = Literal["text", "json", "srt", "vtt"]
SUFFIX: dict[Format, str] = {"text": ".txt", "json": ".json", "srt": ".srt", "vtt": ".vtt"}
VTT_HEAD = "WEBVTT\n\n"
SCHEMA = 1
"""The version of the JSON document; a field that changes its meaning raises it."""


def render(transcript: Transcript, form: Format, *, source: str, times: bool = False) -> str:
    """Write a transcript.

    Args:
        transcript: What was said.
        form: The format.
        source: The name of the recording, for JSON.
        times: Begin each line of text with its time.
    """
    match form:
        case "text":
            return text(transcript, times=times)
        case "json":
            return json.dumps(document(transcript, source), ensure_ascii=False, indent=2) + "\n"
        case "srt":
            return captions.srt(transcript.segments)
        case "vtt":
            return VTT_HEAD + captions.vtt(transcript.segments)


def text(transcript: Transcript, *, times: bool = False) -> str:
    """A line for each segment, and for each voice in it."""
    lines = []
    for found in turns(transcript.segments):
        for turn in found:
            time = f"[{captions.stamp(turn.tokens[0].start)}] " if times else ""
            voice = f"{turn.voice}: " if turn.voice else ""
            lines.append(f"{time}{voice}{joined(turn.tokens)}\n")
    return "".join(lines)


def document(transcript: Transcript, source: str) -> dict[str, object]:
    """Everything that is known of a transcript, as JSON can hold it.

    Fields are documented in docs/command-line.md; a field without a value is null or empty.
    """
    return {
        "schema": SCHEMA,
        "source": source,
        "seconds": round(transcript.seconds, 3),
        "sent_seconds": round(transcript.sent, 3),
        "language": transcript.language,
        "text": join_texts([segment.final for segment in transcript.segments]),
        "segments": [_segment(each) for each in transcript.segments],
        "service": dict(transcript.service),
        "notes": list(transcript.notes),
    }


def _segment(segment: Segment) -> dict[str, object]:
    final = segment.final
    return {
        "start": round(final.start, 3),
        "end": round(final.end, 3),
        "text": final.text,
        "channel": segment.channel,
        "speaker": final.speaker,
        "language": final.language,
        "languages": list(final.languages),
        "confidence": None if final.confidence is None else round(final.confidence, 4),
        "words": [_rounded(asdict(word)) for word in final.words],
        "utterances": [_rounded(asdict(each)) for each in final.utterances],
        "redacted_entities": list(final.redacted_entities),
        "emotion": final.emotion,
        "gender": final.gender,
        "promoted": final.promoted,
        "session_id": final.session_id,
    }


def _rounded(fields: dict[str, object]) -> dict[str, object]:
    """Times in milliseconds: more digits are noise of the arithmetic."""
    return {
        name: round(value, 3) if name in ("start", "end") and isinstance(value, float) else value
        for name, value in fields.items()
    }
