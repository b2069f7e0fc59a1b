"""Calls as data: what the caller says, what goes wrong, and the words that must come of it.

A call is a list of steps in the caller's time. `timeline` turns it into audio frames and cues with
their times; `players.play` gives them to whatever is tested: a `PulseStream`, a Pipecat pipeline, a
LiveKit session, or a perfect recognizer. Each word must come once, in order, in its turn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pulse_plugins.local.recognizers.scripted import WORD_SECONDS, speak, spell

FRAME_SECONDS = 0.02
GAP = 0.06  # seconds between two words
_SOFT = 0.1  # of a word's loudness
_COUGH = 6000  # amplitude
_IN_WORD = WORD_SECONDS / 2  # seconds after the start of a word


# Steps of the caller.


@dataclass(frozen=True, slots=True)
class Say:
    """Words, each a new one; 0.3 s a word.

    Attributes:
        count: How many.
        gap: Seconds of silence between two words.
        same: All of them are one word ("no, no, no").
        soft: A caller far from the microphone: 20 dB quieter.
        speaker: Who says them.
        unheard: The framework does not hear the caller meanwhile: these words must not come.
    """

    count: int
    gap: float = GAP
    same: bool = False
    soft: bool = False
    speaker: int = 0
    unheard: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """The caller is silent; the line carries silence."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Cough:
    """Noise that a voice detector takes for speech; it contains no word."""

    seconds: float = 0.3


@dataclass(frozen=True, slots=True)
class NoAudio:
    """No frames come at all, as from a muted track or in a gap of the network."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Mute:
    """The application mutes the recognition, or ends that; what is said meanwhile is unwanted."""

    on: bool


@dataclass(frozen=True, slots=True)
class Finalize:
    """The application asks for the words so far, in the middle of a turn."""


@dataclass(frozen=True, slots=True)
class EndTurn:
    """The caller's turn is over: what is said next belongs to the next turn."""


@dataclass(frozen=True, slots=True)
class Change:
    """The application changes options of the running recognition."""

    options: Mapping[str, object]


# Steps of the network and the server.


