"""Events as frames: who spoke, in which language, and nothing unredacted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pipecat.transcriptions.language import Language

from pulse_plugins.core.base.events import Final, Interim, Utterance, Word
from pulse_plugins.pipecat.frames import (
    REDACTED,
    Participants,
    Voice,
    final_frames,
    interim_frame,
    without_clear_text,
)

pytestmark = pytest.mark.unit

ENGLISH = Voice("en")


def said(*words: tuple[str, float, str | None], finalize_id: int | None = None) -> Final:
    placed = tuple(Word(text, at, at + 0.2, 0.9, speaker) for text, at, speaker in words)
    text = " ".join(word.text for word in placed)
    return Final(text, placed[0].start, placed[-1].end, placed, finalize_id=finalize_id)


def test_a_final_becomes_one_frame_with_its_typed_result() -> None:
    final = said(("Hello", 0.1, None), ("there.", 0.4, None))
    (frame,) = final_frames(final, ENGLISH, Participants())
    assert (frame.text, frame.user_id, frame.language) == ("Hello there.", "", Language.EN)
    assert frame.result is final
    assert not frame.finalized
    assert frame.timestamp.startswith("20")
    assert "T" in frame.timestamp


def test_each_speaker_of_a_final_gets_a_frame_and_only_the_last_answers_the_finalize() -> None:
    final = said(("Hi.", 0.1, "0"), ("Hello", 0.5, "1"), ("you.", 0.8, "1"), finalize_id=3)
    frames = final_frames(final, ENGLISH, Participants())
    assert [(f.user_id, f.text) for f in frames] == [("0", "Hi."), ("1", "Hello you.")]
    assert [f.result.finalize_id for f in frames if isinstance(f.result, Final)] == [None, 3]
    assert [f.result.speaker for f in frames if isinstance(f.result, Final)] == ["0", "1"]


def test_the_speaker_format_labels_diarized_text_only() -> None:
    voice = Voice("en", speaker_format="<{speaker}>{text}</{speaker}>")
    people = Participants()
    (frame,) = final_frames(said(("Hi.", 0.1, "0")), voice, people)
    assert frame.text == "<0>Hi.</0>"
    (frame,) = final_frames(said(("Hi.", 0.1, None)), voice, people)
    assert frame.text == "Hi."


def test_text_belongs_to_whoever_gave_the_audio_not_to_the_latest() -> None:
    people = Participants()
    people.heard("alice", 0.0)
    people.heard("bob", 2.0)
    people.heard("carol", 4.0)
    (frame,) = final_frames(said(("yes", 0.5, None)), ENGLISH, people)
    assert frame.user_id == "alice"
    both = said(("mine", 1.5, None), ("yours", 2.5, None))
    assert [(f.user_id, f.text) for f in final_frames(both, ENGLISH, people)] == [
        ("alice", "mine"),
        ("bob", "yours"),
    ]


def test_interleaved_frames_of_two_people_leave_a_segment_whole() -> None:
    people = Participants()
    for tick in range(100):
        people.heard("alice", tick * 0.05)
        people.heard("bob", tick * 0.05 + 0.02)
    final = said(*((f"w{n}", 0.21 * n, None) for n in range(8)))
    frames = final_frames(final, ENGLISH, people)
    assert {f.user_id for f in frames} <= {"alice", "bob"}
    assert len(frames) <= 2
    assert " ".join(f.text for f in frames) == final.text


def test_a_final_without_words_is_placed_by_its_own_times() -> None:
    people = Participants()
    people.heard("alice", 0.0)
    people.heard("bob", 2.0)
    (frame,) = final_frames(Final("yes", 0.5, 1.5), ENGLISH, people)
    assert frame.user_id == "alice"


def test_what_lies_behind_is_forgotten_and_the_rest_is_not() -> None:
    people = Participants()
    for second in range(1000):
        people.heard(f"user{second}", float(second))
    people.forget_before(990.0)
    assert people.between(995.2, 995.8) == "user995"
    assert people.between(0.0, 1.0) == ""


@pytest.mark.parametrize(
    ("voice", "told", "expected"),
    [
        (Voice("en"), "da", Language.EN),  # a pinned language is believed over a guess
        (Voice("multi-eu", detects=True), "de", Language.DE),
        (Voice("multi-eu", detects=True), None, None),
        (Voice("multi-eu", detects=True), "xx-unknown", None),
        (Voice("xx-unknown"), "en", None),
    ],
)
def test_the_language_is_an_enum_where_the_framework_knows_it(
    voice: Voice, told: str | None, expected: Language | None
) -> None:
    (frame,) = final_frames(replace(Final("a", 0, 1), language=told), voice, Participants())
    assert frame.language is expected


def test_an_interim_goes_on_from_the_final_that_is_held() -> None:
    held = Final("My number is", 0.0, 1.0)
    frame = interim_frame(Interim("one two", 1.0), ENGLISH, "alice", held)
    assert (frame.text, frame.user_id) == ("My number is one two", "alice")
    chinese = interim_frame(Interim("二", 1.0), Voice("zh"), "", Final("一", 0.0, 1.0))
    assert chinese.text == "一二"


def test_redaction_lets_no_promoted_interim_and_no_utterance_through() -> None:
    promoted = Final("my card is 4242", 0.0, 1.0, finalize_id=1, promoted=True)
    assert without_clear_text(promoted) == replace(promoted, text=REDACTED)
    final = Final("my card is [X]", 0, 1, utterances=(Utterance("my card is 4242", 0, 1),))
    assert "4242" not in repr(without_clear_text(final))
    assert without_clear_text(final).text == "my card is [X]"
