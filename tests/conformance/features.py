"""Every feature and response field of the service, and how each client of the package shows it.

A cell holds the check that the test runs; the table in docs/testing.md is made of the same cells.
None means that the client does not show the feature.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pulse_plugins import Final, Interim
from pulse_plugins.core.base.events import SpeechEnded, SpeechStarted
from pulse_plugins.core.wire.batch_messages import BatchTranscript

Check = Callable[[Any], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One row.

    Attributes:
        name: As the table says it.
        asked: The options that switch the feature on.
        server: `yes`, or `simulated` where the local server makes the values up.
        engine: Takes the events of a stream.
        pipecat: Takes the frames behind the service.
        livekit: Takes the events of a speech stream.
        batch: Takes the transcript of a request.
        command_line: Takes the object that `transcribe --json` prints.
    """

    name: str
    asked: dict[str, Any] = field(default_factory=dict)
    server: str = "yes"
    engine: Check | None = None
    pipecat: Check | None = None
    livekit: Check | None = None
    batch: Check | None = None
    command_line: Check | None = None


def final(events: list[Any]) -> Final:
    """The first final with words of a stream."""
    return next(each for each in events if isinstance(each, Final) and each.text)


def result(frames: list[Any]) -> Final:
    """The engine's final that the first transcription frame carries."""
    from pipecat.frames.frames import TranscriptionFrame

    shown: Any = next(each for each in frames if isinstance(each, TranscriptionFrame)).result
    found = shown.event
    assert isinstance(found, Final)
    return found


def data(events: list[Any]) -> Any:
    """The first alternative of the first final of a speech stream."""
    from livekit.agents.stt import SpeechEventType

    kind = SpeechEventType.FINAL_TRANSCRIPT
    return next(each for each in events if each.type is kind).alternatives[0]


def segment(printed: dict[str, Any]) -> dict[str, Any]:
    """The first segment of a printed transcript."""
    first: dict[str, Any] = printed["segments"][0]
    return first


def kinds(events: list[Any]) -> set[str]:
    """The types of LiveKit's events."""
    return {str(each.type).rpartition(".")[2].lower() for each in events}


def frame_names(frames: list[Any]) -> set[str]:
    return {type(each).__name__ for each in frames}


def transcript(found: BatchTranscript) -> BatchTranscript:
    return found


