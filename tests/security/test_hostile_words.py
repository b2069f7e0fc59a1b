"""A stranger chooses what the phone agent has to understand, so the work for it is bounded.

The work is counted in executed lines of Python, not in seconds: a count is the same on every
machine. The modules under test use no regular expressions, whose work this count would not see.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.phone_agent import understanding, words
from examples.phone_agent.understanding import Slot, understand
from examples.phone_agent.words import MOST_LETTERS
from pulse_plugins.local.output import redaction
from pulse_plugins.local.output.redaction import Redactor
from pulse_plugins.local.recognizers.contract import RecognizedWord
from tests.security.steps import lines_of

TODAY = date(2026, 11, 21)
MODULES = (understanding.__file__, words.__file__)
STEPS_A_LETTER = 100
STEPS_AT_LEAST = 2_000
VOCABULARY = (
    "a the of at for and no not my name is under this it people half quarter past to noon pm p.m. "
    "double triple oh five seven twenty thirty fortieth first december friday tomorrow me just "
    "party 7:30 555- (12) 99999 31 x . : - '"
).split()
HOSTILE = {
    "one long word": "a" * 1600,
    "one long number": "9" * 4400,
    "a number in groups": "555 " * 400,
    "names without end": "my name is " + "ab " * 500,
    "ordinals": "the thirty first " * 100,
    "doubles": "double five " * 150,
    "brackets": "1(" * 800,
    "digits that int() does not take": "² ③ ٣ " * 200,
    "control characters": "\x00\x1b[2J\r\n" * 200,
    "surrogates": "\ud800 seven",
}


def steps(work: Callable[[], object]) -> int:
    """How many lines of the two modules an action executes."""
    return lines_of(work, MODULES)


def budget(text: str) -> int:
    return STEPS_AT_LEAST + STEPS_A_LETTER * min(len(text), MOST_LETTERS)


@pytest.mark.parametrize("asked", list(Slot))
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_text_takes_few_steps_and_raises_nothing(text: str, asked: Slot) -> None:
    assert 0 < steps(lambda: understand(text, asked, TODAY)) <= budget(text)


@given(
    st.text(max_size=2000)
    | st.lists(st.sampled_from(VOCABULARY), max_size=800).map(" ".join)
    | st.lists(st.sampled_from(VOCABULARY), max_size=800).map("".join),
    st.sampled_from(Slot),
)
def test_the_steps_for_any_text_are_linear_in_its_length(text: str, asked: Slot) -> None:
    assert steps(lambda: understand(text, asked, TODAY)) <= budget(text)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_text_ten_times_as_long_takes_no_more_steps_than_the_bound(text: str) -> None:
    longest = steps(lambda: understand(text * 10, Slot.NAME, TODAY))
    assert longest <= STEPS_AT_LEAST + STEPS_A_LETTER * MOST_LETTERS


@given(st.lists(st.sampled_from(VOCABULARY), max_size=100).map(" ".join), st.sampled_from(Slot))
def test_what_is_understood_fits_the_database(text: str, asked: Slot) -> None:
    said = understand(text, asked, TODAY)
    assert said.name is None or len(said.name) <= 80
    assert said.phone is None or len(said.phone) <= 20
    assert said.party is None or abs(said.party) < 2**31


def test_no_regular_expression_hides_steps_from_the_count() -> None:
    for module in MODULES:
        tree = ast.parse(Path(str(module)).read_text(encoding="utf-8"))
        imported = [
            node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        names = {alias.name for node in imported for alias in node.names}
        names |= {node.module or "" for node in imported if isinstance(node, ast.ImportFrom)}
        assert "re" not in names


@pytest.mark.parametrize("said", ["twenty", "one", "twenty one", "john", "twelve high", "street"])
def test_the_local_server_redacts_a_long_recording_in_few_steps(said: str) -> None:
    words = [
        RecognizedWord(word, n, n + 1, 0.9) for n, word in enumerate((said + " ").split() * 2000)
    ]
    redactor = Redactor(pii=True, pci=True)
    assert lines_of(lambda: redactor.redact(words), {redaction.__file__}) <= 100 * len(words)
