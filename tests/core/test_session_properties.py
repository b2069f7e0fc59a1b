"""Whatever happens on the wire, in whatever order: every word once, in order, on the clock.

Hypothesis decides when audio comes, when words are cut into finals, when finalize is asked and
answered, and when connections break. No socket, no clock.
"""

from __future__ import annotations

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
from pulse_plugins.core.session import State
from pulse_plugins.core.transcripts import Transcripts
from tests.support.call import Call

GARBAGE = ["{", "[]", "null", '{"type":"news"}', '{"transcript":5}', b"\x00", '{"words":null}']


class AnyCall(RuleBasedStateMachine):
    """A caller, a network and a server, in any order."""

    flags = True

    def __init__(self) -> None:
        super().__init__()
        self.call = Call(flags=self.flags)
        self.spoken: list[str] = []
        self.asked = 0

    # The caller.

    @rule(words=st.integers(1, 4), pause=st.integers(0, 2))
    def speak(self, words: int, pause: int) -> None:
        for _ in range(words):
            number = len(self.spoken) + 1
            self.spoken.append(f"w{number}")
            self.call.say(number)
        self.call.say(*[0] * pause)

    @rule()
    def finalize(self) -> None:
        self.asked = self.call.finalize()

    # The network.

    @precondition(lambda self: self.call.opening)
    @rule()
    def accept(self) -> None:
        self.call.connect()

    @precondition(lambda self: self.call.opening)
    @rule()
    def refuse(self) -> None:
        self.call.refuse(ServerError("HTTP 503", code="http_503", status=503))

    @precondition(lambda self: self.call.servers)
    @rule(clean=st.booleans())
    def drop(self, clean: bool) -> None:
        self.call.drop(None if clean else ConnectionLostError("gone"))

    @rule(seconds=st.sampled_from([0.01, 0.1, 0.5, 1.0]))
    def wait(self, seconds: float) -> None:
        self.call.pass_time(seconds)

    # The server.

    @precondition(lambda self: self.call.servers)
    @rule()
    def say_interim(self) -> None:
        self.call.hear(self.call.server.interim())

    @precondition(lambda self: self.call.servers)
    @rule(most=st.integers(1, 5), twice=st.booleans())
    def cut_final(self, most: int, twice: bool) -> None:
        server = self.call.server
        if server.finalizes:
            return  # it answers in order
        words = server.words()[:most]
        if words:
            message = server.final(words)
            self.call.hear(message)
            if twice and self.call.servers:
                self.call.hear(message)

    @precondition(lambda self: any(s.finalizes for s in self.call.servers.values()))
    @rule()
    def answer(self) -> None:
        self.call.hear(self.call.server.answer())

    @precondition(lambda self: self.call.servers)
    @rule(data=st.sampled_from(GARBAGE))
    def say_garbage(self, data: str | bytes) -> None:
        self.call.hear(data)

    # What must hold.

    @invariant()
    def every_byte_is_accounted_for(self) -> None:
        count = self.call.session.audio_count
        assert self.call.fed == count.held + count.settled + count.released + count.lost

    @invariant()
    def words_come_once_in_order_and_on_the_clock(self) -> None:
        said = self.call.words
        assert said == self.spoken[: len(said)]
        times = [word.start for final in self.call.finals for word in final.words]
        assert times == sorted(times)

    @invariant()
    def each_request_is_answered_once_in_order(self) -> None:
        assert self.call.answered == sorted(set(self.call.answered))

    @invariant()
    def nothing_is_lost(self) -> None:
        assert self.call.lost == 0.0
        assert self.call.session.error is None

    def teardown(self) -> None:
        """Then the network is well again: the other words come, every request is answered."""
        call = self.call
        for _ in range(200):
            call.pass_time(0.1)
            if call.session.state is State.DORMANT:
                call.say(0)
            if call.opening:
                call.connect()
            elif not call.servers:
                continue
            elif call.server.finalizes:
                call.hear(call.server.answer())
            elif call.server.words():
                call.hear(call.server.final())
            elif len(call.words) == len(self.spoken):
                break
        assert call.words == self.spoken
        call.pass_time(3.0)
        call.end()
        call.pass_time(10.0)
        assert call.session.state is State.CLOSED
        assert max(call.answered, default=0) == self.asked
        assert call.words == self.spoken
        super().teardown()


class AnyCallWithoutFlags(AnyCall):
    """The same on a server that does not mark its answers."""

    flags = False


PROFILE = settings(
    max_examples=150,
    stateful_step_count=50,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("machine", [AnyCall, AnyCallWithoutFlags])
def test_every_word_comes_once_in_order_whatever_happens(machine: type[AnyCall]) -> None:
    run_state_machine_as_test(machine, settings=PROFILE)


def test_the_model_finds_a_seeded_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a replay that starts too early and no look at the clock, words are said twice."""
    monkeypatch.setattr(Transcripts, "_is_known", lambda self, word: False)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(AnyCall, settings=PROFILE)
