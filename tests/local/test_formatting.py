from __future__ import annotations

import subprocess
import sys

import pytest

from pulse_plugins.local.output.formatting import Formatter, numbers_at_end, write_numbers
from pulse_plugins.local.recognizers.contract import RecognizedWord
from pulse_plugins.local.wire.parameters import Parameters


def words(text: str) -> list[RecognizedWord]:
    return [
        RecognizedWord(word, 0.5 * place, 0.5 * place + 0.4, 0.8 + 0.01 * place)
        for place, word in enumerate(text.split())
    ]


def joined(found: list[RecognizedWord]) -> str:
    return " ".join(word.text for word in found)


@pytest.mark.parametrize(
    ("spoken", "written"),
    [
        ("twenty five dollars", "$25"),
        ("i owe three hundred euros and ten pounds", "i owe €300 and £10"),
        ("fifty percent of them", "50% of them"),
        ("on the twenty third of may", "on the 23rd of may"),
        ("call five five five oh one two three", "call 5550123"),
        ("two thousand and twenty six", "2026"),
        ("three point one four", "3.14"),
        ("one moment please", "one moment please"),  # a small number alone stays a word
        ("no number here", "no number here"),
        ("", ""),
    ],
)
def test_numbers_are_written(spoken: str, written: str) -> None:
    assert joined(write_numbers(words(spoken))) == written


def test_a_merged_word_spans_its_sources_with_the_best_confidence() -> None:
    _, merged = write_numbers(words("pay twenty five dollars"))
    assert (merged.text, merged.start, merged.end) == ("$25", 0.5, 1.9)
    assert merged.confidence == pytest.approx(0.83)


@pytest.mark.parametrize(
    ("spoken", "count"),
    [("my number is five five", 2), ("it is twenty five", 2), ("five of them", 0), ("", 0)],
)
def test_a_number_that_may_go_on_is_known(spoken: str, count: int) -> None:
    assert numbers_at_end(words(spoken)) == count


def test_sentences_have_a_capital_and_an_end() -> None:
    formatter = Formatter(Parameters(dialect="live"))
    assert joined(formatter.format(words("i think i'm late"), pause=True)) == "I think I'm late."
    assert joined(formatter.format(words("can i come"), pause=True)) == "Can I come?"
    assert formatter.format([], pause=True) == []


def test_a_sentence_goes_on_after_a_cut_in_its_middle() -> None:
    formatter = Formatter(Parameters(dialect="live"))
    assert joined(formatter.format(words("what time does"), pause=False)) == "What time does"
    assert joined(formatter.format(words("it open"), pause=True)) == "it open?"
    assert joined(formatter.format(words("thanks"), pause=True)) == "Thanks."


@pytest.mark.parametrize(
    ("switches", "text"),
    [
        ({"format": False}, "i have twenty"),
        ({"punctuate": False}, "I have twenty"),
        ({"capitalize": False}, "i have twenty."),
        ({"format": False, "itn": True}, "i have 20"),
        ({"numerals": True}, "I have 20."),
        ({"recognized_as": "de"}, "i have twenty"),
    ],
)
def test_switches(switches: dict[str, object], text: str) -> None:
    formatter = Formatter(Parameters(dialect="live", **switches))  # type: ignore[arg-type]
    assert joined(formatter.format(words("i have twenty"), pause=True)) == text


def test_without_the_library_numbers_are_refused_with_advice() -> None:
    program = (
        "import sys; sys.modules['text_to_num'] = None\n"
        "from pulse_plugins.core.base.errors import ConfigurationError\n"
        "from pulse_plugins.local.output import formatting\n"
        "from pulse_plugins.local.wire.parameters import Parameters\n"
        "formatting.check(Parameters(dialect='live'))\n"
        "try:\n    formatting.check(Parameters(dialect='live', itn=True))\n"
        "except ConfigurationError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "pulse-plugins[local]" in done.stdout, done.stderr
