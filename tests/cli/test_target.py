"""Options from a command line."""

from __future__ import annotations

import pytest

from pulse_plugins.cli import target
from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.core.config.options import PulseOptions, wire_fields

pytestmark = pytest.mark.unit

LOCAL = "ws://127.0.0.1:8765"


def made(*settings: str) -> PulseOptions:
    return target.options(url=LOCAL, language="en", dialect="pulse", settings=list(settings))


@pytest.mark.parametrize(
    ("url", "variable"),
    [
        ("wss://api.smallest.ai", "SMALLEST_API_KEY"),
        ("wss://api.smallest.ai.", "SMALLEST_API_KEY"),  # DNS accepts a dot at the end
        ("wss://API.SMALLEST.AI", "SMALLEST_API_KEY"),
        ("wss://smallest.ai.example", "PULSE_API_KEY"),
        ("wss://" + "a" * 70 + ".example", "PULSE_API_KEY"),
        ("wss://[::1", "PULSE_API_KEY"),
    ],
)
def test_the_key_of_the_service_is_for_its_own_hosts(url: str, variable: str) -> None:
    assert target.key_variable(url) == variable


def test_every_option_of_the_wire_can_be_set() -> None:
    assert {each.name for each in wire_fields()} <= set(target.settable())


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("eou_timeout_ms=500", 500),
        ("vad_threshold=0.4", 0.4),
        ("diarize=yes", True),
        ("numerals=auto", "auto"),
        ("numerals=false", False),
        ("keywords=Acme:2,SKU", (("Acme", 2.0), ("SKU", None))),
        ("sample_rate=8000", 8000),
    ],
)
def test_a_value_gets_the_type_of_its_option(setting: str, value: object) -> None:
    assert getattr(made(setting), setting.partition("=")[0]) == value


@pytest.mark.parametrize(
    ("setting", "match"),
    [
        ("eou_timeout_ms", "write NAME=VALUE"),
        ("eou_timeout=5", "no such option"),
        ("eou_timeout_ms=soon", "use a whole number"),
        ("eou_timeout_ms=50", "out of range"),
        ("diarize=perhaps", "use yes or no"),
        ("api_key=sk_1", "no such option"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_runs(setting: str, match: str) -> None:
    with pytest.raises(ConfigurationError, match=match):
        made(setting)
