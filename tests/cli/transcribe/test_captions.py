"""Captions: readable, on time, one voice each; SRT and VTT as parsers of others read them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import av
import pysubs2
import pytest
import webvtt
from hypothesis import given
from hypothesis import strategies as st

from pulse_plugins.cli.transcribe.alignment import width
from pulse_plugins.cli.transcribe.captions import Cue, cues, srt, vtt
from pulse_plugins.cli.transcribe.documents import Format, render
from pulse_plugins.cli.transcribe.transcript import Segment, Transcript
from pulse_plugins.core.base.events import Final, Word

WORDS = "I would like to book a table for four people tomorrow evening at half past seven please"


def final(text: str = WORDS, start: float = 1.0, step: float = 0.3) -> Final:
    words = tuple(
        Word(word, start + index * step, start + index * step + step * 0.9)
        for index, word in enumerate(text.split())
    )
    return Final(text, words[0].start, words[-1].end, words)


def dialogue(*said: tuple[str, str, float]) -> Final:
    """A final of several speakers: label, words, and the start of the first word."""
    words = [
        Word(word, start + at * 0.3, start + at * 0.3 + 0.25, speaker=speaker)
        for speaker, text, start in said
        for at, word in enumerate(text.split())
    ]
    text = " ".join(text for _, text, _ in said)
    return Final(text, words[0].start, words[-1].end, tuple(words))


def of(*finals: Final) -> list[Cue]:
    return cues([Segment(each) for each in finals])


def shown(*finals: Final) -> list[str]:
    return [" ".join(cue.lines) for cue in of(*finals)]


def read_back(path: Path) -> list[tuple[float, float, str]]:
    """The cues as FFmpeg reads them."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux() if packet.size]
        return [
            (
                float(packet.pts * packet.time_base),
                float(packet.duration * packet.time_base),
                bytes(packet).decode(),
            )
            for packet in packets
            if packet.pts is not None and packet.duration is not None
        ]


@pytest.mark.parametrize("form", ["srt", "vtt"])
def test_another_parser_reads_the_same_words_and_times(form: Format, tmp_path: Path) -> None:
    finals = [final(), final("Under the name of O'Neill & sons", start=9.0)]
    path = tmp_path / f"call.{form}"
    transcript = Transcript(tuple(map(Segment, finals)), 12.0)
    path.write_text(render(transcript, form, source="call.wav"), encoding="utf-8")
    read = read_back(path)
    text = " ".join(" ".join(text.split()) for _, _, text in read).replace("&amp;", "&")
    assert text == f"{WORDS} Under the name of O'Neill & sons"
    assert read[0][0] == pytest.approx(1.0)
    expected = of(*finals)
    assert [start for start, _, _ in read] == pytest.approx(
        [cue.start for cue in expected], abs=2e-3
    )
    lengths = [cue.end - cue.start for cue in expected]
    assert [length for _, length, _ in read] == pytest.approx(lengths, abs=2e-3)


def test_a_caption_is_short_enough_to_read() -> None:
    made = of(final(" ".join([WORDS] * 5)))
    assert all(cue.end - cue.start <= 6.5 for cue in made)
    assert all(len(line) <= 42 for cue in made for line in cue.lines)
    assert all(len(cue.lines) <= 2 for cue in made)


@given(
    st.lists(
        st.tuples(
            st.floats(0, 3600), st.floats(0, 30), st.text("ab c.,漢", min_size=1, max_size=200)
        ).filter(lambda each: bool(each[2].split()))
    )
)
def test_any_text_without_word_times_fits_two_lines_and_never_goes_back(
    segments: list[tuple[float, float, str]],
) -> None:
    finals = [Final(text, start, start + length) for start, length, text in segments]
    made = of(*finals)
    said = "".join("".join(cue.lines) for cue in made)
    assert "".join(said.split()) == "".join("".join(text for _, _, text in segments).split())
    for cue in made:
        assert cue.start < cue.end
        assert 1 <= len(cue.lines) <= 2
        assert all(width(line) <= 42 for line in cue.lines)
    for before, after in pairwise(made):
        assert before.end <= after.start


def test_captions_show_the_service_s_text_and_take_times_from_the_words() -> None:
    """Words lack punctuation and case, hold small placeholders, and spell numbers out."""
    said = "my name is [firstname_1] and i owe twenty five dollars".split()
    words = tuple(Word(word, at * 0.4, at * 0.4 + 0.3) for at, word in enumerate(said))
    text = "My name is [FIRSTNAME_1], and I owe $25."
    (cue,) = of(Final(text, 0.0, 4.0, words))
    assert " ".join(cue.lines) == text
    assert cue.start == 0.0
    assert cue.end == pytest.approx(words[-1].end)


def test_a_long_gap_between_words_ends_a_caption() -> None:
    words = (Word("wait", 1.0, 1.3), Word("go", 3.0, 3.2))
    assert [(c.start, c.end, c.lines) for c in of(Final("Wait, go", 1.0, 3.2, words))] == [
        (1.0, 1.4, ("Wait,",)),
        (3.0, 3.4, ("go",)),
    ]


