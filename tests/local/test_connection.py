"""The machine alone: what was decoded goes in, JSON comes out; no socket, no clock."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pulse_plugins.local.connection.habits import Habits
from pulse_plugins.local.connection.machine import Connection, Cut
from pulse_plugins.local.recognizers.contract import RecognizedWord
from pulse_plugins.local.recognizers.vad import SpeechEdge
from pulse_plugins.local.wire.parameters import Parameters, read
from pulse_plugins.local.wire.refusals import RefusedError

pytestmark = pytest.mark.unit

STARTED = [SpeechEdge("speech_started", 0.2)]


def words(text: str, start: float = 0.0) -> list[RecognizedWord]:
    return [
        RecognizedWord(word, start + 0.5 * place, start + 0.5 * place + 0.4, 0.9)
        for place, word in enumerate(text.split())
    ]


def connection(habits: Habits | None = None, **asked: Any) -> Connection:
    return Connection(Parameters(dialect="live", **asked), habits or Habits(), "s1")


def sent(link: Connection) -> list[dict[str, Any]]:
    return [json.loads(each.data) for each in link.messages()]


def texts(link: Connection) -> list[str]:
    return [message["transcript"] for message in sent(link)]


def test_interims_replace_each_other_and_come_only_when_changed() -> None:
    link = connection()
    link.interim(words("book"))
    link.interim(words("book"))
    link.interim(words("book a"))
    assert texts(link) == ["book", "book a"]
    assert sent(link) == []


def test_silence_without_speech_cuts_nothing() -> None:
    link = connection()
    link.heard([], 100.0)
    assert link.due() is None


def test_silence_after_speech_cuts_at_the_smaller_window() -> None:
    link = connection(endpointing_timeout=0.6, eou_timeout=0.8)
    link.heard(STARTED, 0.0)
    link.heard([], 0.58)
    assert link.due() is None
    link.heard([], 0.6)
    assert link.due() is Cut.SILENCE
    link.finished(words("yes"), Cut.SILENCE)
    assert link.due() is None
    patient = connection(endpointing=False)
    patient.heard(STARTED, 0.0)
    patient.heard([], 0.79)
    assert patient.due() is None
    patient.heard([], 0.8)
    assert patient.due() is Cut.SILENCE


def test_noise_that_was_no_word_says_nothing() -> None:
    link = connection()
    link.heard(STARTED, 0.0)
    link.finished([], Cut.SILENCE)
    assert sent(link) == []


def test_speech_edges_are_told_only_when_asked_for() -> None:
    for asked, count in ((True, 1), (False, 0)):
        link = connection(vad_events=asked)
        link.heard(STARTED, 0.0)
        assert len(sent(link)) == count
    silent = connection(Habits(vad_events=False), vad_events=True)
    silent.heard(STARTED, 0.0)
    assert sent(silent) == []


def test_words_are_counted_over_segments() -> None:
    link = connection()
    link.interim(words("one two"))
    assert link.word_count == 2
    link.finished(words("one two three"), Cut.FINALIZE)
    link.interim(words("four"))
    assert link.word_count == 4


def test_too_many_words_are_cut_where_the_client_and_the_server_say() -> None:
    many = words("a b c d e f g h i j")
    for asked, habits, cut in (
        ({}, Habits(), Cut.WORDS),
        ({"max_words": 11}, Habits(), None),
        ({}, Habits(max_words=None), None),
        ({"finalize_on_words": False}, Habits(), None),
        ({"finalize_on_words": False, "max_words": 10}, Habits(), Cut.WORDS),
        ({}, Habits(rollover_at_pause=True), None),
        ({"max_words": 5}, Habits(rollover_at_pause=True), Cut.WORDS),
    ):
        link = connection(habits, **asked)
        link.heard(STARTED, 0.0)
        link.interim(many)
        assert link.due() is cut
    link = connection(Habits(rollover_at_pause=True))
    link.interim(many)
    link.heard([], 0.05)
    assert link.due() is Cut.WORDS


def test_a_number_is_held_back_over_a_cut_by_words() -> None:
    link = connection(itn=True)
    link.finished(words("my number is five five"), Cut.WORDS)
    link.interim(words("five one", 3.0))
    link.finished(words("five one two", 3.0), Cut.SILENCE)
    assert texts(link) == ["My number is", "five five five one", "55512."]
    at_once = connection(itn=True, no_format_delay=True)
    at_once.finished(words("my number is five five"), Cut.WORDS)
    assert texts(at_once) == ["My number is 5 5"]


def test_a_number_held_back_comes_with_the_next_silence_or_answer() -> None:
    link = connection(itn=True)
    link.finished(words("it is five five"), Cut.WORDS)
    sent(link)
    link.heard([], 1.0)
    assert link.due() is Cut.SILENCE
    link.finished([], Cut.SILENCE)
    assert texts(link) == ["5 5."]


def test_finalize_is_always_answered_unless_the_server_is_told_otherwise() -> None:
    link = connection()
    assert link.control('{"type":"finalize"}') is Cut.FINALIZE
    link.finished([], Cut.FINALIZE)
    (answer,) = sent(link)
    assert (answer["transcript"], answer["from_finalize"]) == ("", True)
    silent = connection(Habits(answer_empty=False))
    silent.finished([], Cut.FINALIZE)
    assert sent(silent) == []


@pytest.mark.parametrize(
    ("is_last", "said", "closed"),
    [
        ("always", "", True),
        ("after_speech", "", False),
        ("after_speech", "yes", True),
        ("never", "yes", False),
    ],
)
def test_the_end(is_last: Any, said: str, closed: bool) -> None:
    link = connection(Habits(is_last=is_last))
    assert link.control('{"type":"close_stream"}') is Cut.CLOSE
    link.finished(words(said), Cut.CLOSE)
    assert link.closed is closed
    messages = sent(link)
    assert [message["is_last"] for message in messages] == ([closed] if said or closed else [])


def test_redaction_is_on_finals_and_in_lower_case_in_words() -> None:
    link = connection(redact_pci=True, itn=True, sentence_timestamps=True)
    said = words("card four " + "one " * 15)
    link.interim(said)
    link.finished(said, Cut.FINALIZE)
    interim, final = sent(link)
    assert "four one one one" in interim["transcript"]
    assert final["transcript"] == "Card [CREDITCARDNUMBER_1]."
    assert final["words"][1]["word"] == "[creditcardnumber_1]."
    assert final["redacted_entities"] == ["[CREDITCARDNUMBER_1]"]
    assert "4111" not in json.dumps(final)
    other = connection(redact_pci=True, language="fr", recognized_as="fr")
    other.finished(said, Cut.FINALIZE)
    assert "four one" in texts(other)[0]


def read_live(**query: str) -> Parameters:
    return read("live", {"model": "pulse", **query}, languages=frozenset({"en", "hi"}))


def test_defaults_are_the_documented_ones() -> None:
    live = read_live()
    assert (live.encoding, live.sample_rate, live.language) == ("linear16", 16_000, "en")
    assert (live.endpointing_timeout, live.eou_timeout, live.max_words) == (0.6, 0.8, None)
    assert (live.word_timestamps, live.endpointing, live.vad_events) == (False, True, False)
    pulse = read("pulse", {}, languages=frozenset({"en"}))
    assert (pulse.language, pulse.recognized_as, pulse.word_timestamps) == ("multi-eu", "en", True)


def test_vad_is_another_name_and_the_longer_one_wins() -> None:
    assert read_live(vad="true").vad_events
    assert not read_live(vad="true", vad_events="false").vad_events


@pytest.mark.parametrize(
    ("language", "recognized_as"), [("en-GB", "en"), ("hi", "hi"), ("multi", "en")]
)
def test_a_language_is_brought_down_to_what_the_recognizer_knows(
    language: str, recognized_as: str
) -> None:
    assert read_live(language=language).recognized_as == recognized_as


@pytest.mark.parametrize("value", ["acme:2", '{"a":1}', "[" * 10_000, "None", '["a:heavy"]'])
def test_undocumented_keywords_are_refused_by_a_strict_server_only(value: str) -> None:
    with pytest.raises(RefusedError) as caught:
        read("legacy", {"keywords": value}, languages=frozenset({"en"}), strict=True)
    assert (caught.value.status, caught.value.parameter) == (400, "keywords")
    read("legacy", {"keywords": value}, languages=frozenset({"en"}))
