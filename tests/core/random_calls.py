"""Calls in which anything happens in any order: the caller, the network and the server.

Each class is a state machine of Hypothesis, which decides when audio comes, when words are cut into
finals, when finalize is asked (in the middle of a word, too) and answered, and when connections
break. What must hold is checked after each step. No socket, no clock.
"""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from pulse_plugins.core.base.errors import ConnectionLostError, ServerError
from pulse_plugins.core.session.state import TRANSITIONS, State
from tests.support.attentive import AttentiveCall
from tests.support.call import Call
from tests.support.hearing import RATE, Hearing, spoken
from tests.support.misbehaving import Habits, Misbehaving

GARBAGE = ["{", "[]", "null", '{"type":"news"}', '{"transcript":5}', b"\x00", '{"words":null}']


class AnyCall(RuleBasedStateMachine):
    """A caller, a network and a server, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.call = self.pick_up()
        self.spoken: list[str] = []
        self.begun = b""  # the rest of a word that is being said
        self.state = self.call.session.state
        self.asked = 0

    def pick_up(self) -> Call:
        return Call()

    # The caller.

    @rule(words=st.integers(1, 4), pause=st.integers(0, 2))
    def speak(self, words: int, pause: int) -> None:
        self.say_the_rest()
        for _ in range(words):
            self.call.feed(self.next_word())
        self.call.say(*[0] * pause)

    @rule(milliseconds=st.integers(0, 200), ask=st.booleans())
    def begin_a_word(self, milliseconds: int, ask: bool) -> None:
        """What comes next comes in the middle of it, or right at its start."""
        self.say_the_rest()
        word = self.next_word()
        cut = milliseconds * RATE // 1000 * 2
        self.call.feed(word[:cut])
        self.begun = word[cut:]
        if ask:
            self.finalize()

    @precondition(lambda self: self.begun)
    @rule()
    def say_the_rest(self) -> None:
        rest, self.begun = self.begun, b""
        self.call.feed(rest)

    def next_word(self) -> bytes:
        number = len(self.spoken) + 1
        self.spoken.append(f"w{number}")
        return spoken(number, self.call.loud)

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
    def the_stream_takes_no_step_that_is_not_drawn(self) -> None:
        state = self.call.session.state
        if state is not self.state:
            assert (self.state, state) in TRANSITIONS
            self.state = state

    @invariant()
    def every_byte_is_accounted_for(self) -> None:
        call = self.call
        count = call.session.buffer.count
        waiting = round(call.packetizer.held_seconds * call.session.buffer.bytes_per_second)
        placed = count.held + count.acked + count.released + count.lost
        assert call.fed == placed + waiting

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

    def say_all(self) -> None:
        """The server says what it has to say."""
        server = self.call.server
        self.call.hear(server.answer() if server.finalizes else server.final())

    def teardown(self) -> None:
        """Then the network is well again: the other words come, every request is answered."""
        call = self.call
        self.say_the_rest()
        call.say(0)  # the line stays open: packets fill
        for _ in range(200):
            call.pass_time(0.1)
            if call.session.state is State.DORMANT:
                call.say(0)
            if call.opening:
                call.connect()
            elif not call.servers:
                continue
            elif call.server.finalizes or call.server.words():
                self.say_all()
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

    def pick_up(self) -> Call:
        return Call(flags=False)


class AnyCallWithoutWordTimes(AnyCall):
    """The same where finals have no word times: interims alone tell when words were heard."""

    def pick_up(self) -> Call:
        return AttentiveCall(timed=False)

    @precondition(lambda self: self.call.servers and not self.call.server.finalizes)
    @rule()
    def cut_final(self) -> None:
        """Whole and once: without times nobody could tell a second one from a repetition."""
        if self.call.server.words():
            self.call.hear(self.call.server.final())


class AnyQuietCall(AnyCall):
    """The same where words are nearly as quiet as the pauses: loudness is no evidence.

    The call begins with a pause. Without any pause in two seconds, such words would be the noise of
    the line.
    """

    def pick_up(self) -> Call:
        call = Call(loud=30)
        call.say(0, 0)
        return call


class AnyHangUp(AnyCall):
    """The caller hangs up whatever is outstanding, and connections go on to break."""

    def pick_up(self) -> Call:
        return AttentiveCall()

    @initialize(drops=st.sets(st.integers(0, 25), max_size=3))
    def plan(self, drops: set[int]) -> None:
        self.drops = drops

    def teardown(self) -> None:
        call = self.call
        self.say_the_rest()
        call.end()
        for step in range(600):
            call.pass_time(0.05)
            if call.session.state is State.CLOSED:
                break
            if call.opening:
                call.connect()
            elif call.servers and step in self.drops:
                call.drop()
            elif call.servers and call.server.closing and not call.server.finalizes:
                call.hear(call.server.final(is_last=True))
        assert call.session.state is State.CLOSED
        assert max(call.answered, default=0) == self.asked
        assert call.words == self.spoken


class SwitchingCall(AttentiveCall):
    """The server that is spoken of is the one that listens, not the one that stands by."""

    @property
    def link(self) -> int:
        listening = self.session._connections.current
        if listening is not None and listening.id in self.servers:
            return listening.id
        return super().link


class AnyChange(AnyCall):
    """Options change on the way, and either connection may break while they do."""

    def pick_up(self) -> Call:
        return SwitchingCall()

    @rule(boost=st.sampled_from([1.0, 2.0, 3.0]))
    def change(self, boost: float) -> None:
        call = self.call
        changed = replace(call.session.options, keywords=[("word", boost)])
        call.session.update(changed, call.now)
        call.settle()

    @precondition(lambda self: len(self.call.servers) > 1)
    @rule()
    def drop_the_one_that_stands_by(self) -> None:
        call = self.call
        link = next(link for link in reversed(call.servers) if link != call.link)
        del call.servers[link]
        call.session.disconnected(link, ConnectionLostError("gone"), call.now)
        call.settle()


class MisbehavingCall(Call):
    """Its servers have habits of real ones."""

    def __init__(self, habits: Habits) -> None:
        self.habits = habits
        super().__init__()

    def make_server(self) -> Hearing:
        return Misbehaving(self.habits, self.loud)


class AnyHabit(AnyCall):
    """The servers repeat finals, round times, double words, overtake interims and report errors."""

    @initialize(
        marks=st.booleans(),
        answers_empty=st.booleans(),
        rounds=st.booleans(),
        doubles=st.sampled_from([None, 0.0, 0.1, 0.17]),
        repeats=st.booleans(),
    )
    def choose_habits(
        self,
        marks: bool,
        answers_empty: bool,
        rounds: bool,
        doubles: float | None,
        repeats: bool,
    ) -> None:
        self.call = MisbehavingCall(Habits(marks, answers_empty, rounds, doubles, repeats))
        self.stale = ""

    @property
    def server(self) -> Misbehaving:
        server = self.call.server
        assert isinstance(server, Misbehaving)
        return server

    def hear(self, messages: list[str]) -> None:
        for message in messages:
            if self.call.servers:
                self.call.hear(message)

    @precondition(lambda self: self.call.servers)
    @rule(most=st.integers(1, 5), overtaken=st.booleans())
    def cut_final(self, most: int, overtaken: bool) -> None:
        if self.server.finalizes or not self.server.words():
            return  # it answers in order
        stale = self.server.interim()
        self.hear(self.server.cuts(most))
        if overtaken:
            self.hear([stale])

    @precondition(lambda self: any(s.finalizes for s in self.call.servers.values()))
    @rule()
    def answer(self) -> None:
        if self.server.finalizes:
            self.hear(self.server.answers())

    @precondition(lambda self: self.call.servers)
    @rule()
    def report_an_error_and_go_on(self) -> None:
        self.hear(['{"status":"error","message":"decoder timed out"}'])

    def say_all(self) -> None:
        """The other words come, from whichever connection there is."""
        if self.server.finalizes:
            self.hear(self.server.answers())
        elif self.server.words():
            self.hear(self.server.cuts(100))
