from __future__ import annotations

import logging

import pytest

from pulse_plugins.core.base.languages import LANGUAGES, is_group, normalize, spaceless

OVERVIEW = """en hi de es fr it nl pt ru gu mr or bn ta te kn ml pa uk pl cs sk ro fi sv bg hu lt
lv et da mt zh ja ko yue""".split()
GROUPS = ["multi", "multi-eu", "north_indic", "multi-south-indic", "multi-asian", "multi-indic"]


def test_the_table_holds_every_documented_code_once() -> None:
    assert sorted(LANGUAGES) == sorted([*OVERVIEW, *GROUPS])
    assert [code for code, row in LANGUAGES.items() if row.kind == "group"] == GROUPS
    assert all(code == row.code and row.name for code, row in LANGUAGES.items())


def test_regions_are_those_of_the_realtime_reference() -> None:
    streamed = [row for row in LANGUAGES.values() if row.streaming]
    assert {row.code for row in streamed if row.region == "us"} == {
        "zh",
        "ja",
        "ko",
        "yue",
        "multi-asian",
    }
    assert {row.code for row in streamed if row.region == "india"} == {
        "ta",
        "te",
        "kn",
        "ml",
        "multi-south-indic",
    }


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("en", "en"),
        ("en-US", "en"),
        ("en_IN", "en"),
        ("EN", "en"),
        ("zh-Hans-CN", "zh"),
        *((group, group) for group in GROUPS),
        ("Multi-EU", "multi-eu"),
    ],
)
def test_normalize_gives_the_code_of_the_wire(
    given: str, sent: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert normalize(given) == sent
    assert not caplog.records


@pytest.mark.parametrize("code", ["tlh", "pt2-BR", "multi-mars", "Xx-YY"])
def test_unknown_code_passes_unchanged_with_one_warning(
    code: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="pulse_plugins"):
        assert [normalize(code), normalize(code)] == [code, code]
    assert [record.name for record in caplog.records] == ["pulse_plugins"]
    assert repr(code) in caplog.text


def test_only_chinese_and_japanese_join_without_a_space() -> None:
    assert [code for code in LANGUAGES if spaceless(code)] == ["zh", "ja", "yue"]
    assert spaceless("zh-CN")
    assert not spaceless("multi-asian")
    assert not spaceless("tlh")


def test_groups_are_known_by_the_table_and_unknown_ones_by_their_name() -> None:
    assert [code for code in LANGUAGES if is_group(code)] == GROUPS
    assert is_group("multi-mars")
    assert is_group("auto")
    assert not is_group("tlh")