FEATURES = (
    Feature(
        name="interim transcripts",
        engine=lambda events: any(isinstance(each, Interim) for each in events),
        pipecat=lambda frames: "InterimTranscriptionFrame" in frame_names(frames),
        livekit=lambda events: "interim_transcript" in kinds(events),
    ),
    Feature(
        name="words with times and confidence (`words`)",
        asked={"word_timestamps": True},
        engine=lambda events: final(events).words[1].start > 0.2 and final(events).confidence,
        pipecat=lambda frames: result(frames).words[1].start > 0.2 and result(frames).confidence,
        livekit=lambda events: data(events).words[1].start_time > 0.2 and data(events).confidence,
        batch=lambda found: found.words[1].start > 0.2 and found.words[1].confidence,
        command_line=lambda printed: segment(printed)["words"][1]["start"] > 0.2,
    ),
    Feature(
        name="speakers (`diarize`)",
        asked={"diarize": True},
        server="simulated",
        engine=lambda events: {word.speaker for word in final(events).words} == {"0", "1"},
        pipecat=lambda frames: result(frames).speaker in ("0", "1"),
        livekit=lambda events: data(events).speaker_id == "S0",
        batch=lambda found: {word.speaker for word in found.words} == {"0", "1"},
        command_line=lambda printed: segment(printed)["speaker"] in ("0", "1"),
    ),
    Feature(
        name="detected languages (`language`, `languages`)",
        asked={"language": "multi-eu"},
        engine=lambda events: final(events).languages == ("en", "hi"),
        pipecat=lambda frames: result(frames).languages == ("en", "hi"),
        livekit=lambda events: [str(x) for x in data(events).source_languages] == ["en", "hi"],
        command_line=lambda printed: segment(printed)["languages"] == ["en", "hi"],
    ),
    Feature(
        name="sentences (`sentence_timestamps`, `utterances`)",
        asked={"sentence_timestamps": True},
        engine=lambda events: final(events).utterances[0].text.startswith("Please"),
        pipecat=lambda frames: result(frames).utterances[0].text.startswith("Please"),
        livekit=lambda events: data(events).metadata["utterances"][0]["text"],
        batch=lambda found: found.utterances[0].text.startswith("Please"),
        command_line=lambda printed: segment(printed)["utterances"][0]["text"],
    ),
    Feature(
        name="the text so far (`full_transcript`)",
        asked={"full_transcript": True, "dialect": "live"},
        engine=lambda events: final(events).full_transcript.startswith("Please"),
        pipecat=lambda frames: result(frames).full_transcript.startswith("Please"),
    ),
    Feature(
        name="redaction (`redact_pii`, `redact_pci`, `redacted_entities`)",
        asked={"redact_pii": True},
        server="simulated",
        engine=lambda events: final(events).redacted_entities == ("[FIRSTNAME_1]",),
        pipecat=lambda frames: result(frames).redacted_entities == ("[FIRSTNAME_1]",),
        livekit=lambda events: data(events).metadata["redacted_entities"] == ["[FIRSTNAME_1]"],
        batch=lambda found: "[FIRSTNAME_1]" in found.text,
        command_line=lambda printed: segment(printed)["redacted_entities"] == ["[FIRSTNAME_1]"],
    ),
    Feature(
        name="numbers as digits (`itn_normalize`)",
        asked={"itn_normalize": True},
        engine=lambda events: "25" in final(events).text,
        pipecat=lambda frames: "25" in result(frames).text,
        livekit=lambda events: "25" in data(events).text,
        command_line=lambda printed: "25" in printed["text"],
    ),
    Feature(
        name="plain text (`format`, `punctuate`, `capitalize`)",
        asked={"format": False},
        engine=lambda events: final(events).text.startswith("please"),
        pipecat=lambda frames: result(frames).text.startswith("please"),
        livekit=lambda events: data(events).text.startswith("please"),
        batch=lambda found: found.text.startswith("please"),
        command_line=lambda printed: printed["text"].startswith("please"),
    ),
    Feature(
        name="speech events (`vad_events`)",
        asked={"vad_events": True},
        engine=lambda events: {SpeechStarted, SpeechEnded} <= {type(each) for each in events},
        pipecat=lambda frames: (
            {
                "ProposedUserStartedSpeakingFrame",
                "ProposedUserStoppedSpeakingFrame",
            }
            <= frame_names(frames)
        ),
        livekit=lambda events: {"start_of_speech", "end_of_speech"} <= kinds(events),
    ),
    Feature(
        name="emotion and gender of streams (`pulse-2`)",
        asked={"model": "pulse-2", "emotion_detection": True, "gender_detection": True},
        server="simulated",
        engine=lambda events: final(events).emotion and final(events).gender,
        pipecat=lambda frames: result(frames).emotion and result(frames).gender,
        livekit=lambda events: {"emotion", "gender"} <= set(data(events).metadata),
        command_line=lambda printed: segment(printed)["emotion"] and segment(printed)["gender"],
    ),
    Feature(
        name="emotions and gender of recordings",
        asked={"emotion_detection": True, "gender_detection": True},
        server="simulated",
        batch=lambda found: found.emotions["happiness"] >= 0 and found.gender,
    ),
    Feature(
        name="duration and request id",
        batch=lambda found: found.duration > 1 and found.request_id,
    ),
)
CLIENTS = ("engine", "pipecat", "livekit", "batch", "command_line")


def table() -> str:
    """The table of docs/testing.md."""
    lines = [
        "| feature of the service | Pipecat | LiveKit | engine | batch | command | local server |",
        "|---|---|---|---|---|---|---|",
    ]
    for each in FEATURES:
        cells = [
            "yes" if getattr(each, client) is not None else "no"
            for client in ("pipecat", "livekit", "engine", "batch", "command_line")
        ]
        lines.append(f"| {each.name} | {' | '.join(cells)} | {each.server} |")
    return "\n".join(lines) + "\n"