@dataclass(frozen=True, slots=True)
class Cut:
    """The connection breaks; the next handshakes are refused with these statuses, in order."""

    then_refused: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Outage:
    """The connection breaks, and no handshake succeeds for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class BlackHole:
    """The connection stays open, takes everything and answers nothing."""


@dataclass(frozen=True, slots=True)
class Close:
    """The server closes the connection with this code."""

    code: int


Instant: TypeAlias = Mute | Finalize | EndTurn | Change | Cut | Outage | BlackHole | Close


@dataclass(frozen=True, slots=True)
class InWord:
    """One word, and something that happens in the middle of it, 0.12 s after its start."""

    step: Instant


Step: TypeAlias = Say | InWord | Pause | Cough | NoAudio | Instant


@dataclass(frozen=True, slots=True)
class Spoken:
    """A word that was said.

    Attributes:
        text: As `spell` spells it.
        turn: Number of its turn, from 0.
        start: Seconds of the call.
        end: Seconds of the call.
        heard_at: Seconds of audio that a listener was given once the word has ended.
        wanted: Whether it must come out; not while the recognition is muted.
        speaker: Who said it.
    """

    text: str
    turn: int
    start: float
    end: float
    heard_at: float
    wanted: bool = True
    speaker: int = 0


@dataclass(frozen=True, slots=True)
class Frame:
    """20 ms of audio, mono, 16 bits."""

    samples: NDArray[np.int16] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Voice:
    """Whether an ideal voice detector hears the caller from now on."""

    speaks: bool


Cue: TypeAlias = Frame | Voice | Instant


@dataclass(frozen=True)
class Call:
    """One call.

    Attributes:
        name: What happens in it, for the test's id.
        steps: What happens, in order.
        lead: Seconds of silence before the first step.
        tail: Seconds of silence after the last one.
    """

    name: str
    steps: tuple[Step, ...]
    lead: float = 0.3
    tail: float = 2.0

    @cached_property
    def spoken(self) -> tuple[Spoken, ...]:
        """Every word that is said, unwanted ones too."""
        return tuple(self.timeline(16_000).spoken)

    @property
    def turns(self) -> list[list[str]]:
        """The wanted words of each turn."""
        said = [word for word in self.spoken if word.wanted]
        return [
            [word.text for word in said if word.turn == turn]
            for turn in sorted({word.turn for word in said})
        ]

    @property
    def words(self) -> list[str]:
        """All wanted words in order."""
        return [word for turn in self.turns for word in turn]

    @property
    def speakers(self) -> dict[str, int]:
        """Who said each word, for `Habits.speakers`."""
        return {word.text: word.speaker for word in self.spoken}

    def timeline(self, rate: int = 16_000) -> Timeline:
        """The call as audio at this rate, with its cues."""
        timeline = Timeline(rate)
        for step in (Pause(self.lead), *self.steps, Pause(self.tail)):
            timeline.add(step)
        return timeline


class Timeline:
    """A call in the making, or made: audio and cues with the times when they are due.

    Attributes:
        rate: Hz.
        seconds: How long the call lasts.
        spoken: The words, in order.
    """

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.seconds = 0.0
        self.spoken: list[Spoken] = []
        self._cues: list[tuple[float, Cue]] = []
        self._pieces: list[tuple[float, NDArray[np.int16]]] = []  # when each begins, and its audio
        self._given = 0.0  # seconds of audio so far
        self._voiced: list[tuple[float, float]] = []  # when the caller can be heard
        self._turn = 0
        self._number = 0
        self._is_muted = False

    def add(self, step: Step) -> None:
        """Append a step."""
        match step:
            case Say():
                self._say(step)
            case InWord(instant):
                self._cues.append((self.seconds + _IN_WORD, instant))
                self._say(Say(1))
            case Pause(seconds):
                self._audio(np.zeros(round(seconds * self.rate), np.int16))
            case Cough(seconds):
                count = round(seconds * self.rate)
                noise = np.random.default_rng(0).uniform(-_COUGH, _COUGH, count)
                self._voiced.append((self.seconds, self.seconds + seconds))
                self._audio(noise.astype(np.int16))
            case NoAudio(seconds):
                self.seconds += seconds
            case _:
                self._cue(step)

    def _cue(self, cue: Instant) -> None:
        self._cues.append((self.seconds, cue))
        if isinstance(cue, Mute):
            self._is_muted = cue.on
        if isinstance(cue, EndTurn):
            self._turn += 1

    def _say(self, step: Say) -> None:
        for index in range(step.count):
            if index:
                self._audio(np.zeros(round(step.gap * self.rate), np.int16))
            start, heard = self.seconds, self._given
            samples = speak([self._number], self.rate)
            self._audio((samples * _SOFT).astype(np.int16) if step.soft else samples)
            self._voiced.append((start, self.seconds))
            self.spoken.append(
                Spoken(
                    spell(self._number),
                    self._turn,
                    start,
                    self.seconds,
                    heard + WORD_SECONDS,
                    not (self._is_muted or step.unheard),
                    step.speaker,
                )
            )
            if not step.same or index == step.count - 1:
                self._number += 1

    def _audio(self, samples: NDArray[np.int16]) -> None:
        if len(samples):
            self._pieces.append((self.seconds, samples))
            self.seconds += len(samples) / self.rate
            self._given += len(samples) / self.rate

    def cues(
        self, start_seconds: float = 0.2, stop_seconds: float = 0.2
    ) -> list[tuple[float, Cue]]:
        """What is due when, in seconds of the call.

        Args:
            start_seconds: How long the voice detector needs to hear that speech has begun.
            stop_seconds: How long a silence must be for it to say that speech has ended.
        """
        voice: list[tuple[float, Cue]] = []
        for start, end in self._utterances(stop_seconds):
            voice.append((min(start + start_seconds, end), Voice(True)))
            voice.append((end + stop_seconds, Voice(False)))
        # Python's sort is stable: a frame comes before the cues of its moment.
        return sorted([*self._frames(), *self._cues, *voice], key=lambda cue: round(cue[0], 6))

    def _utterances(self, stop_seconds: float) -> Iterator[tuple[float, float]]:
        open_from, open_to = None, 0.0
        for start, end in self._voiced:
            if open_from is not None and start - open_to >= stop_seconds:
                yield open_from, open_to
                open_from = None
            open_from = start if open_from is None else open_from
            open_to = end
        if open_from is not None:
            yield open_from, open_to

    def _frames(self) -> list[tuple[float, Cue]]:
        size = round(self.rate * FRAME_SECONDS)
        frames: list[tuple[float, Cue]] = []
        run, begins = np.empty(0, np.int16), 0.0
        for at, samples in [*self._pieces, (self.seconds + 1, np.empty(0, np.int16))]:
            if at - begins - len(run) / self.rate > FRAME_SECONDS / 2:  # after a gap without audio
                frames += _framed(run, begins, size)
                run, begins = run[:0], at
            run = np.concatenate((run, samples))
        return frames


def _framed(run: NDArray[np.int16], begins: float, size: int) -> list[tuple[float, Cue]]:
    """Whole frames; each is due when its last sample was said."""
    padded = np.concatenate((run, np.zeros(-len(run) % size, np.int16)))
    return [
        (begins + (at // size + 1) * FRAME_SECONDS, Frame(padded[at : at + size]))
        for at in range(0, len(padded), size)
    ]


def differences(wanted: Sequence[Sequence[str]], heard: Sequence[str]) -> list[str]:
    """How the text of each turn differs from what was said in it; [] when it does not.

    Args:
        wanted: The words of each turn: `Call.turns`.
        heard: The text of each turn, with any case and punctuation.
    """
    turns = [[word.strip(".,").lower() for word in text.split()] for text in heard]
    turns = [turn for turn in turns if turn]
    meant = [[word.lower() for word in turn] for turn in wanted]
    if turns == meant:
        return []
    flat, said = [w for turn in turns for w in turn], [w for turn in meant for w in turn]
    found = [f"lost {word}" for word in dict.fromkeys(said) if flat.count(word) < said.count(word)]
    found += [
        f"extra {word}" for word in dict.fromkeys(flat) if flat.count(word) > said.count(word)
    ]
    if not found and flat != said:
        found.append("the order is wrong")
    return [
        *found,
        f"said {[len(t) for t in wanted]}, heard {[len(t) for t in turns]} words a turn",
    ]
