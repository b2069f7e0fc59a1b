"""The interface between the local server and a speech recognizer, and the search by name.

The package ships two recognizers, `pocketsphinx` and `scripted`. A user's own recognizer is named
as `package.module:factory`. The server decides where a segment ends; a decoder turns
the audio of one connection into words with times.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from pulse_plugins.core.base.errors import ConfigurationError, PulseError


@dataclass(frozen=True, slots=True)
class RecognizedWord:
    """One recognized word and its position in the audio of the connection.

    Attributes:
        text: The word as the recognizer spells it; formatting is the server's.
        start: Seconds from the first sample that this decoder was fed.
        end: Seconds on the same clock.
        confidence: 0.0 to 1.0.
        language: The code of the language that was heard; "" where the recognizer does not tell.
        speaker: The number of the speaker from 0 on; None where the recognizer does not tell.
        speaker_confidence: 0.0 to 1.0.
    """

    text: str
    start: float
    end: float
    confidence: float
    language: str = ""
    speaker: int | None = None
    speaker_confidence: float = 0.0


class Decoder(Protocol):
    """Recognition of one connection's audio, segment after segment.

    Calls come one at a time, in the order of the audio. No call blocks the event loop.
    """

    async def feed(self, pcm: NDArray[np.int16]) -> Sequence[RecognizedWord] | None:
        """Take the next samples, mono, at the rate the decoder was opened with.

        Returns:
            The open segment's words as they look now, whose times may be coarse; or None where
            nothing changed since the last call.
        """
        ...

    async def finish_segment(self) -> Sequence[RecognizedWord]:
        """Close the open segment, answer with its final words, and begin the next segment.

        Times go on: they always count from the first sample fed, across all segments.
        """
        ...

    async def close(self) -> None:
        """Give back what the decoder holds. Safe to call twice, and in the middle of a segment."""
        ...


class Recognizer(Protocol):
    """Opens decoders; one recognizer serves all connections of a server.

    Attributes:
        sample_rates: Hz; the rates its decoders take. The server resamples any other.
        languages: The language codes it understands.
    """

    @property
    def sample_rates(self) -> frozenset[int]:
        """Hz; the rates that decoders take natively."""
        ...

    @property
    def languages(self) -> frozenset[str]:
        """The language codes that it understands, such as `en`."""
        ...

    async def open(
        self, *, sample_rate: int, language: str, keywords: Mapping[str, float]
    ) -> Decoder:
        """A decoder for one connection; waits while all decoders are in use.

        Args:
            sample_rate: Hz, one of `sample_rates`.
            language: One of `languages`.
            keywords: Words or phrases and how strongly to prefer them: 1 mildly, 5 and more so
                strongly that they are heard where they were not said. May be empty.

        Raises:
            ConfigurationError: The rate or the language is not among those named above.
        """
        ...

    async def close(self) -> None:
        """Release models, threads and processes. Open decoders stop working."""
        ...


def load(name: str, **options: object) -> Recognizer:
    """Make a recognizer by its name.

    Args:
        name: `pocketsphinx`, `scripted`, or `package.module:factory`, where `factory` is a class
            or function that returns a `Recognizer`.
        options: Keyword arguments for its constructor or factory.

    Raises:
        ConfigurationError: Nothing by that name can be imported, a package it needs is missing, or
            what it makes is no recognizer.
    """
    match name:
        case "pocketsphinx":
            target = "pulse_plugins.local.recognizers.pocketsphinx:PocketSphinxRecognizer"
        case "scripted":
            target = "pulse_plugins.local.recognizers.scripted:ScriptedRecognizer"
        case _:
            target = name
    factory = _import(target)
    try:
        made: object = factory(**options)
    except PulseError:
        raise
    except Exception as error:  # the factory can be anybody's
        problem = f"{type(error).__name__}: {error}"
        raise ConfigurationError(f"recognizer {name!r} cannot be made: {problem}") from error
    missing = [each for each in _CONTRACT if not hasattr(made, each)]
    if missing:
        raise ConfigurationError(f"{name!r} makes no recognizer: it has no {', '.join(missing)}")
    return cast("Recognizer", made)


_CONTRACT = ("sample_rates", "languages", "open", "close")


def _import(target: str) -> Callable[..., object]:
    """The factory behind `package.module:factory`."""
    module, colon, attribute = target.partition(":")
    if not (module and colon and attribute):
        raise ConfigurationError(
            f"recognizer {target!r}: use pocketsphinx, scripted or package.module:factory"
        )
    try:
        factory: object = import_module(module)
        for part in attribute.split("."):
            factory = getattr(factory, part)
    except ImportError as error:
        hint = ""
        if target.startswith("pulse_plugins.local."):
            hint = "; install pulse-plugins[local]"
        raise ConfigurationError(f"recognizer {target!r}: {error}{hint}") from error
    except AttributeError as error:
        raise ConfigurationError(f"recognizer {target!r}: {error}") from error
    if not callable(factory):
        raise ConfigurationError(f"recognizer {target!r} is not a class or function")
    return factory
