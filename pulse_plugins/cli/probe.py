"""`doctor --probe`: asks a server the questions that the service's documents leave open.

Each answer stands beside what this project assumes, with the section of `docs/protocol.md` that
says why. The probe speaks the wire itself, on bare WebSockets: a client would hide the answers.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import numpy as np
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from pulse_plugins.cli.probe_call import PATIENCE, Call, Speech
from pulse_plugins.core.client.http import proxy_for
from pulse_plugins.core.client.trust import tls_context
from pulse_plugins.core.config.options import PulseOptions

_QUIET = 1.0  # seconds in which an answer that is not expected would have come


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer to one question.

    Attributes:
        question: What was asked.
        assumed: What this project assumes.
        found: What the server did.
        section: Where `docs/protocol.md` speaks of it.
    """

    question: str
    assumed: str
    found: str
    section: str

    @property
    def agrees(self) -> bool:
        """Whether the assumption holds."""
        return self.found.partition(":")[0] in self.assumed.split(" or ")


def _is_final(message: Mapping[str, Any]) -> bool:
    return bool(message.get("is_final"))


def _is_last(message: Mapping[str, Any]) -> bool:
    return bool(message.get("is_last"))


def _text(message: Mapping[str, Any] | None) -> str:
    found = message and (message.get("transcript") or message.get("transcription"))
    return found if isinstance(found, str) else ""


def _yes(value: object) -> str:
    return "yes" if value else "no"


