"""How a local server behaves: every switch in one value, and the same from strings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from math import inf
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.local.connection.habits import Habits
from pulse_plugins.local.recognizers.contract import Recognizer
from pulse_plugins.local.wire.parameters import REGIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions(Habits):
    """One server's behaviour; the defaults follow the service's documents.

    Attributes:
        recognizer: One that exists, which stays its owner's to close; or a name for
            `pulse_plugins.local.recognizers.contract.load`, made and closed with the server.
        api_key: The one key that is accepted; None accepts any that is not empty.
        latency_interim: Seconds by which interims and speech events leave later than they could.
        latency_final: The same for finals. Messages keep their order.
        concurrency: Connections at once for a key; None: no limit but `max_connections`.
        concurrency_refusal: How one more is refused: HTTP 429, or accepted and closed with 1008.
        idle_timeout: Seconds without audio, finalize or keepalive after which a connection is
            closed with 1000; None: never.
        chunk_seconds: The recognizer is fed when so much audio has come together, as the
            service's decoder is each 1.1 s or so; 0: as it comes.
        region: Whose languages are served, as `any`, `us` or `india`.
        strict: Refuse parameters that the dialect's documents do not name.
        control: Serve `/_control/faults` and `/_control/stats`, for tests in another process.
        max_connections: Of all kinds at once; one more gets 503.
        max_message_bytes: A longer WebSocket message is closed with 1009.
        max_body_bytes: A longer upload is answered with 413; the default is the service's limit.
        max_audio_seconds: An upload of more audio is answered with 413, however small its file.
        send_timeout: Seconds that a client may leave a message unread before it is cut off.
    """

    recognizer: Recognizer | str = "pocketsphinx"
    api_key: str | None = None
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
            ConfigurationError: A name is unknown or a value is none of its kind.
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


def _read(name: str, text: str, hint: Any) -> object:
    """The value of an option's type that a text stands for; the first reading that fits."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        for each in arguments:
            try:
                return _read(name, text, each)
            except ConfigurationError:
                continue
    elif origin is Literal:
        for value in arguments:
            if text == str(value) or text == str(value).lower():
                return value
    elif origin is frozenset:
        return frozenset(_read(name, part, arguments[0]) for part in text.split("+") if part)
    elif hint is bool and text in ("true", "false"):
        return text == "true"
    elif hint is type(None) and text == "none":
        return None
    elif hint is str:
        return text
    elif hint in (int, float):
        try:
            return hint(text)
        except ValueError:
            pass
    raise ConfigurationError(f"{name}={text!r} is not a value of this option")
