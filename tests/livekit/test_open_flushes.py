"""Where the words of several turns, which come at once, are divided."""

from __future__ import annotations

import pytest

from pulse_plugins.core.base.events import Final, Word
from pulse_plugins.livekit.framework import TurnMode
from pulse_plugins.livekit.open_flushes import UNHEARD, OpenFlushes


def segment(text: str, start: float, end: float, *, timed: bool = True) -> Final:
    words = (Word(text, start, end, 1.0, None, None),) if timed else ()
    return Final(text, start, end, words)


def turns(mode: TurnMode | None, pause: float, *flushes: float, timed: bool = True) -> int:
    """How many turns two segments with this pause are; flushes are seconds after the first."""
    open_flushes = OpenFlushes()
    for number, after in enumerate(flushes, 1):
        open_flushes.add(number, 2.0 + after)
    first = segment("a", 1.0, 2.0, timed=timed)
    second = segment("b", 2.0 + pause, 3.0 + pause, timed=timed)
    return len(open_flushes.turns(segment("a b", 1.0, 3.0 + pause), [first, second], " ", mode))


@pytest.mark.parametrize("mode", ["vad", "detector", "text_detector"])
def test_a_turn_begins_after_a_flush_and_silence(mode: TurnMode) -> None:
    assert turns(mode, 1.1, 0.45) == 2
    assert turns(mode, 1.0, 0.45) == 1


def test_a_turn_begins_after_a_silence_in_which_the_detector_would_have_flushed() -> None:
    assert turns("vad", UNHEARD + 0.01) == 2
    assert turns("vad", UNHEARD - 0.01) == 1


@pytest.mark.parametrize("mode", ["detector", "text_detector"])
def test_a_turn_detector_waits_longer_than_any_silence_tells(mode: TurnMode) -> None:
    assert turns(mode, 2.5) == 1


@pytest.mark.parametrize("mode", ["manual", "stt", None])
def test_only_a_voice_detector_divides_turns_at_pauses(mode: TurnMode | None) -> None:
    assert turns(mode, 2.5, 0.5) == 1


def test_words_without_times_are_not_divided() -> None:
    assert turns("vad", 2.5, 0.5, timed=False) == 1
