"""A key reaches only the servers that it was given for."""

from __future__ import annotations

from typing import Any

import pytest

from pulse_plugins import PulseOptions
from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.core.config.keys import ENV_API_KEY

CLOUD = "wss://api.smallest.ai"
US = "wss://api.us.smallest.ai"
OWN = "ws://10.0.0.7:8765"
OTHER = "wss://speech.example.com"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENV_API_KEY, "sk_env")


def sent(*urls: str, **given: Any) -> list[str]:
    """The credentials that each base URL gets."""
    options = PulseOptions(base_url=urls, **given)
    return [options.request_headers(url)["Authorization"].removeprefix("Bearer ") for url in urls]


@pytest.mark.parametrize(
    ("urls", "given", "keys"),
    [
        ([CLOUD, US], {}, ["sk_env", "sk_env"]),
        ([CLOUD, OWN], {}, ["sk_env", "local"]),
        ([OWN, CLOUD, OTHER], {}, ["local", "sk_env", "local"]),
        ([OWN], {}, ["local"]),
        ([CLOUD, US], {"api_key": "mine"}, ["mine", "mine"]),
        ([OWN, OTHER], {"api_key": "mine"}, ["mine", "mine"]),
        ([CLOUD, OWN], {"api_keys": {OWN: "own"}}, ["sk_env", "own"]),
        ([CLOUD, OWN], {"api_keys": {CLOUD: "c", OWN: "o"}}, ["c", "o"]),
        ([CLOUD, OWN], {"api_key": "c", "api_keys": {OWN: "o"}}, ["c", "o"]),
        ([CLOUD, OWN], {"api_key": "o", "api_keys": {CLOUD: "c"}}, ["c", "o"]),
        ([OWN], {"api_keys": {OTHER: "unused"}}, ["local"]),
    ],
)
def test_each_server_gets_the_key_that_belongs_to_it(
    urls: list[str], given: dict[str, Any], keys: list[str]
) -> None:
    assert sent(*urls, **given) == keys


def test_one_key_for_the_cloud_and_another_host_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="api_keys=") as refused:
        PulseOptions(base_url=(CLOUD, OWN), api_key="a-secret")
    assert "secret" not in str(refused.value)


def test_the_key_of_the_environment_does_not_become_a_key_for_all() -> None:
    options = PulseOptions(base_url=CLOUD).changed(base_url=(CLOUD, OWN))
    assert [options.key_for(url) for url in options.urls] == ["sk_env", None]
    assert PulseOptions(base_url=CLOUD).changed(base_url=OWN).key_for(OWN) is None


def test_the_key_is_that_of_the_moment_at_which_the_options_were_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = PulseOptions()
    monkeypatch.delenv(ENV_API_KEY)
    assert options.key_for(CLOUD) == "sk_env"


@pytest.mark.parametrize("value", [None, "", " "])
def test_the_cloud_is_not_called_without_a_key(
    value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ENV_API_KEY)
    if value is not None:
        monkeypatch.setenv(ENV_API_KEY, value)
    for urls in (CLOUD, (OWN, US)):
        with pytest.raises(ConfigurationError, match=ENV_API_KEY):
            PulseOptions(base_url=urls, api_key=value)


def test_a_key_from_a_file_may_end_its_line() -> None:
    assert sent(OWN, api_key=" key\n") == ["key"]
    assert sent(OWN, api_keys={OWN: " key\n"}) == ["key"]


@pytest.mark.parametrize(
    "given",
    [
        {"api_key": "a\x00secret"},
        {"api_key": "secret\r\nb: c"},
        {"api_key": "secretключ"},
        {"api_keys": {OWN: "secret\n b"}},
        {"api_keys": ["secret"]},
        {"api_keys": {OWN: b"secret"}},
    ],
)
def test_a_key_that_no_header_can_hold_is_refused_and_not_shown(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="api_key") as refused:
        PulseOptions(base_url=OWN, **given)
    assert "secret" not in str(refused.value)


def test_credentials_of_the_caller_s_own_replace_the_key() -> None:
    headers = {"authorization": "Token license", "X-A": "b"}
    assert PulseOptions(base_url=OWN, api_key="k", headers=headers).request_headers() == headers


def test_credentials_of_the_caller_s_own_go_to_one_owner_only() -> None:
    headers = {"AUTHORIZATION": "Token secret"}
    with pytest.raises(ConfigurationError, match="use api_keys") as refused:
        PulseOptions(base_url=(CLOUD, OWN), headers=headers)
    assert "secret" not in str(refused.value)


def test_an_account_is_known_by_an_identifier_that_is_no_secret() -> None:
    one, same, other = (PulseOptions(base_url=OWN, api_key=key) for key in ("a", "a", "b"))
    assert one.account_for(OWN) == same.account_for(OWN) != other.account_for(OWN)
    assert PulseOptions(base_url=OWN).account_for(OWN) != one.account_for(OWN)
    long = PulseOptions(base_url=OWN, api_key="secret" * 20)
    assert "secret" not in long.account_for(OWN)
