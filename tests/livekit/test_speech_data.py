"""Finals as SpeechData: times, words, speakers, language, extras."""

from __future__ import annotations

import pytest
from livekit.agents import LanguageCode
from livekit.agents.stt import SpeakerContext, SpeechData
from livekit.agents.types import NOT_GIVEN

from pulse_plugins.core.base.events import Final, Utterance, Word
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.livekit.audio_input import InputClock
from pulse_plugins.livekit.speech_data import Speaker, SpeechDataBuilder, speaker_label

pytestmark = pytest.mark.unit


def builder(**options: object) -> SpeechDataBuilder:
    settings = PulseOptions(base_url="ws://127.0.0.1:1").changed(**options)
    return SpeechDataBuilder(settings, InputClock())


def entries(build: SpeechDataBuilder, final: Final) -> list[SpeechData]:
    """What the framework is given for a final."""
    return [build.whole(part) for part in build.parts(final)]


def two_speakers(text: str = "Hello there, yes?") -> Final:
    words = (
        Word("Hello", 0.5, 0.8, 0.9, "0"),
        Word("there,", 0.8, 1.0, 0.9, "0"),
        Word("yes?", 1.2, 1.5, 0.8, "1"),
    )
    return Final(text, 0.5, 1.5, words, session_id="s")


def test_words_carry_times_on_the_sessions_clock_confidence_and_offset() -> None:
    build = builder()
    build.offset = 10.0
    (data,) = entries(build, two_speakers())
    assert data.words is not None
    first = data.words[0]
    assert (first, first.start_time, first.end_time) == ("Hello", 10.5, 10.8)
    assert (first.confidence, first.start_time_offset, first.speaker_id) == (0.9, 10.0, None)
    assert (data.start_time, data.end_time) == (10.5, 11.5)
    assert data.confidence == pytest.approx((0.9 * 0.9 * 0.8) ** (1 / 3))


def test_a_missing_confidence_is_not_given() -> None:
    (data,) = entries(builder(), Final("hi", 0.0, 0.1, (Word("hi", 0.0, 0.1),)))
    assert data.words is not None
    assert data.words[0].confidence is NOT_GIVEN
    assert data.confidence == 0.0


def test_each_speakers_run_is_one_entry() -> None:
    first, second = entries(builder(diarize=True), two_speakers())
    assert (first.text, first.speaker_id, first.start_time, first.end_time) == (
        "Hello there,",
        "S0",
        0.5,
        1.0,
    )
    assert (second.text, second.speaker_id, second.start_time) == ("yes?", "S1", 1.2)
    assert second.words is not None
    assert second.words[0].speaker_id == "S1"


def test_a_rewritten_text_is_not_split() -> None:
    (data,) = entries(builder(diarize=True), two_speakers("[NAME_1], yes?"))
    assert (data.text, data.speaker_id) == ("[NAME_1], yes?", "S0")


def test_speakers_may_stay_in_one_entry() -> None:
    build = builder(diarize=True)
    build.splits_speakers = False
    (data,) = entries(build, two_speakers())
    assert (data.text, data.speaker_id) == ("Hello there, yes?", "S0")
    assert [word.speaker_id for word in data.words or ()] == ["S0", "S0", "S1"]
    build.speaker_format = "{speaker_id}: {text}"
    (data,) = entries(build, two_speakers())
    assert data.text == "S0: Hello there,\nS1: yes?"


def test_words_can_be_hidden() -> None:
    build = builder()
    build.words = False
    (data,) = entries(build, two_speakers())
    assert data.words is None
    assert data.end_time == 1.5


@pytest.mark.parametrize(
    ("asked", "detected", "told"),
    [
        ("en", "da", "en"),
        ("hi", None, "hi"),
        ("north_indic", "hi", "hi"),
        ("north_indic", None, "multi"),
        ("multi-eu", "multi-eu", "multi"),
        ("multi", "fr", "fr"),
    ],
)
def test_language(asked: str, detected: str | None, told: str) -> None:
    assert builder(language=asked).language(detected) == LanguageCode(told)


def test_all_detected_languages_are_told() -> None:
    final = Final("si oui", 0.0, 0.0, language="es", languages=("es", "fr"))
    (data,) = entries(builder(language="multi-eu"), final)
    assert (data.language, data.source_languages) == ("es", ["es", "fr"])


def test_extras_are_metadata() -> None:
    final = Final(
        "hi",
        1.0,
        2.0,
        utterances=(Utterance("hi", 1.0, 2.0, "1"),),
        emotion={"joy": 0.5},
        gender="female",
    )
    build = builder()
    build.offset = 1.0
    (data,) = entries(build, final)
    assert data.metadata == {
        "utterances": [{"text": "hi", "start": 2.0, "end": 3.0, "speaker": "S1"}],
        "emotion": {"joy": 0.5},
        "gender": "female",
    }


def test_the_speakers_context_keeps_the_newest_estimates() -> None:
    first = Final("hi", 0.0, 1.0, emotion={"joy": 0.7, "anger": 0.2}, gender="female")
    speaker = Speaker().heard(first).heard(Final("there", 1.0, 2.0))
    assert (speaker.emotion, speaker.gender) == ("joy", "female")
    assert isinstance(speaker, SpeakerContext)
    assert "joy" in speaker.to_instructions()
    assert speaker.heard(Final("no", 2.0, 3.0, emotion="anger")).emotion == "anger"
    assert Speaker().to_instructions() == ""


def test_redaction_hides_utterances_which_the_service_does_not_redact() -> None:
    final = Final(
        "I am [FIRSTNAME_1]",
        0.0,
        1.0,
        utterances=(Utterance("I am Bob", 0.0, 1.0),),
        redacted_entities=("[FIRSTNAME_1]",),
    )
    (data,) = entries(builder(redact_pii=True), final)
    assert data.metadata == {"redacted_entities": ["[FIRSTNAME_1]"]}


def test_speaker_labels() -> None:
    names = [speaker_label(each) for each in ("0", "speaker_3", "Ann", "", None)]
    assert names == ["S0", "S3", "Ann", None, None]
