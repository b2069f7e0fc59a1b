"""Which server a command talks to, and with which options."""

from __future__ import annotations

import os
import types
from dataclasses import fields
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

import typer

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.core.config.dialects import DialectName
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.config.urls import CLOUD_URL

Url = Annotated[
    str,
    typer.Option(
        "--url",
        envvar="PULSE_URL",
        help="The server. The cloud needs SMALLEST_API_KEY in the environment (a key is never "
        "taken from the command line, where others can read it). Any other server is sent "
        "PULSE_API_KEY, if that is set, and never the cloud's key.",
    ),
]
Language = Annotated[
    str, typer.Option("--language", "-l", help="A code such as en, or a group such as multi-eu.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        "-s",
        metavar="NAME=VALUE",
        help="Any option of the stream, as often as you like: -s eou_timeout_ms=500 "
        "-s keywords=Acme:2. The names are in the reference of options.",
    ),
]
Dialect = Annotated[DialectName, typer.Option("--dialect", help="How the server's wire is spoken.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line, for machines.")]

DEFAULT_URL = CLOUD_URL
ENV_OTHER_KEY = "PULSE_API_KEY"  # for a server of one's own
_PLAIN = (bool, int, float, str)


def options(
    *, url: str, language: str, dialect: DialectName, settings: list[str] | None, **more: Any
) -> PulseOptions:
    """The options that a command line asks for.

    Raises:
        ConfigurationError: One of them cannot work.
    """
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
    return PulseOptions(**asked)


def is_cloud(url: str) -> bool:
    """Whether this is the service itself, whose key goes nowhere else."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False  # it is no URL, which the options will say
    return host == "smallest.ai" or host.endswith(".smallest.ai")


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
            f"--set {name}: no such option; there is {', '.join(sorted(settable()))}"
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
        f"--set {name}={text}: it takes {' or '.join(kind.__name__ for kind in kinds)}"
    )
