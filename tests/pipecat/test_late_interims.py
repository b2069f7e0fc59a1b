"""What only repeats a completed turn; times are literal seconds of audio."""

from __future__ import annotations

import pytest

from pulse_plugins.pipecat.late_interims import LateInterims


def after(text: str, language: str = "en") -> LateInterims:
    late = LateInterims()
    late.completed(text, 10.0, language)
    return late


@pytest.mark.parametrize("text", ["Hello, world.", "hello world", "World"])
def test_the_end_of_the_turn_is_no_news(text: str) -> None:
    assert after("Hello, world.").repeats(text, 10.5, "en")


@pytest.mark.parametrize("text", ["hello world again", "hello", "rld", "no hello world"])
def test_anything_else_is(text: str) -> None:
    assert not after("Hello, world.").repeats(text, 10.5, "en")


def test_a_vowel_sign_makes_another_word() -> None:
    assert after("घर की", "hi").repeats("की", 10.5, "hi")
    assert not after("घर की", "hi").repeats("का", 10.5, "hi")


def test_without_spaces_the_end_is_characters() -> None:
    late = after("你好,世界。", "zh")
    assert late.repeats("世界", 10.5, "zh")
    assert not late.repeats("世界你", 10.5, "zh")


def test_what_comes_later_was_said_later() -> None:
    assert not after("hello world").repeats("world", 11.0, "en")


def test_once_speech_starts_the_same_words_are_new() -> None:
    late = after("hello world")
    late.speech_started()
    assert not late.repeats("world", 10.5, "en")


def test_an_empty_text_that_takes_an_interim_back_is_no_repetition() -> None:
    assert not after("hello world").repeats("", 10.5, "en")


def test_before_any_turn_nothing_is_repeated() -> None:
    assert not LateInterims().repeats("", 0.0, "en")
