"""Messages of many connections as one stream's segments: its clock, in order, no echo."""

from __future__ import annotations

import pytest

from pulse_plugins.core.audio.replay_buffer import ConnectionClock
from pulse_plugins.core.transcript.placement import Segment, Transcripts
from pulse_plugins.core.wire.stream_messages import Transcript, WireWord


def timed(*words: tuple[str, float, float], text: str | None = None) -> Transcript:
    said = " ".join(word for word, _, _ in words) if text is None else text
    return Transcript(
        transcript=said, is_final=True, words=[WireWord(word, a, b) for word, a, b in words]
    )


def plain(text: str) -> Transcript:
    return Transcript(transcript=text, is_final=True)


class Stream:
    """Finals and interims of one stream; `base` is where the connection began."""

    def __init__(self, language: str = "en") -> None:
        self.transcripts = Transcripts(language)
        self.base = 0.0

    def final(self, message: Transcript, *, sent: float = 60.0) -> Segment:
        clock = ConnectionClock(self.base)
        return self.transcripts.final(message, clock, sent=sent, now=0.0)

    def interim(self, text: str, *, sent: float = 60.0) -> str | None:
        interim = self.transcripts.interim(Transcript(transcript=text), sent=sent, now=1.0)
        return interim.text if interim else None

    def reconnect(self, base: float) -> None:
        self.base = base
        self.transcripts.connection_changed(base)


def test_word_times_are_on_the_streams_clock() -> None:
    stream = Stream()
    stream.base = 10.0
    segment = stream.final(timed(("hello", 0.5, 0.8), ("there", 1.0, 1.4)))
    assert [(w.text, w.start) for w in segment.words] == [("hello", 10.5), ("there", 11.0)]
    assert (segment.start, segment.covered) == (10.5, 11.4)


def test_a_word_across_the_cut_comes_once() -> None:
    stream = Stream()
    stream.final(timed(("one", 0.0, 0.3), ("two", 0.3, 0.6)))
    stream.reconnect(0.6)
    segment = stream.final(timed(("two", 0.0, 0.01), ("three", 0.05, 0.4)))
    assert segment.text == "three"


def test_people_do_say_no_no() -> None:
    stream = Stream()
    stream.final(timed(("no", 0.0, 0.3)))
    assert stream.final(timed(("no", 0.4, 0.7))).text == "no"


def test_a_final_that_is_sent_twice_is_heard_once() -> None:
    stream = Stream()
    message = timed(("hello", 0.5, 0.8))
    assert stream.final(message).text == "hello"
    again = stream.final(message)
    assert (again.text, again.repeated) == ("", True)


def test_times_never_run_backwards() -> None:
    stream = Stream()
    stream.final(timed(("one", 1.0, 1.5)))
    segment = stream.final(timed(("two", 0.9, 1.2), ("three", 1.6, 1.9)))
    assert [w.start for w in segment.words] == [1.0, 1.6]


@pytest.mark.parametrize(
    "words",
    [
        (("a", 0.0, 0.0), ("b", 0.0, 0.0)),  # not filled in
        (("a", 0.1, float("inf")), ("b", 0.5, 0.9)),
        (("a", 5000.0, 5000.4), ("b", 5001.0, 5001.2)),  # another clock
    ],
)
def test_times_that_cannot_be_are_as_none(words: tuple[tuple[str, float, float], ...]) -> None:
    segment = Stream().final(timed(*words), sent=3.0)
    assert (segment.text, segment.words, segment.vague) == ("a b", (), True)


def test_the_servers_own_formatting_is_kept() -> None:
    message = timed(("hello", 0.5, 0.8), ("there", 1.0, 1.4), text="Hello, there!")
    assert Stream().final(message).text == "Hello, there!"


def test_promoted_words_are_not_said_again() -> None:
    stream = Stream()
    stream.interim("one two")
    assert stream.transcripts.promote(1.0) == "one two"
    assert stream.interim("one two three") == "three"
    segment = stream.final(timed(("one", 0.0, 0.3), ("two", 0.4, 0.7), ("three", 0.8, 1.1)))
    assert segment.text == "three"


def test_a_revised_promoted_word_is_the_same_speech() -> None:
    stream = Stream()
    stream.interim("i want to tables")
    stream.transcripts.promote(2.0)
    words = [(w, 0.2 * i, 0.2 * i + 0.1) for i, w in enumerate("i want two tables please".split())]
    assert stream.final(timed(*words)).text == "please"


def test_without_word_times_a_final_covers_what_was_sent_when_its_words_were_seen() -> None:
    stream = Stream()
    stream.interim("one", sent=1.0)
    stream.interim("one two", sent=2.0)
    segment = stream.final(plain("one two"), sent=5.0)
    assert (segment.covered, segment.vague) == (2.0, True)


def test_a_replay_that_begins_before_untimed_words_does_not_say_them_again() -> None:
    stream = Stream()
    stream.final(plain("one two three"), sent=3.0)
    stream.reconnect(2.0)
    assert stream.interim("two three four") == "four"
    assert stream.final(plain("two three four")).text == "four"
    assert stream.final(plain("four five")).text == "four five"  # the replay is over


def test_a_long_replay_without_word_times_is_recognized_from_its_first_word_on() -> None:
    stream = Stream()
    words = [f"w{number}" for number in range(20)]
    stream.final(plain(" ".join(words[:12])), sent=6.0)
    stream.final(plain(" ".join(words[12:])), sent=10.0)
    stream.reconnect(0.5)
    assert stream.interim(" ".join(words[:11])) is None
    assert stream.final(plain(" ".join(words[:11]))).text == ""
    assert stream.final(plain(" ".join([*words[11:], "w20"]))).text == "w20"


def test_only_words_that_the_replay_can_hold_are_looked_for_in_it() -> None:
    stream = Stream()
    stream.final(plain("well yes"), sent=1.0)
    stream.final(plain("two three"), sent=3.0)
    stream.reconnect(2.0)
    assert stream.final(plain("yes four")).text == "yes four"


def test_a_word_that_the_replay_cuts_is_passed_over_with_those_that_follow() -> None:
    stream = Stream()
    stream.final(plain("one two three four"), sent=3.0)
    stream.reconnect(2.0)
    assert stream.final(plain("oh three four five")).text == "five"


def test_a_sentence_that_ends_like_the_last_one_is_kept() -> None:
    stream = Stream()
    stream.final(plain("no"), sent=3.0)
    stream.reconnect(2.0)
    assert stream.final(plain("well no more")).text == "well no more"


def test_what_is_settled_exactly_is_not_looked_for_in_a_replay() -> None:
    stream = Stream()
    stream.final(plain("no"), sent=3.0)
    stream.reconnect(3.0)
    assert stream.final(plain("no more")).text == "no more"


def test_a_language_without_spaces_is_joined_and_compared_without_them() -> None:
    stream = Stream("zh")
    segment = stream.final(timed(("你好", 0.0, 0.3), ("世界", 0.4, 0.7), text="你好世界"))
    assert segment.text == "你好世界"
    stream.reconnect(0.7)
    again = stream.final(timed(("世界", 0.0, 0.005), ("再见", 0.1, 0.4), text="世界再见"))
    assert again.text == "再见"
    other = Stream("zh")
    other.final(plain("你好世界"), sent=2.0)
    other.reconnect(1.0)
    assert other.final(plain("世界再见")).text == "再见"


@pytest.mark.parametrize("text", ["", "  ", ".", "?!", "…", "。"])
def test_punctuation_is_no_speech(text: str) -> None:
    stream = Stream()
    assert stream.interim(text) is None
    assert stream.final(plain(text)).text == ""
