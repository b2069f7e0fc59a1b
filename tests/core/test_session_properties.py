"""Whatever happens on the wire, in whatever order: every word once, in order, on the clock.

The model is a server whose recognition is a function of the bytes it got: each word is 200 ms of
samples that hold the word's number, so that nothing can be guessed. Hypothesis decides when audio
comes, when words are cut into finals, when finalize is asked and answered, and when connections
break. No socket, no clock.
"""

from __future__ import annotations

import json
import struct
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pulse_plugins.core.errors import ConnectionLostError, ServerError
from pulse_plugins.core.events import AudioLost, Final
from pulse_plugins.core.links import CloseLink, OpenLink
from pulse_plugins.core.options import PulseOptions
from pulse_plugins.core.session import Session, State
from pulse_plugins.core.transcripts import Transcripts

RATE = 8000
WORD = 0.2  # seconds
WORD_SAMPLES = int(RATE * WORD)


def spoken(number: int) -> bytes:
    """200 ms that say this number, loudly; number 0 is silence."""
    return struct.pack("<h", 8000 + number if number else 0) * WORD_SAMPLES


class Server:
    """One connection's other end: hears whole words and says them when told to."""

    def __init__(self, *, timed: bool, flags: bool) -> None:
        self.timed, self.flags = timed, flags
        self.heard = b""
        self.said = 0  # samples that are covered by finals
        self.finalizes: list[int] = []  # samples heard when each was asked, not yet answered
        self.closing = False

    def words(self, until: int | None = None) -> list[tuple[str, float, float]]:
        """The words that were heard whole since the last final, with connection times."""
        samples = struct.unpack(f"<{len(self.heard) // 2}h", self.heard)
        found, at = [], self.said
        end = len(samples) if until is None else until
        while at + WORD_SAMPLES <= end:
            value = samples[at]
            if value == 0:
                at += 1
                continue
            run = at
            while run < end and samples[run] == value and run - at < WORD_SAMPLES:
                run += 1
            if run - at == WORD_SAMPLES:
                found.append((f"w{value - 8000}", at / RATE, run / RATE))
            at = run
        return found

    def final(self, words: list[tuple[str, float, float]], **flags: bool) -> str:
        if words:
            self.said = round(words[-1][2] * RATE)
        message: dict[str, object] = {
            "session_id": "s",
            "transcript": " ".join(w for w, _, _ in words),
            "is_final": True,
            **flags,
        }
        if self.timed:
            message["words"] = [{"word": w, "start": a, "end": b} for w, a, b in words]
        return json.dumps(message)

    def interim(self) -> str:
        text = " ".join(w for w, _, _ in self.words())
        return json.dumps({"session_id": "s", "transcript": text, "is_final": False})


