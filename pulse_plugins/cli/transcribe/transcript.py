"""What one recording came to: segments of text, who said them, and what the service told of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from pulse_plugins.cli.transcribe.alignment import Token, tokens
from pulse_plugins.core.base.events import Final


@dataclass(frozen=True, slots=True)
class Segment:
    """A final on the clock of the recording.

    Attributes:
        final: Text, words and all that the service said of them.
        channel: The label of the channel that it was heard on, or None for a mix.
    """

    final: Final
    channel: str | None = None


@dataclass(frozen=True, slots=True)
class Transcript:
    """The transcript of one recording.

    Attributes:
        segments: In the order of their start.
        seconds: The length of the recording.
        sent: Seconds of audio that were sent to the service; holes are not sent.
        language: The language that was asked for.
        service: What the service said of the whole recording, such as its metadata.
        notes: What the reader should know of the recording, a sentence each.
    """

    segments: tuple[Segment, ...]
    seconds: float
    sent: float = 0.0
    language: str = ""
    service: Mapping[str, object] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Turn:
    """A run of tokens of one voice within one segment.

    Attributes:
        voice: The label that is shown, or "" where nobody is told apart.
        tokens: Its text; never empty.
    """

    voice: str
    tokens: tuple[Token, ...]


class Voices:
    """Labels for channels and speakers; speakers are numbered in the order of their first words."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str | None, str], int] = {}

    def label(self, channel: str | None, speaker: str | None) -> str:
        """The label that is shown for a speaker on a channel.

        Args:
            channel: The channel's label, or None for a mix.
            speaker: The service's label, or None where speakers were not told apart.
        """
        if speaker is None:
            return channel or ""
        known = [key for key in self._numbers if key[0] == channel]
        number = self._numbers.setdefault((channel, speaker), len(known) + 1)
        return f"{channel}, speaker {number}" if channel else f"Speaker {number}"


def turns(segments: Sequence[Segment]) -> Iterator[list[Turn]]:
    """The turns of each segment that has text."""
    voices = Voices()
    for segment in segments:
        found = with_speakers(tokens(segment.final))
        if found:
            yield [
                Turn(voices.label(segment.channel, speaker), tuple(run))
                for speaker, run in groupby(found, key=lambda token: token.speaker)
            ]


def with_speakers(found: Sequence[Token]) -> list[Token]:
    """Give a token without a speaker that of the token before it, or after it at the start."""
    current = next((token.speaker for token in found if token.speaker is not None), None)
    filled = []
    for token in found:
        current = token.speaker if token.speaker is not None else current
        filled.append(replace(token, speaker=current))
    return filled
