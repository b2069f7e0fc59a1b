"""Each fault from its compact form to what a bare websocket client meets."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.local.faults import Fault, Kind, Schedule, Trigger, parse
from pulse_plugins.local.recognizers.scripted import ScriptedRecognizer, speak, spell
from pulse_plugins.local.server import PulseServer
from pulse_plugins.local.settings import ServerOptions
from tests.local.client import CLOSE, DEADLINE, FINALIZE, calling, finals, interims, spoken


def server(*faults: Fault | str, control: bool = False) -> PulseServer:
    options = ServerOptions(recognizer=ScriptedRecognizer(), control=control)
    return PulseServer(options, faults=faults)


def words(*numbers: int) -> list[str]:
    return [spell(number) for number in numbers]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("drop", Fault(Kind.DROP)),
        ("drop@audio=3.2", Fault(Kind.DROP, audio=3.2)),
        ("close=1008@word=7", Fault(Kind.CLOSE, 1008, word=7)),
        ("refuse@connection=2", Fault(Kind.REFUSE, 503, connection=2)),
        ("late-final=2@finalize=3,connection=1", Fault(Kind.LATE_FINAL, 2, None, None, 3, None, 1)),
        (" garbage@word=1, times=0 ", Fault(Kind.GARBAGE, word=1, times=0)),
        ("blackhole@closing=1", Fault(Kind.BLACKHOLE, closing=1)),
    ],
)
def test_the_compact_form_and_back(text: str, fault: Fault) -> None:
    assert parse(text) == fault
    assert parse(str(fault)) == fault


@pytest.mark.parametrize(
    "text",
    ["", "explode", "drop=3", "close=42", "close=1.2.3", "drop@", "drop@moon=1", "drop@word=x",
     "drop@word=0", "drop@audio=1,word=2", "refuse@audio=1", "refuse=200", "drop@times=-1"],
)  # fmt: skip
def test_what_is_no_fault_is_refused_with_advice(text: str) -> None:
    with pytest.raises(ConfigurationError, match="fault"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("drop@audio=-1", "fault drop: audio and times are 0 or more"),
        ("drop@audio=1-0", "fault 'drop@audio=1-0': audio needs a number, such as audio=3"),
        ("drop@audio=soon", "fault 'drop@audio=soon': audio needs a number, such as audio=3"),
        ("drop@word=2.5", "fault 'drop@word=2.5': word needs a whole number, such as word=3"),
    ],
)
def test_the_refusal_of_a_number_says_which_number_to_write(text: str, advice: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(text)
    assert str(caught.value) == advice


@given(
    kind=st.sampled_from([kind for kind in Kind if kind is not Kind.REFUSE]),
    word=st.integers(1, 10**6),
    connection=st.none() | st.integers(1, 99),
    times=st.integers(0, 9),
)
def test_every_fault_survives_its_compact_form(
    kind: Kind, word: int, connection: int | None, times: int
) -> None:
    fault = Fault(kind, word=word, connection=connection, times=times)
    assert parse(str(fault)) == fault


def test_a_schedule_gives_each_fault_as_often_as_asked() -> None:
    schedule = Schedule(["drop@word=2", "stall@audio=1,times=2", "garbage@connection=9"])
    first, second, third = Trigger(1), Trigger(2), Trigger(3)
    assert schedule.due(first) is None
    assert schedule.limit(first) == 1.0
    first.words = 2
    first.audio = 1.0
    kinds = [schedule.due(first), schedule.due(first), schedule.due(first)]
    assert [fault and fault.kind for fault in kinds] == [Kind.DROP, Kind.STALL, None]
    for trigger, expected in ((second, True), (third, False)):
        trigger.audio, trigger.words = 1.5, 5
        assert (schedule.due(trigger) is not None) is expected
    assert [str(fault) for fault in schedule.armed] == ["garbage@connection=9"]
    assert len(schedule.happened) == 3


async def test_a_drop_comes_at_its_sample_without_a_close_frame() -> None:
    async with server("drop@audio=0.6") as running:
        async with calling(running, vad_events=True) as client:
            await client.say(speak(range(10)))
            messages = await client.rest()
            assert client.close_code == 1006
        assert [each["transcript"] for each in interims(messages)] in (
            [], [spell(0)], [spell(0), f"{spell(0)} {spell(1)}"],
        )  # fmt: skip
        await running.wait_for(lambda s: s.connections[0].closed)
        record = running.connections[0]
        assert record.audio_seconds == pytest.approx(0.6, abs=1e-4)
        assert (record.close_code, record.faults) == (1006, ["drop@audio=0.6"])
        # The next connection is left alone.
        async with calling(running) as client:
            await client.say(speak(range(4)))
            assert spoken(await client.finish()) == words(0, 1, 2, 3)


async def test_a_drop_at_a_word_loses_that_words_message() -> None:
    async with server("drop@word=3") as running, calling(running) as client:
        await client.say(speak(range(2)))
        await client.next()
        await client.next()
        await client.say(speak([2]))
        messages = await client.rest()
    assert interims(messages)[-1]["transcript"] == " ".join(words(0, 1))
    assert client.close_code == 1006


async def test_a_drop_on_finalize_comes_before_the_answer() -> None:
    async with server("drop@finalize=2") as running, calling(running) as client:
        await client.say(speak([0]))
        await client.send(FINALIZE)
        await client.until_final()
        await client.say(speak([1]))
        await client.next()
        await client.send(FINALIZE)
        assert len(finals(await client.rest())) == 1
    assert client.close_code == 1006


async def test_a_drop_on_the_closing_word() -> None:
    async with server("drop@closing=1") as running, calling(running) as client:
        await client.say(speak([0]))
        assert finals(await client.finish()) == []
    assert client.close_code == 1006


async def test_faults_for_all_connections_and_for_the_nth() -> None:
    async with server("drop@audio=0.3,times=0", "close=1012@connection=2") as running:
        for code in (1006, 1012, 1006):
            async with calling(running) as client:
                with suppress(ConnectionClosed):
                    await client.say(speak(range(3)))
                await client.rest()
                assert client.close_code == code


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1011, 1013, 4000])
async def test_a_close_sends_what_was_ready_and_the_code(code: int) -> None:
    async with server(f"close={code}@word=2") as running, calling(running) as client:
        await client.say(speak(range(2)))
        messages = await client.rest()
        assert client.close_code == code
    assert interims(messages)[-1]["transcript"] == " ".join(words(0, 1))


async def test_the_nth_handshake_is_refused() -> None:
    async with server("refuse=429@connection=2", "refuse=402@connection=3") as running:
        async with calling(running) as client:
            await client.finish()
        for status in (429, 402):
            with pytest.raises(InvalidStatus) as caught:
                async with calling(running):
                    pass
            assert caught.value.response.status_code == status
        async with calling(running) as client:
            await client.finish()


async def test_an_error_is_said_before_the_close() -> None:
    async with server("error=1011@audio=0.5") as running, calling(running) as client:
        await client.say(speak(range(3)))
        messages = await client.rest()
        assert messages[-1]["type"] == "error"
        assert client.close_code == 1011
    async with server("error") as running, calling(running, "direct") as client:
        assert set((await client.rest())[-1]) == {"error"}


async def test_garbage_comes_between_good_messages() -> None:
    async with server("garbage@word=2") as running:
        url = f"{running.url}/waves/v1/stt/live?model=pulse&language=en"
        headers = {"Authorization": "Bearer k"}
        async with connect(url, additional_headers=headers, proxy=None) as socket:
            await socket.send(speak(range(3)).tobytes())
            await socket.send(json.dumps(CLOSE))
            async with asyncio.timeout(DEADLINE):
                raw = [message async for message in socket]
    assert any(isinstance(message, bytes) for message in raw)
    assert any(message == "null" for message in raw)
    last = json.loads(raw[-1])
    assert (last["is_last"], len(last["transcript"].split())) == (True, 3)


async def test_a_stall_stops_both_ways_and_then_all_comes() -> None:
    async with server("stall=0.4@word=1") as running, calling(running) as client:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await client.say(speak(range(3)))
        await client.next()
        assert loop.time() - began >= 0.39
        assert spoken(await client.finish()) == words(0, 1, 2)


async def test_a_server_that_stops_does_not_wait_for_the_end_of_a_stall() -> None:
    running = server("stall=60@audio=0.1")
    await running.start()
    async with calling(running) as client:
        await client.say(speak(range(3)))
        await running.wait_for(lambda s: bool(s.faults.happened))
        async with asyncio.timeout(2):
            await running.aclose()
        await client.rest()
        assert client.close_code == 1001
    assert running.connections[0].closed
    assert not [t for t in asyncio.all_tasks() if t.get_name().startswith("pulse-local")]


async def test_a_client_that_leaves_during_a_stall_is_gone_at_once() -> None:
    async with server("stall=60@audio=0.1") as running:
        async with calling(running) as client:
            await client.say(speak(range(1)))
            await running.wait_for(lambda s: bool(s.faults.happened))
            await client.say(speak(range(1)), packet=7680)  # the reader takes one more
            await client.socket.send(b"")  # and then waits
            client.socket.transport.abort()
        await running.wait_for(lambda s: s.connections[0].closed, timeout=5)
        assert running.connections[0].close_code == 1006


async def test_a_stall_that_outlasts_the_idle_timeout_is_no_silence_of_the_client() -> None:
    options = ServerOptions(recognizer=ScriptedRecognizer(), idle_timeout=0.3)
    async with (
        PulseServer(options, faults=["stall=0.6@word=1"]) as running,
        calling(running) as client,
    ):
        await client.say(speak(range(1)))
        await client.next()  # comes when the stall is over
        await client.say(speak(range(1, 3)))
        assert spoken(await client.finish()) == words(0, 1, 2)


async def test_a_black_hole_reads_and_never_answers() -> None:
    async with server("blackhole@word=2") as running, calling(running) as client:
        await client.say(speak(range(1)))
        await client.next()
        await client.say(speak(range(5)))
        await running.wait_for(lambda s: s.connections[0].bytes_received == 6 * 7680)
        await client.send(FINALIZE)
        pong = asyncio.ensure_future(await client.socket.ping())
        await running.wait_for(lambda s: s.connections[0].count("finalize") == 1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await client.socket.recv()
        assert not pong.done()
        client.socket.transport.abort()
        await running.wait_for(lambda s: s.connections[0].closed)
        with pytest.raises(ConnectionClosed):
            await pong


async def test_a_late_final_comes_late_and_nothing_overtakes_it() -> None:
    async with server("late_final=0.4@finalize=2") as running, calling(running) as client:
        loop = asyncio.get_running_loop()
        for number in (0, 1):
            await client.say(speak([number]))
            await client.next()
            began = loop.time()
            await client.send(FINALIZE)
            await client.say(speak([2]))
            await client.until_final()
        assert loop.time() - began >= 0.39
        finished = await client.finish()
    # What was said behind each finalize is heard behind its answer.
    assert spoken(finished) == words(0, 2, 1, 2)
    assert [each["is_final"] for each in finished[-4:]] == [False, True, False, True]


async def test_faults_and_stats_over_the_control_endpoint() -> None:
    async with server(control=True) as running, aiohttp.ClientSession() as session:
        url = running.http_url + "/_control/"
        async with session.post(url + "faults", data="drop@word=1\nclose=1011@word=2\n") as reply:
            assert (await reply.json())["armed"] == ["drop@word=1", "close=1011@word=2"]
        async with session.post(url + "faults", data="explode") as reply:
            assert reply.status == 400
        async with calling(running, key="the-key") as client:
            await client.say(speak([0]))
            await client.rest()
            assert client.close_code == 1006
        await running.wait_for(lambda s: s.connections[0].closed)
        async with session.get(url + "stats") as reply:
            stats = await reply.text()
        assert json.loads(stats)["happened"] == ["drop@word=1"]
        assert json.loads(stats)["connections"][0]["close_code"] == 1006
        assert "the-key" not in stats
        async with session.delete(url + "faults") as reply:
            assert (await reply.json())["armed"] == []
        assert running.faults.armed == []


@pytest.mark.parametrize(
    ("body", "kind"),
    [(b"\x80", "text/plain"), (b"drop", "text/plain; charset=x"), (b"[" * 100_000, "text/plain")],
)
async def test_faults_that_cannot_be_read_are_refused(body: bytes, kind: str) -> None:
    async with server(control=True) as running, aiohttp.ClientSession() as session:
        url = running.http_url + "/_control/faults"
        async with session.post(url, data=body, headers={"Content-Type": kind}) as reply:
            assert reply.status == 400
        assert running.faults.armed == []


async def test_without_leave_there_is_no_control_endpoint() -> None:
    async with (
        server() as running,
        aiohttp.ClientSession() as session,
        session.get(running.http_url + "/_control/stats") as reply,
    ):
        assert reply.status == 404