class Call(RuleBasedStateMachine):
    """A caller, a network and a server, in any order."""

    flags = True

    def __init__(self) -> None:
        super().__init__()
        options = PulseOptions(base_url="ws://127.0.0.1:1", sample_rate=RATE, packet_ms=50)
        self.session = Session(options, Random(0))
        self.now = 100.0
        self.opening: list[int] = []
        self.servers: dict[int, Server] = {}
        self.spoken: list[str] = []
        self.fed = 0
        self.asked = 0
        self.answered = 0
        self.finals: list[Final] = []
        self.lost = 0.0
        self.session.start(self.now)
        self.drain()

    # What the driver would do.

    def drain(self) -> None:
        for _ in range(10_000):
            for command in self.session.take_commands():
                match command:
                    case OpenLink(link=link):
                        self.opening.append(link)
                    case CloseLink(link=link):
                        self.servers.pop(link, None)
                        if link in self.opening:
                            self.opening.remove(link)
            moved = False
            for link, server in list(self.servers.items()):
                out = self.session.next_outgoing(link, self.now)
                if out is None:
                    continue
                moved = True
                if not isinstance(out, str):
                    server.heard += bytes(out)
                elif "finalize" in out:
                    server.finalizes.append(len(server.heard) // 2)
                elif "close" in out:
                    server.closing = True
            while (event := self.session.next_event()) is not None:
                match event:
                    case Final():
                        self.finals.append(event)
                        if event.finalize_id is not None:
                            assert event.finalize_id > self.answered, "answered twice"
                            self.answered = event.finalize_id
                    case AudioLost(duration=duration):
                        self.lost += duration
                    case _:
                        pass
            if not moved and not self.session._commands:
                return
        raise AssertionError("the session never comes to rest")

    def pass_time(self, seconds: float) -> None:
        until = self.now + seconds
        for _ in range(10_000):
            deadline = self.session.next_deadline()
            if deadline is None or deadline > until:
                break
            self.now = max(self.now, deadline)
            self.session.advance(self.now)
            self.drain()
        else:
            raise AssertionError("a deadline in the past is never served")
        self.now = until
        self.session.advance(self.now)
        self.drain()

    def connected_server(self) -> tuple[int, Server] | None:
        return next(iter(self.servers.items()), None)

    # The caller.

    @rule(words=st.integers(1, 4), pause=st.integers(0, 2))
    def speak(self, words: int, pause: int) -> None:
        for _ in range(words):
            number = len(self.spoken) + 1
            self.spoken.append(f"w{number}")
            self.feed(spoken(number))
        for _ in range(pause):
            self.feed(spoken(0))

    def feed(self, data: bytes) -> None:
        step = RATE * 2 // 50  # 20 ms frames
        for at in range(0, len(data), step):
            self.now += 0.02
            self.fed += len(data[at : at + step])
            self.session.audio(data[at : at + step], self.now)
            deadline = self.session.next_deadline()
            if deadline is not None and deadline <= self.now:
                self.session.advance(self.now)
            self.drain()

    @rule()
    def finalize(self) -> None:
        self.asked = self.session.finalize(self.now)
        self.drain()

    # The network.

    @precondition(lambda self: self.opening)
    @rule()
    def accept(self) -> None:
        link = self.opening.pop(0)
        self.servers[link] = Server(timed=True, flags=self.flags)
        self.session.connected(link, self.now)
        self.drain()

    @precondition(lambda self: self.opening)
    @rule()
    def refuse(self) -> None:
        link = self.opening.pop(0)
        error = ServerError("HTTP 503", code="http_503", status=503)
        self.session.disconnected(link, error, self.now)
        self.drain()

    @precondition(lambda self: self.servers)
    @rule(clean=st.booleans())
    def drop(self, clean: bool) -> None:
        link = next(iter(self.servers))
        del self.servers[link]
        self.session.disconnected(link, None if clean else ConnectionLostError("gone"), self.now)
        self.drain()

    @rule(seconds=st.sampled_from([0.01, 0.1, 0.5, 1.0]))
    def wait(self, seconds: float) -> None:
        self.pass_time(seconds)

    # The server.

    @precondition(lambda self: self.servers)
    @rule()
    def say_interim(self) -> None:
        link, server = next(iter(self.servers.items()))
        self.session.received(link, server.interim(), self.now)
        self.drain()

    @precondition(lambda self: self.servers)
    @rule(most=st.integers(1, 5), twice=st.booleans())
    def cut_final(self, most: int, twice: bool) -> None:
        link, server = next(iter(self.servers.items()))
        if server.finalizes:
            return  # it answers in order
        words = server.words()[:most]
        if words:
            message = server.final(words)
            self.session.received(link, message, self.now)
            if twice:
                self.session.received(link, message, self.now)
            self.drain()

    @precondition(lambda self: any(s.finalizes for s in self.servers.values()))
    @rule()
    def answer(self) -> None:
        link, server = next(iter(self.servers.items()))
        if server.finalizes:
            until = server.finalizes.pop(0)
            flag = {"from_finalize": True} if self.flags else {}
            self.session.received(link, server.final(server.words(until), **flag), self.now)
            self.drain()

    @precondition(lambda self: self.servers)
    @rule(
        data=st.sampled_from(
            ["{", "[]", "null", '{"type":"news"}', '{"transcript":5}', b"\x00", '{"words":null}']
        )
    )
    def say_garbage(self, data: str | bytes) -> None:
        self.session.received(next(iter(self.servers)), data, self.now)
        self.drain()

    # What must hold.

    @invariant()
    def every_byte_is_accounted_for(self) -> None:
        count = self.session.audio_count
        assert self.fed == count.held + count.settled + count.released + count.lost

    @invariant()
    def words_come_once_in_order_and_on_the_clock(self) -> None:
        said = [w for f in self.finals for w in f.text.split()]
        assert said == self.spoken[: len(said)]
        times = [w.start for f in self.finals for w in f.words]
        assert times == sorted(times)

    @invariant()
    def nothing_is_lost(self) -> None:
        assert self.lost == 0.0
        assert self.session.error is None

    def teardown(self) -> None:
        """Then the network is well again: the other words come, every request is answered."""
        for _ in range(200):
            self.pass_time(0.1)
            if self.session.state is State.DORMANT:
                self.feed(spoken(0))
            if self.opening:
                self.accept()
                continue
            found = self.connected_server()
            if found is None:
                continue
            server = found[1]
            if server.finalizes:
                self.answer()
            elif server.words():
                self.cut_final(5, False)
            elif len(self.words_said()) == len(self.spoken):
                break
        assert self.words_said() == self.spoken, [
            (f.text, f.promoted, f.finalize_id, f.start, f.end) for f in self.finals
        ]
        self.pass_time(3.0)
        self.session.end(self.now)
        self.drain()
        self.pass_time(10.0)
        assert self.session.state is State.CLOSED
        assert self.answered == self.asked
        assert self.words_said() == self.spoken
        super().teardown()

    def words_said(self) -> list[str]:
        return [w for f in self.finals for w in f.text.split()]


class CallWithoutFlags(Call):
    """The same on a server that does not mark its answers."""

    flags = False


PROFILE = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("machine", [Call, CallWithoutFlags])
def test_every_word_comes_once_in_order_whatever_happens(machine: type[Call]) -> None:
    run_state_machine_as_test(machine, settings=PROFILE)


def test_the_model_finds_a_seeded_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a replay that starts too early and no look at the clock, words are said twice."""
    monkeypatch.setattr(Transcripts, "_is_known", lambda self, word: False)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Call, settings=PROFILE)
