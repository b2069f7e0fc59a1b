"""The calls: what is said in them and when, and that a recognizer can be right about all."""

from __future__ import annotations

from itertools import groupby, pairwise

import numpy as np
import pytest

from pulse_plugins.local.recognizers.scripted import ScriptedDecoder, spell
from tests.support import calls
from tests.support.players import Heard, Line, PerfectLine, play
from tests.support.scenarios import (
    Call,
    Cue,
    Cut,
    EndTurn,
    Finalize,
    Frame,
    InWord,
    Mute,
    NoAudio,
    Pause,
    Say,
    Voice,
    differences,
)


@pytest.mark.parametrize("call", calls.ALL, ids=lambda call: call.name)
async def test_a_perfect_recognizer_is_right_about_every_call(call: Call) -> None:
    said: list[Heard] = []
    line = PerfectLine(call, said.append, latency=0.4)
    await play(call, line)
    line.answer()  # as a hang-up does
    await play(Call("time for the last result", ()), Line())
    turn_of = {word.text: word.turn for word in call.spoken if word.wanted}
    finals = [h.text for h in said if h.is_final and h.text and set(h.text.split()) <= set(turn_of)]
    if any(Finalize in (type(step), type(getattr(step, "step", None))) for step in call.steps):
        turns = groupby(finals, key=lambda text: turn_of[text.split()[0]])
        finals = [" ".join(parts) for _, parts in turns]
    assert differences(call.turns, finals) == []


@pytest.mark.parametrize("rate", [8000, 16_000, 48_000])
async def test_the_audio_of_a_call_contains_its_words_where_they_are_said(rate: int) -> None:
    call = Call("", (Say(2), Pause(0.5), InWord(Cut()), Say(2, same=True), Say(1)))
    decoder = ScriptedDecoder(rate)
    timeline = call.timeline(rate)
    samples = [cue.samples for _, cue in timeline.cues() if isinstance(cue, Frame)]
    await decoder.feed(np.concatenate(samples))
    heard = await decoder.finish_segment()
    assert [word.text for word in heard] == [spell(n) for n in (0, 1, 2, 3, 3, 4)]
    for word, said in zip(heard, timeline.spoken, strict=True):
        assert word.text == said.text
        assert abs(word.start - said.start) < 0.01
        assert abs(word.end - said.heard_at) < 0.01


def test_cues_come_in_the_order_of_the_call() -> None:
    call = Call("", (Say(1), EndTurn(), Pause(0.5), InWord(Finalize()), Mute(True)), tail=0.5)
    cues = [cue for cue in call.timeline().cues() if not isinstance(cue[1], Frame)]
    wanted: list[tuple[float, Cue]] = [
        (0.5, Voice(True)),
        (0.54, EndTurn()),
        (0.74, Voice(False)),
        (1.16, Finalize()),
        (1.24, Voice(True)),
        (1.28, Mute(True)),
        (1.48, Voice(False)),
    ]
    assert [cue for _, cue in cues] == [cue for _, cue in wanted]
    assert [at for at, _ in cues] == pytest.approx([at for at, _ in wanted])


def test_a_voice_detector_hears_no_end_in_a_pause_shorter_than_it_waits() -> None:
    call = Call("", (Say(1), Pause(0.3), Say(1)))

    def voices(stop_seconds: float) -> list[bool]:
        cues = call.timeline().cues(stop_seconds=stop_seconds)
        return [cue.speaks for _, cue in cues if isinstance(cue, Voice)]

    assert voices(0.2) == [True, False, True, False]
    assert voices(0.5) == [True, False]


def test_without_audio_time_passes_and_no_frame_comes() -> None:
    call = Call("", (Say(1), NoAudio(2.0), Say(1)), tail=0.2)
    frames = [at for at, cue in call.timeline().cues() if isinstance(cue, Frame)]
    gaps = [b - a for a, b in pairwise(frames)]
    assert max(gaps) == pytest.approx(2.02)
    assert sorted(gaps)[-2] == pytest.approx(0.02)
    assert call.spoken[1].start - call.spoken[0].end == pytest.approx(2.0)
    assert call.spoken[1].heard_at - call.spoken[0].heard_at == pytest.approx(0.24)


def test_what_is_said_while_muted_is_not_wanted() -> None:
    call = Call("", (Say(1), EndTurn(), Mute(True), Say(1), EndTurn(), Mute(False), Say(1)))
    assert call.turns == [[spell(0)], [spell(2)]]


def test_what_the_framework_does_not_hear_is_not_wanted() -> None:
    call = Call("", (Say(1, unheard=True), Say(1), EndTurn(), Say(1)))
    assert call.turns == [[spell(1)], [spell(2)]]


@pytest.mark.parametrize(
    ("heard", "found"),
    [
        (["Baba babe.", "", "babi"], []),
        (["baba babe babi"], ["said [2, 1], heard [3] words a turn"]),
        (["baba", "babi"], ["lost babe", "said [2, 1], heard [1, 1] words a turn"]),
        (["baba baba babe", "babi"], ["extra baba", "said [2, 1], heard [3, 1] words a turn"]),
        (["babe baba", "babi"], ["the order is wrong", "said [2, 1], heard [2, 1] words a turn"]),
    ],
)
def test_differences_are_named(heard: list[str], found: list[str]) -> None:
    assert differences([["baba", "babe"], ["babi"]], heard) == found