@dataclass(slots=True)
class Probe:
    """Asks one endpoint of one server.

    Attributes:
        options: The server, the endpoint and the key.
        speech: The recording that is sent.
        findings: The answers so far.
        audio: Seconds of audio sent.
    """

    options: PulseOptions
    speech: Speech
    findings: list[Finding] = field(default_factory=list)
    audio: float = 0.0

    async def run(self) -> list[Finding]:
        """Ask all questions, one connection after the other."""
        groups: list[Callable[[], Awaitable[None]]] = [
            self._plain_call,
            self._call_with_itn,
            self._group_of_languages,
            self._silence,
            self._speech_events,
            self._refusals,
        ]
        for group in groups:
            try:
                await group()
            except (OSError, TimeoutError, InvalidHandshake, ConnectionClosed) as error:
                name = (group.__doc__ or "").rstrip(".")
                self._add(name, "answered", f"not answered: {type(error).__name__}", "5")
        return self.findings

    def _add(self, question: str, assumed: str, found: str, section: str) -> None:
        self.findings.append(Finding(question, assumed, found, section))

    def _by_endpoint(self, **values: str) -> str:
        """The value for this endpoint; `others` for those that are not named."""
        return values.get(self.options.dialect, values["others"])

    @asynccontextmanager
    async def _call(
        self, headers: dict[str, str] | None = None, **query: str
    ) -> AsyncIterator[Call]:
        options = self.options
        base = options.websocket_url().partition("?")[0]
        asked = {"language": "en", "sample_rate": str(self.speech.rate), **query}
        if options.dialect == "live":
            asked = {"model": "pulse", **asked}
        url = f"{base}?{urlencode(asked)}"
        socket = await connect(
            url,
            additional_headers=headers or options.request_headers(),
            compression=None,
            open_timeout=PATIENCE,
            proxy=proxy_for(url, options.proxy),
            ssl=await tls_context() if url.startswith("wss") else None,
        )
        call = Call(socket, self.speech.rate)
        try:
            yield call
        finally:
            self.audio += call.audio
            await call.stop()

    @property
    def _closing(self) -> str:
        kind: str = json.loads(self.options.row.close)["type"]
        return kind

    async def _plain_call(self) -> None:
        """A call of two turns."""
        knows_finalize = self.options.row.finalize is not None
        async with self._call() as call:
            await call.say(self.speech.turn)
            if knows_finalize:
                await self._finalizes(call)
            await self._keepalive(call)
            if knows_finalize:
                await self._cut_word(call)
            else:
                await call.say(self.speech.rest)
            await self._end(call)
            self._form(call)

    async def _finalizes(self, call: Call) -> None:
        since, began = len(call.messages), time.monotonic()
        await call.ask("finalize")
        answer = await call.until(_is_final, since)
        took = time.monotonic() - began
        self._add("a finalize is answered", "yes", _answered(answer, took), "4.1")
        marked = answer is not None and answer.get("from_finalize") is True
        assumed = self._by_endpoint(pulse="no", others="yes")
        self._add("answers are marked with from_finalize", assumed, _yes(marked), "4.3, N12")
        since = len(call.messages)
        await call.ask("finalize")
        empty = await call.until(_is_final, since)
        found = "no" if empty is None else "yes" if not _text(empty) else "with words"
        self._add("a finalize with nothing pending is answered", "yes", found, "4.1")

    async def _keepalive(self, call: Call) -> None:
        since = len(call.messages)
        await call.ask("keepalive")
        message = await call.until(lambda each: "transcript" not in each, since, _QUIET)
        found = "nothing" if message is None else str(message.get("type") or "error")[:20]
        assumed = self._by_endpoint(live="pong", direct="error", others="nothing")
        self._add("keepalive is answered with", assumed, found, "4.1")

    async def _cut_word(self, call: Call) -> None:
        """Finalize in the middle of a word."""
        speech, since = self.speech, len(call.messages)
        await call.say(speech.rest[: speech.cut])
        await call.ask("finalize")
        first = await call.until(_is_final, since)
        since = len(call.messages)
        await call.say(speech.rest[speech.cut :])
        await call.ask("finalize")
        second = await call.until(lambda each: _is_final(each) and bool(_text(each)), since)
        last, again = _words(first)[-1:], _words(second)[:1]
        found = "unknown" if not last or not again else _yes(last == again)
        question = "the word under way at a finalize is in both finals"
        self._add(question, "yes or no", found, "10, N1")

    async def _end(self, call: Call) -> None:
        since = len(call.messages)
        await call.ask(self._closing)
        last = await call.until(_is_last, since)
        self._add(f"{self._closing} is answered with is_last", "yes", _yes(last), "4.1")
        code = await call.closed()
        self._add("the server then closes with", "1000", str(code or "nothing"), "5")

    def _form(self, call: Call) -> None:
        """What the messages of the plain call looked like."""
        spoken = [each for each in call.messages if _is_final(each) and _text(each).strip()]
        if not spoken:
            self._add("speech is transcribed", "yes", "no", "4.2")
            return
        final = spoken[0]
        typed = all(name in final for name in ("type", "status"))
        assumed = self._by_endpoint(legacy="no", others="yes")
        self._add("messages have type and status", assumed, _yes(typed), "4.2, N3")
        self._add("and transcription", assumed, _yes("transcription" in final), "4.2, N3")
        assumed = self._by_endpoint(live="no", direct="no", others="yes")
        self._add("word times come unasked", assumed, _yes(final.get("words")), "2.3")
        self._add("finals name the language", "en", str(final.get("language"))[:20], "4.3")
        cumulative = _yes("full_transcript" in final)
        self._add("full_transcript comes unasked", "no", cumulative, "2.3, N12")
        self._add("finals end with a space", "yes", _yes(_text(final).endswith(" ")), "9.2")

    async def _call_with_itn(self) -> None:
        """A call with ITN on."""
        if self.options.row.finalize is None:
            return
        async with self._call(itn_normalize="true") as call:
            await call.say(self.speech.turn)
            since = len(call.messages)
            await call.ask("finalize")
            answer = await call.until(_is_final, since)
        marked = answer is not None and answer.get("from_finalize") is True
        self._add("with ITN: answers are marked", "yes", _yes(marked), "4.3")
        spoken = [each for each in call.messages if _is_final(each) and _text(each).strip()]
        spaced = bool(spoken) and _text(spoken[0]).endswith(" ")
        self._add("with ITN: finals end with a space", "no", _yes(spaced), "9.2")

    async def _group_of_languages(self) -> None:
        """A call with multi-eu."""
        async with self._call(language="multi-eu") as call:
            await call.say(self.speech.turn)
            await call.ask(self._closing)
            final = await call.until(lambda each: _is_final(each) and bool(_text(each)))
        found = "no final" if final is None else str(final.get("language"))[:20]
        self._add("with multi-eu: finals name the language", "en", found, "4.3, N11")
        assumed = self._by_endpoint(pulse="yes", others="no")
        there = final is not None and "full_transcript" in final
        self._add("with multi-eu: full_transcript comes unasked", assumed, _yes(there), "N12")

    async def _silence(self) -> None:
        """A call of silence."""
        async with self._call() as call:
            await call.say(np.zeros(self.speech.rate, np.int16))
            await call.ask(self._closing)
            last = await call.until(_is_last)
        found = "nothing" if last is None else "with words" if _text(last) else "an empty final"
        self._add("closing over silence is answered with", "an empty final", found, "5.5, N5")

    async def _speech_events(self) -> None:
        """A call with vad_events."""
        if "vad_events" not in self.options.row.parameters:
            return
        async with self._call(vad_events="true") as call:
            await call.say(self.speech.turn)
            await call.say(np.zeros(self.speech.rate, np.int16))
            await call.until(lambda each: each.get("type") == "speech_ended", patience=_QUIET)
        kinds = {each.get("type") for each in call.messages}
        both = {"speech_started", "speech_ended"} <= kinds
        self._add("vad_events tells where speech begins and ends", "yes", _yes(both), "4.4")

    async def _refusals(self) -> None:
        """Calls that are refused."""
        wrong = {"Authorization": "Bearer not-a-key"}
        found = await self._outcome(headers=wrong)
        self._add("a wrong key", "status 401", found, "5")
        if "eou_timeout_ms" in self.options.row.parameters:
            found = await self._outcome(eou_timeout_ms="0")
            self._add("eou_timeout_ms=0", "status 400 or closed", found, "2.2")
        found = await self._outcome(language="multi")
        self._add("language=multi", "status 400 or closed or an error", found, "N8")
        found = await self._outcome(keywords='["acme:2"]')
        self._add("keywords as a JSON list", "accepted", found, "2.3, N13")

    async def _outcome(self, headers: dict[str, str] | None = None, **query: str) -> str:
        """What becomes of a handshake."""
        try:
            async with self._call(headers, **query) as call:
                message = await call.until(lambda each: True, patience=_QUIET)
                if message is not None and "transcript" not in message:
                    code = message.get("error_code") or message.get("message") or ""
                    return f"an error: {code}"[:60]
                code = call.close_code
                return "accepted" if code is None else f"closed: {code}"
        except InvalidStatus as error:
            return f"status {error.response.status_code}"


def _answered(answer: Mapping[str, Any] | None, took: float) -> str:
    return "no" if answer is None else f"yes: after {took:.2f} s"


def _words(message: Mapping[str, Any] | None) -> list[str]:
    plain = "".join(each if each.isalnum() else " " for each in _text(message).lower())
    return plain.split()
