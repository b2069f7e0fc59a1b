"""Events as frames: who spoke, in which language, and nothing unredacted."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from pipecat.frames.frames import TranscriptionFrame
from pipecat.transcriptions.language import Language

from pulse_plugins.core.base.events import Final, Interim, Utterance, Word
from pulse_plugins.core.base.redaction import REDACTED, without_clear_text
from pulse_plugins.pipecat.frames import (
    Result,
    Voice,
    final_frames,
    interim_frame,
)
from pulse_plugins.pipecat.participants import Participants

pytestmark = pytest.mark.unit

ENGLISH = Voice("en")


def said(*words: tuple[str, float, str | None], finalize_id: int | None = None) -> Final:
    placed = tuple(Word(text, at, at + 0.2, 0.9, speaker) for text, at, speaker in words)
    text = " ".join(word.text for word in placed)
    return Final(text, placed[0].start, placed[-1].end, placed, finalize_id=finalize_id)


def frames_of(
    final: Final,
    *,
    voice: Voice = ENGLISH,
    people: Participants | None = None,
    shown_as: str | None = None,
) -> list[TranscriptionFrame]:
    return final_frames([final], lambda _: voice, people or Participants(), shown_as)


def event_of(frame: TranscriptionFrame) -> Final:
    assert isinstance(frame.result, Result)
    assert isinstance(frame.result.event, Final)
    return frame.result.event


def test_a_final_becomes_one_frame_with_its_typed_result() -> None:
    final = said(("Hello", 0.1, None), ("there.", 0.4, None))
    (frame,) = frames_of(final)
    assert (frame.text, frame.user_id, frame.language) == ("Hello there.", "", Language.EN)
    assert isinstance(frame.result, Result)
    assert frame.result.event is final
    assert not frame.finalized
    assert frame.timestamp.startswith("20")
    assert "T" in frame.timestamp


def test_each_speaker_of_a_final_gets_a_frame_and_only_the_last_answers_the_finalize() -> None:
    final = said(("Hi.", 0.1, "0"), ("Hello", 0.5, "1"), ("you.", 0.8, "1"), finalize_id=3)
    frames = frames_of(final)
    assert [(f.user_id, f.text) for f in frames] == [("0", "Hi."), ("1", "Hello you.")]
    results = [event_of(frame) for frame in frames]
    assert [result.finalize_id for result in results] == [None, 3]
    assert [result.speaker for result in results] == ["0", "1"]


def test_the_speaker_format_labels_diarized_text_only() -> None:
    shown_as = "<{speaker}>{text}</{speaker}>"
    (frame,) = frames_of(said(("Hi.", 0.1, "0")), shown_as=shown_as)
    assert frame.text == "<0>Hi.</0>"
    (frame,) = frames_of(said(("Hi.", 0.1, None)), shown_as=shown_as)
    assert frame.text == "Hi."


def test_text_belongs_to_whoever_gave_the_audio_not_to_the_latest() -> None:
    people = Participants()
    people.heard("alice", 0.0)
    people.heard("bob", 2.0)
    people.heard("carol", 4.0)
    (frame,) = frames_of(said(("yes", 0.5, None)), people=people)
    assert frame.user_id == "alice"
    both = said(("mine", 1.5, None), ("yours", 2.5, None))
    assert [(f.user_id, f.text) for f in frames_of(both, people=people)] == [
        ("alice", "mine"),
        ("bob", "yours"),
    ]


def test_interleaved_frames_of_two_people_leave_a_segment_whole() -> None:
    people = Participants()
    for tick in range(100):
        people.heard("alice", tick * 0.05)
        people.heard("bob", tick * 0.05 + 0.02)
    final = said(*((f"w{n}", 0.21 * n, None) for n in range(8)))
    frames = frames_of(final, people=people)
    assert {f.user_id for f in frames} <= {"alice", "bob"}
    assert len(frames) <= 2
    assert " ".join(f.text for f in frames) == final.text


def test_a_final_without_words_is_placed_by_its_own_times() -> None:
    people = Participants()
    people.heard("alice", 0.0)
    people.heard("bob", 2.0)
    (frame,) = frames_of(Final("yes", 0.5, 1.5), people=people)
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
    (frame,) = frames_of(replace(Final("a", 0, 1), language=told), voice=voice)
    assert frame.language is expected


def test_no_interruption_may_delete_a_transcript() -> None:
    final = said(("Hi.", 0.1, "0"), ("Hello", 0.5, "1"))
    assert [frame.interruptible for frame in frames_of(final)] == [False, False]


def test_a_result_is_the_dict_that_the_official_service_gives() -> None:
    final = said(("Hello", 0.1, "1"), finalize_id=1)
    result = frames_of(final)[0].result
    assert isinstance(result, Result)
    assert result["words"] == [
        {
            "word": "Hello",
            "start": 0.1,
            "end": pytest.approx(0.3),
            "confidence": 0.9,
            "speaker": "1",
        }
    ]
    assert result.get("transcript") == "Hello"
    assert result.get("no such key") is None
    assert json.loads(json.dumps(result))["is_final"] is True
    interim = interim_frame(Interim("Hel", 0.0, "s1"), ENGLISH, "alice")
    assert (interim.text, interim.user_id) == ("Hel", "alice")
    assert interim.result == {
        "session_id": "s1",
        "transcript": "Hel",
        "is_final": False,
        "is_last": False,
    }


def test_text_that_is_split_by_speaker_keeps_punctuation_case_and_placeholders() -> None:
    words = (
        Word("hi", 0.0, 0.2, speaker="0"),
        Word("i", 0.2, 0.3, speaker="0"),
        Word("am", 0.3, 0.5, speaker="0"),
        Word("[firstname_1]", 0.5, 0.9, speaker="0"),
        Word("twenty", 1.0, 1.2, speaker="1"),
        Word("five", 1.2, 1.4, speaker="1"),
        Word("dollars", 1.4, 1.8, speaker="1"),
    )
    final = Final(
        "Hi, I am [FIRSTNAME_1]. 25 dollars!",
        0.0,
        1.8,
        words,
        utterances=(Utterance("Hi.", 0.0, 0.9), Utterance("25 dollars!", 1.0, 1.8)),
    )
    frames = frames_of(final)
    assert [frame.text for frame in frames] == ["Hi, I am [FIRSTNAME_1].", "25 dollars!"]
    assert [[u.text for u in event_of(frame).utterances] for frame in frames] == [
        ["Hi."],
        ["25 dollars!"],
    ]


def test_words_in_two_languages_have_frames_of_their_own() -> None:
    english, hindi = said(("yes", 0.1, None)), said(("haan", 2.1, None))
    frames = final_frames(
        [english, hindi], lambda final: Voice("en" if final is english else "hi"), Participants()
    )
    assert [(f.text, f.language) for f in frames] == [("yes", Language.EN), ("haan", Language.HI)]


def test_segments_of_one_speaker_and_language_are_one_frame() -> None:
    segments = [said(("one", 0.1, "0")), said(("two", 1.1, "0")), said(("three", 2.1, "1"))]
    frames = final_frames(segments, lambda _: ENGLISH, Participants())
    assert [(f.user_id, f.text) for f in frames] == [("0", "one two"), ("1", "three")]
    assert [word.text for word in event_of(frames[0]).words] == ["one", "two"]


def test_redaction_lets_no_promoted_interim_and_no_utterance_through() -> None:
    promoted = Final("my card is 4242", 0.0, 1.0, finalize_id=1, promoted=True)
    assert without_clear_text(promoted) == replace(promoted, text=REDACTED)
    final = Final("my card is [X]", 0, 1, utterances=(Utterance("my card is 4242", 0, 1),))
    assert "4242" not in repr(without_clear_text(final))
    assert without_clear_text(final).text == "my card is [X]"
