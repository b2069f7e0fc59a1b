"""The options of a local server, as one immutable value or read from text."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, fields
from math import inf
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.local.connection.habits import Habits
from pulse_plugins.local.recognizers.contract import Recognizer
from pulse_plugins.local.wire.parameters import REGIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions(Habits):
    """The behaviour of one server.

    Attributes:
        recognizer: A recognizer, which its owner closes; or a name for
            `pulse_plugins.local.recognizers.contract.load`, whose recognizer the server closes.
        api_key: The one key that is accepted. `None` accepts every key that is not empty.
        latency_interim: Seconds by which interims and speech events leave later than they could.
        latency_final: Seconds by which finals leave later than they could. Messages keep their
            order.
        concurrency: Connections that one key may have at once. `None` sets no limit but
            `max_connections`.
        concurrency_refusal: How a connection above `concurrency` is refused: `429` answers the
            handshake with that status, `1008` accepts the connection and closes it with that code.
        idle_timeout: Seconds without a message of the client after which a connection is closed
            with 1000. `None` never closes it.
        chunk_seconds: Seconds of audio that are collected before the recognizer gets them. The
            service's decoder works on about 1.1 seconds. `0` feeds the audio as it comes.
        region: Whose languages are served: `us` and `india` refuse each other's languages and
            `multi` as the service does, `any` refuses none.
        strict: Parameters and forms that the endpoint's documents do not name are refused.
        control: The endpoints `/_control/faults` and `/_control/stats` are served, for tests in
            another process.
        max_connections: Streams and uploads at once. One more is answered with 503.
        max_message_bytes: Bytes of a WebSocket message. A longer one is closed with 1009.
        max_body_bytes: Bytes of an upload. A longer one is answered with 413. The default is the
            service's limit.
        max_audio_seconds: Seconds of audio in an upload. A longer one is answered with 413,
            however small its file is.
        send_timeout: Seconds that a client may leave a message unread before it is cut off.
        http_timeout: Seconds that a TCP connection may be open without a complete request.
        upload_timeout: Seconds that a body may take to arrive, and one more for every 4096 bytes
            of it.
        decode_timeout: Seconds that FFmpeg may take for the next piece of an upload.
        max_uploads: Uploads that are decoded at once. One more waits.
        allowed_origins: Web pages that may use the server, such as `http://localhost:3000`. The
            server's own origin always may.
        allowed_hosts: Hosts besides this machine that may be named in `webhook_url` and in bodies
            of `{"url": …}`.
    """

    recognizer: Recognizer | str = "pocketsphinx"
    api_key: str | None = field(default=None, repr=False)
    latency_interim: float = 0.0
    latency_final: float = 0.0
    concurrency: int | None = None
    concurrency_refusal: Literal[429, 1008] = 429
    idle_timeout: float | None = 30.0
    chunk_seconds: float = 0.0
    region: Literal["any", "us", "india"] = "any"
    strict: bool = False
    control: bool = False
    max_connections: int = 100
    max_message_bytes: int = 1 << 20
    max_body_bytes: int = 250 << 20
    max_audio_seconds: float = 4 * 3600.0
    send_timeout: float = 30.0
    http_timeout: float = 30.0
    upload_timeout: float = 30.0
    decode_timeout: float = 30.0
    max_uploads: int = 4
    allowed_origins: frozenset[str] = frozenset()
    allowed_hosts: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            ConfigurationError: A value is out of its range; the text names it.
        """
        least: dict[str, float] = {
            "latency_interim": 0,
            "latency_final": 0,
            "chunk_seconds": 0,
            "concurrency": 1,
            "max_connections": 1,
            "max_message_bytes": 1024,
            "max_body_bytes": 1024,
            "max_audio_seconds": 0.1,
            "max_words": 1,
            "repeat_cut_word": 0,
            "idle_timeout": 0.01,
            "send_timeout": 0.01,
            "http_timeout": 0.01,
            "upload_timeout": 0.01,
            "decode_timeout": 0.01,
            "max_uploads": 1,
        }
        for name, low in least.items():
            value = getattr(self, name)
            if value is not None and not low <= value < inf:  # which no nan is
                raise ConfigurationError(f"{name}={value}: use {low:g} or more")
        if self.region not in REGIONS:
            raise ConfigurationError(f"region={self.region!r}: use {', '.join(REGIONS)}")

    @classmethod
    def from_strings(cls, settings: Iterable[str], **more: Any) -> ServerOptions:
        """Make options from `name=value` texts, as a command line gives them.

        Args:
            settings: `none` as a value means None; sets are joined by `+`.
            more: Options that are values already; they win.

        Raises:
            ConfigurationError: A name is unknown, or a value does not fit its option.
        """
        hints = get_type_hints(cls)
        known = {each.name for each in fields(cls)}
        values: dict[str, Any] = {}
        for setting in settings:
            name, equals, text = setting.partition("=")
            name = name.strip().replace("-", "_")
            if name not in known or not equals:
                raise ConfigurationError(
                    f"{setting!r}: write NAME=VALUE with one of {', '.join(sorted(known))}"
                )
            values[name] = _read(name, text.strip(), hints[name])
        return cls(**(values | more))


def descriptions() -> dict[str, str]:
    """What each option means, by its name: the attributes that the docstrings describe."""
    found: dict[str, str] = {}
    for made in (Habits, ServerOptions):
        section = inspect.cleandoc(made.__doc__ or "").partition("Attributes:")[2]
        name = ""
        for line in section.splitlines():
            heading = re.match(r"    (\w+): (.*)", line)
            if heading:
                name = heading[1]
                found[name] = heading[2]
            elif name and line.strip():
                found[name] += " " + line.strip()
    return found


def _read(name: str, text: str, hint: Any) -> object:
    """The value of an option's type that a text stands for; the first reading that fits."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        for each in arguments:
            with suppress(ConfigurationError):
                return _read(name, text, each)
    elif origin is Literal:
        for value in arguments:
            if text in (str(value), str(value).lower()):
                return value
    elif origin is frozenset:
        with suppress(ConfigurationError):
            return frozenset(_read(name, part, arguments[0]) for part in text.split("+") if part)
    elif hint in _READERS:
        with suppress(ValueError, KeyError):
            return _READERS[hint](text)
    raise ConfigurationError(f"{name}={text!r}: use {_expected(hint)}")


def _expected(hint: Any) -> str:
    """The values that an option takes, in words."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(map(_expected, arguments))
    if origin is Literal:
        return ", ".join(map(str, arguments))
    if origin is frozenset:
        return f"{_expected(arguments[0])}; + joins several"
    return _EXPECTED.get(hint, "an object")


_READERS: dict[Any, Callable[[str], object]] = {
    bool: {"true": True, "false": False}.__getitem__,
    type(None): {"none": None}.__getitem__,
    str: str,
    int: int,
    float: float,
}
_EXPECTED: dict[Any, str] = {
    bool: "true or false",
    type(None): "none",
    str: "a text",
    int: "a whole number",
    float: "a number",
}
