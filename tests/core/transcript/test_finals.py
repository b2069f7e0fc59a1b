"""What a `Final` says besides its words."""

from __future__ import annotations

import pytest

from pulse_plugins.core.audio.clock import ConnectionClock
from pulse_plugins.core.base.events import Word
from pulse_plugins.core.config.in_force import OptionsInForce
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.transcript.finals import FinalBuilder
from pulse_plugins.core.transcript.placement import Placed
from pulse_plugins.core.wire.stream_messages import Transcript, WireUtterance

pytestmark = pytest.mark.unit
CLOCK = ConnectionClock(10.0)


def builder(**options: object) -> FinalBuilder:
    made = PulseOptions(base_url="ws://127.0.0.1:1", **options)  # type: ignore[arg-type]
    return FinalBuilder(OptionsInForce(made))


def placed(text: str = "hello", *speakers: str) -> Placed:
    words = tuple(Word(f"w{n}", n, n + 1, speaker=s) for n, s in enumerate(speakers))
    return Placed(text, words, 10.0, 11.0, 11.0)


def test_a_pinned_language_is_believed_over_what_was_detected() -> None:
    final = builder(language="en").of_message(Transcript(language="da"), placed(), CLOCK, None)
    assert final.language == "en"


def test_a_group_reports_what_was_detected() -> None:
    made = builder(language="multi-eu")
    assert made.of_message(Transcript(language="de"), placed(), CLOCK, None).language == "de"
    assert made.of_message(Transcript(), placed(), CLOCK, None).language is None


def test_the_language_is_that_of_the_connection_that_heard_the_words() -> None:
    made = builder(language="en")
    made.language = "hi"
    assert made.of_message(Transcript(), placed(), CLOCK, None).language == "hi"


@pytest.mark.parametrize(
    ("speakers", "speaker"),
    [((), None), (("b", "a"), "b"), (("a", "b"), "a"), (("b", "a", "a"), "a")],
)
def test_the_speaker_is_the_one_of_most_words_or_the_first(
    speakers: tuple[str, ...], speaker: str | None
) -> None:
    final = builder().of_message(Transcript(), placed("x", *speakers), CLOCK, None)
    assert final.speaker == speaker


def test_utterances_are_on_the_streams_clock() -> None:
    said = [
        WireUtterance(text="Hello.", start=0.5, end=1.0, speaker=0),
        WireUtterance(transcript="You.", start=1.0, end=1.5),
        WireUtterance(text="never", start=0.0, end=float("inf")),
    ]
    final = builder().of_message(Transcript(utterances=said), placed(), CLOCK, None)
    assert [(u.text, u.start, u.speaker) for u in final.utterances] == [
        ("Hello.", 10.5, "0"),
        ("You.", 11.0, None),
    ]


@pytest.mark.parametrize("option", ["redact_pii", "redact_pci"])
def test_redaction_drops_utterances_because_they_may_hold_the_clear_text(option: str) -> None:
    said = [WireUtterance(text="My card is 4242.", start=0.5, end=1.0)]
    made = builder(**{option: True})
    assert made.of_message(Transcript(utterances=said), placed(), CLOCK, None).utterances == ()


def test_a_final_without_new_words_has_no_utterances() -> None:
    said = [WireUtterance(text="Hello.", start=0.5, end=1.0)]
    final = builder().of_message(Transcript(utterances=said), placed(""), CLOCK, 1)
    assert final.utterances == ()


def test_the_full_transcript_is_joined_where_it_is_asked_for() -> None:
    made = builder(full_transcript=True)
    assert made.of_message(Transcript(), placed("one"), CLOCK, None).full_transcript == "one"
    assert made.of_request("two", 0.0, 1.0, 1, promoted=True).full_transcript == "one two"
    assert builder().of_message(Transcript(), placed("one"), CLOCK, None).full_transcript == ""
