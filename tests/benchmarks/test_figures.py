"""What the benchmarks say of words and figures is so: each mistake shows, and nothing else does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.typing import NDArray

from pulse_plugins.local.recognizers.scripted import ScriptedDecoder, spell
from tests.benchmarks import comparison, plot, report
from tests.benchmarks.bare import Bare
from tests.benchmarks.contender import Contender, Heard
from tests.benchmarks.faults import Mishap, Scenario, judge
from tests.benchmarks.talk import Score, Spoken, numbers, score, talk

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("heard", "expected"),
    [
        ([0, 1, 2, 3], Score(0, 0, 0, 0)),
        ([0, 1, 3], Score(1, 0, 0, 0)),
        ([0, 1, 1, 2, 1, 3], Score(0, 2, 0, 0)),
        ([0, 2, 1, 3], Score(0, 0, 1, 0)),
        ([0, 1, 2, 3, -1, 7], Score(0, 0, 0, 2)),
        ([], Score(4, 0, 0, 0)),
    ],
)
def test_a_score_counts_each_mistake(heard: Sequence[int], expected: Score) -> None:
    assert score(range(4), heard) == expected


def test_numbers_are_read_through_formatting() -> None:
    assert numbers(f"{spell(3).capitalize()}, {spell(4)}. quux") == [3, 4, -1]


async def test_a_talk_holds_its_words_and_marks_its_turns() -> None:
    said = talk(5, per_turn=3, first=7)
    assert said.turns == (range(7, 10), range(10, 12))
    assert said.words == range(7, 12)
    decoder = ScriptedDecoder(16_000)
    await decoder.feed(samples(said.frames))
    assert [word.text for word in await decoder.finish_segment()] == [spell(n) for n in said.words]
    # A VAD is late by 0.2 s: the first turn is from 0.3 to 1.14 s.
    assert (said.starts[0], said.ends[0]) == (25, 67)


def test_a_talk_to_the_end_has_no_end_of_speech() -> None:
    assert talk(4, tail=0.0).ends == ()


def heard(*events: tuple[float, str, str]) -> Contender:
    made = Bare("ws://127.0.0.1:1")
    for at, kind, text in events:
        made.heard.append(Heard(at, "final" if kind == "final" else "interim", text))
    return made


def test_a_turn_is_confirmed_only_with_all_its_words() -> None:
    scenario = Scenario("x", 4, ("drop@audio=1",))
    said = talk(4, per_turn=2)
    spoken = Spoken(began=0.0, ends=(1.0, 3.0), finished=5.0)
    first, second = f"{spell(0)} {spell(1)}", f"{spell(2)} {spell(3)}"
    contender = heard((1.1, "final", first), (3.5, "final", second))
    contender.confirmed += [1.2, 3.2]  # the second before its words
    result = judge(scenario, said, spoken, contender, [Mishap(1.5, "drop@audio=1")])
    assert (result.confirmed, result.turns, result.lives) == (1, 2, True)
    assert result.recovered == (2.0,)
    contender.confirmed.append(3.6)
    assert judge(scenario, said, spoken, contender, []).confirmed == 2


def test_what_comes_back_is_no_recovery_before_it_is_new() -> None:
    scenario = Scenario("x", 4, ("drop@audio=1",))
    said = talk(4, per_turn=4)
    spoken = Spoken(began=0.0, ends=(4.0,), finished=5.0)
    contender = heard(
        (0.9, "interim", spell(0)), (1.1, "interim", spell(0)), (1.4, "interim", spell(1))
    )
    mishaps = [Mishap(1.0, "drop@audio=1"), Mishap(1.2, "refuse=503"), Mishap(3.9, "drop@audio=1")]
    result = judge(scenario, said, spoken, contender, mishaps)
    assert [round(each or 0.0, 6) for each in result.recovered] == [0.4]  # not after the last word
    assert not result.lives


def test_percentiles_lie_between_neighbours() -> None:
    assert report.percentile([3.0, 1.0, 2.0], 50) == 2.0
    assert report.percentile([0.0, 1.0], 95) == pytest.approx(0.95)
    assert math.isnan(report.percentile([], 50))


def test_a_table_shows_what_is_missing() -> None:
    lines = report.table(["a", "b"], [("x|y", None), ("z", 0.123), ("w", 1234.5)]).splitlines()
    assert lines[2:] == ["| x\\|y | - |", "| z | 0.12 |", "| w | 1234 |"]


def test_results_are_written_and_published(tmp_path: Path) -> None:
    path = report.write("x", "Title", ["| t |"], {"value": 1}, folder=tmp_path / "new")
    assert path.read_text().startswith("# Title\n")
    assert '"value": 1' in path.with_suffix(".json").read_text()
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- x -->\nold\n<!-- /x -->\nafter\n")
    for text in ("| first |", "| second \\1 |"):
        report.paste(page, "x", text)
    assert page.read_text() == "before\n<!-- x -->\n\n| second \\1 |\n\n<!-- /x -->\nafter\n"
    with pytest.raises(ValueError, match="marked y"):
        report.paste(page, "y", "")


def test_a_chart_shows_every_measurement_and_its_median() -> None:
    drawing = plot.dots("A <title>", "s", {"one": {"ours": [0.1, 0.25, 0.3], "peer": []}})
    root = ElementTree.fromstring(drawing)
    assert len([e for e in root.iter() if e.tag.endswith("circle")]) == 3
    texts = [e.text for e in root.iter() if e.tag.endswith("text")]
    assert {"A <title>", "s", "one", "ours", "peer", "0.25", "none"} <= set(texts)


def test_a_single_measurement_is_a_bar_whose_length_is_its_value() -> None:
    root = ElementTree.fromstring(plot.dots("t", "s", {"one": {"ours": [4.0], "peer": [2.0]}}))
    bars = [e for e in root.iter() if e.get("class") == "bar"]
    long, short = (float(e.get("width") or 0) for e in bars)
    assert long == pytest.approx(2 * short, abs=0.2)
    assert [e.get("fill") for e in bars] == [plot.LIGHT.ours, plot.LIGHT.peer]


def test_panels_have_one_scale() -> None:
    panels = {"Pipecat": {"one": {"ours": [4.0]}}, "LiveKit": {"one": {"ours": [2.0]}}}
    root = ElementTree.fromstring(plot.drawing("t", "s", panels)(plot.DARK))
    long, short = (float(e.get("width") or 0) for e in root.iter() if e.get("class") == "bar")
    assert long == pytest.approx(2 * short, abs=0.2)


def test_a_label_stands_beside_the_median_and_meets_no_mark() -> None:
    root = ElementTree.fromstring(plot.dots("t", "s", {"one": {"ours": [1.0, 1.0, 1.2, 9.0]}}))
    (label,) = (e for e in root.iter() if e.text == "1.10")
    at = float(label.get("x") or 0)
    marks = sorted(float(e.get("cx") or 0) for e in root.iter() if e.tag.endswith("circle"))
    assert marks[2] < at < marks[3]


def test_the_comparison_quotes_the_page_of_benchmarks() -> None:
    page = report.BENCHMARKS.read_text(encoding="utf-8")
    lines = comparison.table(page).splitlines()
    assert len(lines) == 2 + 6
    assert all(line.count("|") == 6 for line in lines)
    assert comparison.table(page) in report.README.read_text(encoding="utf-8")


def test_publishing_writes_the_page_the_pictures_and_the_readme(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("BENCHMARKS", "README"):
        page: Path = getattr(report, name)
        (tmp_path / page.name).write_text(page.read_text(encoding="utf-8"), encoding="utf-8")
        monkeypatch.setattr(report, name, tmp_path / page.name)
    monkeypatch.setattr(report, "IMAGES", tmp_path)
    text = report.table(
        ["thousands of bytecodes", "ours / official", "ours", "official", "framework alone"],
        [("pipecat", 0.5, 41.25, 82.5, 1.0), ("livekit", 0.5, 1.0, 2.0, 3.0)],
    )
    drawing = plot.drawing("t", "s", {"one": {"ours": [1.0]}})
    report.publish("bytecodes", text, drawing)
    assert text in report.BENCHMARKS.read_text(encoding="utf-8")
    row = next(line for line in report.README.read_text().splitlines() if "bytecodes" in line)
    assert row.endswith("| 41.2 | 82.5 | 1.00 | 2.00 |")
    light, dark = (tmp_path / f"bytecodes{suffix}.svg" for suffix in ("", "-dark"))
    assert plot.LIGHT.ours in light.read_text(encoding="utf-8")
    assert plot.DARK.ours in dark.read_text(encoding="utf-8")


def test_the_comparison_fails_where_the_page_lacks_a_table() -> None:
    page = report.BENCHMARKS.read_text(encoding="utf-8").replace("<!-- bytecodes -->", "")
    with pytest.raises(LookupError, match="bytecodes"):
        comparison.table(page)


def samples(frames: Sequence[bytes]) -> NDArray[np.int16]:
    return np.frombuffer(b"".join(frames), np.int16)
