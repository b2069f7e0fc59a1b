"""What one stream's engine is to be run with: settings, keyterms and the framework's patience."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from livekit.agents.types import APIConnectOptions

from pulse_plugins.core.audio.formats import AudioFormat
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.livekit.configuration import Settings, for_connection, with_job_proxy
from pulse_plugins.livekit.keyterms import with_keyterms
from pulse_plugins.livekit.log import logger


class StreamOptions:
    """One stream's own copy of all that may change while it lives.

    Args:
        settings: The STT's when the stream was made.
        keyterms: The session's, so far.
        connection: The framework's connection options.

    Attributes:
        settings: As they are now.
        keyterms: As they are now.
    """

    def __init__(
        self, settings: Settings, keyterms: Iterable[str], connection: APIConnectOptions
    ) -> None:
        self.settings = settings
        self.keyterms = list(keyterms)
        self._connection = connection

    def changed(self, given: Mapping[str, Any], present: PulseOptions | None) -> StreamOptions:
        """A checked copy with new arguments.

        Args:
            given: By name.
            present: What an engine runs with that is to go on so; None: there is none.

        Raises:
            ConfigurationError: One is unknown or cannot work.
        """
        copy = StreamOptions(self.settings.changed(given), self.keyterms, self._connection)
        if present is not None:
            copy.following(present)
        return copy

    def first(self, source: AudioFormat) -> PulseOptions:
        """For an engine that begins with audio in this format."""
        return self._complete(self.settings.source_options(source))

    def following(self, present: PulseOptions) -> PulseOptions:
        """For an engine that runs with `present`: the bytes on the wire stay what they are."""
        wanted, rate = self._complete(self.settings.options), self.settings.sample_rate
        if wanted.encoding != present.encoding or rate not in (None, present.sample_rate):
            logger.info("encoding and sample_rate change with the next stream")
        return wanted.changed(encoding=present.encoding, sample_rate=present.sample_rate)

    def _complete(self, options: PulseOptions) -> PulseOptions:
        return with_job_proxy(
            for_connection(with_keyterms(options, self.keyterms), self._connection)
        )
