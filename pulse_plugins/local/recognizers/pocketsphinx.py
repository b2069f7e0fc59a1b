"""Real speech recognition on this machine, in English: pocketsphinx, a process per connection.

With it a voice agent can be tried and tested without the service. It recognizes clear synthetic
speech. Human speech needs a small language model or a grammar of what callers may say.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from pulse_plugins.core.base.errors import ConfigurationError, ServerError
from pulse_plugins.local import models
from pulse_plugins.local.recognizers import worker as sphinx_worker
from pulse_plugins.local.recognizers.contract import RecognizedWord
from pulse_plugins.local.recognizers.worker import LENGTH, Setup

SAMPLE_RATES = frozenset({8_000, 16_000})
LANGUAGES = frozenset({"en"})
INTERIM_SECONDS = 0.1  # audio between two looks at the words
_NOTHING: Mapping[str, float] = MappingProxyType({})


class PocketSphinxRecognizer:
    """Lends out decoders, at most `decoders` at once, and keeps their processes for the next call.

    A process with the general model takes about a second to start and 110 MB; with a small model
    and its dictionary 0.3 s and 30 MB.
    """

    def __init__(
        self,
        language_model: str | Path | None = None,
        grammar: str | Path | None = None,
        dictionary: str | Path | None = None,
        decoders: int = 4,
    ) -> None:
        """Choose what it can understand.

        Args:
            language_model: The name of a shipped model (`bookings`) or an n-gram file that
                pocketsphinx reads; None: general English.
            grammar: A JSGF file instead: what it does not describe is not heard at all, and
                keywords have no effect.
            dictionary: Pronunciations in CMUdict's form; None: those of the shipped model, or all
                of CMUdict.
            decoders: How many connections at once; one more waits.

        Raises:
            ConfigurationError: A file is missing, both a model and a grammar are given, or
                `decoders` is below 1.
        """
        if language_model is not None and grammar is not None:
            raise ConfigurationError("give a language model or a grammar, not both")
        if decoders < 1:
            raise ConfigurationError(f"decoders={decoders}: use at least 1")
        if isinstance(language_model, str) and language_model in models.names():
            shipped = models.find(language_model)
            language_model, dictionary = shipped.ngrams, dictionary or shipped.dictionary
        self._ngrams = _readable("language_model", language_model)
        self._grammar = _readable("grammar", grammar)
        self._dictionary = _readable("dictionary", dictionary)
        self._free = asyncio.Semaphore(decoders)
        self._idle: list[_Process] = []
        self._lent: set[_Process] = set()
        self._closed = False

    @property
    def sample_rates(self) -> frozenset[int]:
        """8 kHz, doubled inside with telephone speech in mind, and 16 kHz."""
        return SAMPLE_RATES

    @property
    def languages(self) -> frozenset[str]:
        """English only."""
        return LANGUAGES

    async def open(
        self, *, sample_rate: int, language: str, keywords: Mapping[str, float] = _NOTHING
    ) -> PocketSphinxDecoder:
        """A decoder for one connection; waits while all are in use.

        A keyword is a word or phrase of known words. Where the language model does not expect it,
        a boost of 1 makes it as likely as one word in ten thousand, 2 as one in a thousand, and
        so on up to every second word. One without a known pronunciation is passed over.

        Raises:
            ConfigurationError: A rate or language that it does not take, or it is closed.
        """
        if sample_rate not in SAMPLE_RATES:
            raise ConfigurationError(f"sample_rate={sample_rate}: pocketsphinx takes 8000 or 16000")
        if language not in LANGUAGES:
            raise ConfigurationError(f"language={language!r}: pocketsphinx understands en")
        setup = Setup(
            sample_rate=sample_rate,
            ngrams=self._ngrams,
            grammar=self._grammar,
            dictionary=self._dictionary,
            keywords=dict(keywords),
        )
        await self._free.acquire()
        process: _Process | None = None
        try:
            if not self._closed:
                process = self._take_idle(setup) or await _Process.start()
            if self._closed or process is None:  # also where it was closed during the start
                raise ConfigurationError("the recognizer is closed")
            self._lent.add(process)
            await process.open(setup)
        except BaseException:
            if process is not None:
                self._lent.discard(process)
                await asyncio.shield(process.kill())
            self._free.release()
            raise
        return PocketSphinxDecoder(self, process, sample_rate)

    async def warm(self, *, sample_rate: int = 16_000) -> None:
        """Start one process and load its model, so that the first caller need not wait."""
        decoder = await self.open(sample_rate=sample_rate, language="en")
        await decoder.close()

    async def close(self) -> None:
        """End all processes. Open decoders stop working, and calls that wait for a decoder fail."""
        self._closed = True
        processes = [*self._idle, *self._lent]
        for _ in self._lent:
            self._free.release()  # the processes of these decoders are gone
        self._idle.clear()
        self._lent.clear()
        await asyncio.gather(*(process.kill() for process in processes))

    def _take_idle(self, setup: Setup) -> _Process | None:
        """One that has the model loaded, if there is; else any, which will load it."""
        if not self._idle:
            return None
        for index, process in enumerate(self._idle):
            if process.setup == setup:
                return self._idle.pop(index)
        return self._idle.pop()

    async def _give_back(self, process: _Process) -> None:
        """Keep a process for the next call, unless it is in the middle of something."""
        if process not in self._lent:
            return
        self._lent.discard(process)
        if process.usable and not self._closed:
            self._idle.append(process)
            self._free.release()
            return
        try:
            await asyncio.shield(process.kill())
        finally:
            self._free.release()


class PocketSphinxDecoder:
    """One connection's decoder; see `Decoder` for what its methods promise."""

    def __init__(
        self, recognizer: PocketSphinxRecognizer, process: _Process, sample_rate: int
    ) -> None:
        self._recognizer = recognizer
        self._process = process
        self._enough = round(INTERIM_SECONDS * sample_rate)  # samples that are worth a request
        self._held: list[NDArray[np.int16]] = []
        self._held_count = 0
        self._closed = False

    async def feed(self, pcm: NDArray[np.int16]) -> Sequence[RecognizedWord] | None:
        """Take samples; the open segment's words, or None where nothing changed."""
        self._held.append(pcm)
        self._held_count += len(pcm)
        if self._held_count < self._enough:
            return None
        return await self._send_held()

    async def finish_segment(self) -> Sequence[RecognizedWord]:
        """Close the open segment; its final words with their times."""
        if self._held_count:
            await self._send_held()
        return await self._process.ask(sphinx_worker.FINISH) or ()

    async def close(self) -> None:
        """Give the process back."""
        if not self._closed:
            self._closed = True
            await self._recognizer._give_back(self._process)

    async def _send_held(self) -> Sequence[RecognizedWord] | None:
        audio = b"".join(pcm.tobytes() for pcm in self._held)
        self._held.clear()
        self._held_count = 0
        return await self._process.ask(sphinx_worker.FEED, audio)