def test_a_short_gap_between_words_does_not() -> None:
    words = (Word("wait", 1.0, 1.3), Word("go", 1.9, 2.2))
    assert shown(Final("Wait, go", 1.0, 2.2, words)) == ["Wait, go"]


def test_segments_that_the_server_cut_in_mid_sentence_are_one_caption() -> None:
    first, second = final("I would like to", 1.0), final("book a table", 2.2)
    assert shown(first, second) == ["I would like to book a table"]


def test_a_full_caption_breaks_after_a_sentence_before_it_breaks_after_a_comma() -> None:
    text = (
        "We are open every day from noon to eleven. On Sundays, however, the kitchen closes at "
        "nine in the evening"
    )
    assert shown(final(text))[0] == "We are open every day from noon to eleven."


def test_a_full_caption_without_marks_breaks_in_a_breath() -> None:
    words = [Word(f"word{at:02}", at * 0.3, at * 0.3 + 0.3) for at in range(14)]
    words = [
        Word(w.text, w.start + (0.4 if at >= 9 else 0), w.end + (0.4 if at >= 9 else 0))
        for at, w in enumerate(words)
    ]
    text = " ".join(word.text for word in words)
    assert shown(Final(text, 0, 5, tuple(words)))[0].split()[-1] == "word08"


def test_no_caption_is_left_with_a_single_word() -> None:
    text = "hello I have a reservation for tomorrow please change it to six people at eight o'clock"
    assert shown(final(text, step=0.4)) == [
        "hello I have a reservation for tomorrow please",
        "change it to six people at eight o'clock",
    ]


def test_without_word_times_captions_are_cut_by_sentence_and_length() -> None:
    text = (
        "This is the first sentence of three. The second one is a little longer than that. "
        "And here is the third, which ends it."
    )
    made = of(Final(text, 10.0, 22.0))
    assert [" ".join(cue.lines) for cue in made] == [
        "This is the first sentence of three.",
        "The second one is a little longer than that.",
        "And here is the third, which ends it.",
    ]
    assert made[0].start == 10.0
    assert made[-1].end == pytest.approx(22.0)
    assert made[1].start == pytest.approx(13.6, abs=0.5)


def test_a_word_that_is_longer_than_a_line_is_cut() -> None:
    (cue,) = of(Final("x" * 70, 0.0, 2.0))
    assert all(len(line) <= 42 for line in cue.lines)
    assert "".join(cue.lines) == "x" * 70


def test_one_speaker_a_caption_with_a_label() -> None:
    heard = dialogue(("0", "Good morning, how are you?", 0.0), ("1", "Fine, thanks.", 1.8))
    segments = [Segment(heard)]
    subtitles = pysubs2.SSAFile.from_string(srt(segments))
    assert [each.plaintext for each in subtitles] == [
        "Speaker 1: Good morning, how are you?",
        "Speaker 2: Fine, thanks.",
    ]
    captions = webvtt.from_string("WEBVTT\n\n" + vtt(segments)).captions
    assert [(each.voice, each.text) for each in captions] == [
        ("Speaker 1", "Good morning, how are you?"),
        ("Speaker 2", "Fine, thanks."),
    ]


def test_a_label_is_not_repeated_in_srt_while_the_same_speaker_goes_on() -> None:
    heard = dialogue(("a", " ".join([WORDS] * 3), 0.0))
    made = [each.plaintext for each in pysubs2.SSAFile.from_string(srt([Segment(heard)]))]
    assert made[0].startswith("Speaker 1: ")
    assert len(made) > 2
    assert not any("Speaker" in each for each in made[1:])
    assert all(len(line) <= 42 for each in made for line in each.split("\n"))


def test_two_channels_may_speak_at_the_same_time() -> None:
    made = cues([Segment(final(), "Agent"), Segment(final("Yes", 2.0), "Caller")])
    assert [(cue.voice, cue.start) for cue in made][:2] == [("Agent", 1.0), ("Caller", 2.0)]
    assert made[0].end > made[1].start


def test_a_label_cannot_end_the_tag_that_holds_it() -> None:
    assert "<v a&gt;b>Yes\n" in vtt([Segment(final("Yes"), "a>b")])


@pytest.mark.parametrize(
    ("language", "with_words"), [("zh", True), ("zh", False), ("yue", True), (None, True)]
)
def test_chinese_has_no_spaces_and_breaks_between_characters(
    language: str | None, with_words: bool
) -> None:
    text = "我想预订明天晚上七点半的四人餐桌请给我们安排靠窗的位置谢谢您"
    words = tuple(
        Word(letter, number * 0.1, number * 0.1 + 0.1) for number, letter in enumerate(text)
    )
    heard = Final(text, 0.0, 4.0, words if with_words else (), language=language)
    (cue,) = of(heard)
    first, second = cue.lines
    assert first + second == text
    assert max(len(first), len(second)) <= 21  # as wide as 42 Latin letters


def test_no_line_of_chinese_begins_with_a_full_stop() -> None:
    text = "我想预订明天晚上七点半的四人餐桌请给我们。" * 4
    for cue in of(Final(text, 0.0, 20.0, language="zh")):
        assert not any(line.startswith("。") for line in cue.lines)
