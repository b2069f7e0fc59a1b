"""The options that choose a server and say what is asked of it."""

from __future__ import annotations

import os
import re
import types
from dataclasses import fields
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

import typer

from pulse_plugins.cli.exits import CommandError, Exit
from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.core.config import urls
from pulse_plugins.core.config.dialects import DialectName
from pulse_plugins.core.config.keys import ENV_API_KEY
from pulse_plugins.core.config.options import PulseOptions

Url = Annotated[
    str,
    typer.Option(
        "--url",
        envvar="PULSE_URL",
        help="The server. Smallest AI's own hosts are sent the key in SMALLEST_API_KEY; any other "
        "host is sent the key in PULSE_API_KEY, if it is set. No option takes a key, because other "
        "users of a machine can read command lines.",
    ),
]
Language = Annotated[
    str,
    typer.Option(
        "--language", "-l", help="A language code such as en, or a group such as multi-eu."
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        "-s",
        metavar="NAME=VALUE",
        help="Set an option of the service; repeat it for several: -s eou_timeout_ms=500 "
        "-s keywords=Acme:2. docs/options.md lists the names.",
    ),
]
Dialect = Annotated[
    DialectName, typer.Option("--dialect", help="Which of the service's endpoints is used.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]

DEFAULT_URL = urls.CLOUD_URL
LOCAL_URL = "ws://127.0.0.1:8765"  # where `pulse-plugins serve` listens by default
_LOCAL_SERVER = (
    f"try without a key: run `pulse-plugins serve` in another terminal and add --url {LOCAL_URL}"
)
ENV_OTHER_KEY = "PULSE_API_KEY"  # for a server of one's own

# Names of options in Python, and what they are on a command line.
_NAMES = (
    (re.compile(r"\bset base_url to\b"), "use --url with"),
    (re.compile(r"\bbase_url\b"), "--url"),
    (re.compile(r" (or|and) api_key\b"), ""),
    (re.compile(r"\bapi_key\b"), "the API key"),
    (re.compile(r"\b(dialect|language)="), r"--\1 "),
)
_EXPECTED = {bool: "yes or no", int: "a whole number", float: "a number", str: "a text"}
_PLAIN = tuple(_EXPECTED)


def options(
    *, url: str, language: str, dialect: DialectName, settings: list[str] | None, **more: Any
) -> PulseOptions:
    """The options that a command line asks for.

    Raises:
        CommandError: The cloud is meant, and there is no key for it.
        ConfigurationError: One of the options cannot work.
    """
    check_key(url)
    key = None if is_cloud(url) else os.environ.get(ENV_OTHER_KEY)
    asked: dict[str, Any] = {
        "base_url": url,
        "api_key": key,
        "language": language,
        "dialect": dialect,
        **more,
    }
    for setting in settings or ():
        name, equals, text = setting.partition("=")
        if not equals:
            raise ConfigurationError(f"--set {setting}: write NAME=VALUE")
        asked[name.strip()] = _value(name.strip(), text.strip())
    try:
        return PulseOptions(**asked)
    except ConfigurationError as error:
        raise ConfigurationError(in_options(str(error))) from error


def in_options(text: str) -> str:
    """A text about options of `PulseOptions`, with the names that a command line has for them."""
    for pattern, words in _NAMES:
        text = pattern.sub(words, text)
    return text


def check_key(url: str, instead: str = _LOCAL_SERVER) -> None:
    """Find out before any work whether there is a key where one is needed.

    Args:
        url: The server.
        instead: What to do if there is no key.

    Raises:
        CommandError: The cloud is meant, and there is no key for it.
    """
    if is_cloud(url) and not os.environ.get(ENV_API_KEY, "").strip():
        raise CommandError(
            f"no API key for {urlsplit(url).hostname}: set {ENV_API_KEY}, or {instead}",
            Exit.CONFIGURATION,
        )


def key_variable(url: str) -> str:
    """The environment variable that holds the key for this server."""
    return ENV_API_KEY if is_cloud(url) else ENV_OTHER_KEY


def is_cloud(url: str) -> bool:
    """Whether a URL names the service itself, the only receiver of the service's key."""
    try:
        return urls.is_cloud(url)
    except ValueError:
        return False  # it is no URL, which the options will say


def settable() -> dict[str, tuple[type, ...]]:
    """The options that `--set` takes, each with the types of value it can have."""
    hints = get_type_hints(PulseOptions)
    found = {}
    for each in fields(PulseOptions):
        kinds = tuple(kind for kind in _kinds(hints[each.name]) if kind in _PLAIN)
        if kinds and each.name not in ("api_key", "base_url"):
            found[each.name] = kinds
    return found


def _kinds(hint: Any) -> tuple[Any, ...]:
    """The plain types in an annotation: `bool | None` has bool, a Literal has its values' type."""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return tuple(kind for part in get_args(hint) for kind in _kinds(part))
    if origin is not None and not isinstance(origin, type):
        return tuple(dict.fromkeys(type(value) for value in get_args(hint)))
    return (hint,)


def _value(name: str, text: str) -> object:
    kinds = settable().get(name)
    if kinds is None:
        raise ConfigurationError(
            f"--set {name}: no such option; the options are {', '.join(sorted(settable()))}"
        )
    if bool in kinds and text.lower() in ("true", "false", "yes", "no", "on", "off"):
        return text.lower() in ("true", "yes", "on")
    for kind in (int, float):
        if kind in kinds:
            try:
                return kind(text)
            except ValueError:
                continue
    if str in kinds:
        return text
    raise ConfigurationError(
        f"--set {name}={text}: use {' or '.join(_EXPECTED[kind] for kind in kinds)}"
    )