class _Process:
    """A worker and its pipe; a cancelled request leaves it unusable, as the answer still comes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._requests = process.stdin
        self._answers = process.stdout
        self._busy = False
        self.setup: Setup | None = None

    @classmethod
    async def start(cls) -> _Process:
        """A new worker, which imports what this process could import."""
        environment = {
            **{name: value for name, value in os.environ.items() if name != "POCKETSPHINX_PATH"},
            "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
        }
        command = (sys.executable, "-P", "-m", "pulse_plugins.local.recognizers.worker")
        return cls(
            await asyncio.create_subprocess_exec(
                *command,
                env=environment,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=1 << 22,
            )
        )

    @property
    def usable(self) -> bool:
        """Whether it runs and owes no answer."""
        return not self._busy and self._process.returncode is None

    async def open(self, setup: Setup) -> None:
        """Load what the setup names, or make the loaded decoder as new."""
        await self.ask(sphinx_worker.OPEN, json.dumps(setup).encode())
        self.setup = setup

    async def ask(self, what: bytes, body: bytes = b"") -> list[RecognizedWord] | None:
        """Send one request and wait for its answer.

        Raises:
            ServerError: The worker has ended.
        """
        if not self.usable:
            raise ServerError("the recognizer's process has ended", code="recognizer")
        self._busy = True
        try:
            self._requests.write(sphinx_worker.HEADER.pack(what, len(body)) + body)
            await self._requests.drain()
            (length,) = LENGTH.unpack(await self._answers.readexactly(LENGTH.size))
            answer = json.loads(await self._answers.readexactly(length))
        except (OSError, asyncio.IncompleteReadError):
            # `from None`: the partial answer in the exception holds words.
            raise ServerError("the recognizer's process has ended", code="recognizer") from None
        self._busy = False
        return None if answer is None else [RecognizedWord(*word) for word in answer]

    async def kill(self) -> None:
        """End it now and wait until it has."""
        with suppress(ProcessLookupError):
            self._process.kill()
        self._requests.close()
        await self._process.wait()
        with suppress(OSError):
            await self._requests.wait_closed()


def _readable(name: str, path: str | Path | None) -> str | None:
    if path is None:
        return None
    if Path(path).is_dir():
        raise ConfigurationError(f"{name}={str(path)!r} is a folder: name a file")
    if not Path(path).is_file():
        shipped = f"; the shipped models: {', '.join(models.names())}"
        raise ConfigurationError(
            f"{name}={str(path)!r}: no such file{shipped if name == 'language_model' else ''}"
        )
    return str(Path(path).resolve())
