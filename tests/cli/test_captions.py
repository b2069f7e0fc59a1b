"""SRT and VTT as a parser of others reads them, and text and JSON as they are."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_plugins.cli.captions import Format, cues, render
from pulse_plugins.core.base.events import Final, Word

WORDS = "I would like to book a table for four people tomorrow evening at half past seven please"


def final(text: str = WORDS, start: float = 1.0, step: float = 0.3) -> Final:
    words = tuple(
        Word(word, start + index * step, start + index * step + step * 0.9)
        for index, word in enumerate(text.split())
    )
    return Final(text, words[0].start, words[-1].end, words)


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
    path.write_text(render(finals, form, source="call.wav", seconds=12.0), encoding="utf-8")
    read = read_back(path)
    text = " ".join(" ".join(text.split()) for _, _, text in read).replace("&amp;", "&")
    assert text == f"{WORDS} Under the name of O'Neill & sons"
    assert read[0][0] == pytest.approx(1.0)
    expected = cues(finals)
    assert [start for start, _, _ in read] == pytest.approx(
        [cue.start for cue in expected], abs=2e-3
    )
    lengths = [cue.end - cue.start for cue in expected]
    assert [length for _, length, _ in read] == pytest.approx(lengths, abs=2e-3)


def test_a_caption_is_short_enough_to_read() -> None:
    made = cues([final(" ".join([WORDS] * 5))])
    assert all(cue.end - cue.start <= 6.5 for cue in made)
    assert all(len(line) <= 42 for cue in made for line in cue.text.split("\n"))
    assert all(cue.text.count("\n") <= 1 for cue in made)


@given(
    st.lists(
        st.tuples(
            st.floats(0, 3600), st.floats(0, 30), st.text("abc ", min_size=1, max_size=200)
        ).filter(lambda each: bool(each[2].split()))
    )
)
def test_cues_never_overlap_or_go_back(segments: list[tuple[float, float, str]]) -> None:
    finals = [Final(text, start, start + length) for start, length, text in segments]
    made = cues(finals)
    assert len(made) == len(finals)
    for cue in made:
        assert cue.start < cue.end
    for before, after in pairwise(made):
        assert before.end <= after.start


def test_text_is_a_line_for_each_segment() -> None:
    assert render([final("one two"), final("three")], "text", source="", seconds=0) == (
        "one two\nthree\n"
    )


def test_json_has_the_words_with_their_times() -> None:
    made = json.loads(render([final("one two")], "json", source="a.wav", seconds=3.25))
    assert made["source"] == "a.wav"
    assert made["seconds"] == 3.25
    assert made["text"] == "one two"
    assert [word["text"] for word in made["segments"][0]["words"]] == ["one", "two"]
    assert made["segments"][0]["words"][0]["start"] == 1.0


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
    (cue,) = cues([heard])
    first, second = cue.text.split("\n")
    assert first + second == text
    assert max(len(first), len(second)) <= 21  # as wide as 42 Latin letters
