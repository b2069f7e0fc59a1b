"""The mutations of the engine fit its source. The command itself runs at night."""

from __future__ import annotations

import pytest

from tests.mutations import PAGE, constants, mutations

pytestmark = pytest.mark.unit


def test_each_mechanism_can_be_taken_away_where_its_text_stands() -> None:
    names = {(each.file, each.name) for each in mutations()}
    assert ("session/stall.py", "_SPEECH halved: 0.15") in names
    assert ("session/stall.py", "without: the patience is bounded") in names


def test_the_constants_of_a_module_and_of_its_classes_are_found() -> None:
    text = "A = 0.5\nB: Final = 2\nC = 0\nD = 'x'\nclass E:\n    f: float = 3.0\n    g = A\n"
    assert [(name, node.value) for name, node in constants(text)] == [
        ("A", 0.5),
        ("B", 2),
        ("f", 3.0),
    ]


def test_the_page_names_a_test_for_each_mutation() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert "SURVIVED" not in page
    assert page.count("\n| ") >= 400
