"""Section 9.1 of the protocol page and the limits of section 5: what the local server can be made
to do, because the service was seen doing it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from websockets.exceptions import ConnectionClosed

from pulse_plugins.local.recognizers.scripted import ScriptedRecognizer, silence, speak, spell
from pulse_plugins.local.server import PulseServer
from pulse_plugins.local.settings import ServerOptions
from pulse_plugins.local.wire.encodings import MULAW
from tests.local.client import CLOSE, DEADLINE, FINALIZE, PATHS, calling, finals, interims, spoken

BOOK = ScriptedRecognizer("book a table".split())


def server(*faults: str, **options: Any) -> PulseServer:
    return PulseServer(ServerOptions(**{"recognizer": BOOK, **options}), faults=faults)


@pytest.mark.parametrize(
    ("mode", "itn", "flag"),
    [
        pytest.param("always", False, True, id="4.3 from_finalize always"),
        pytest.param("itn", False, False, id="4.3 from_finalize with ITN only, off"),
        pytest.param("itn", True, True, id="4.3 from_finalize with ITN only, on"),
        pytest.param("never", True, False, id="4.3 from_finalize never"),
    ],
)
async def test_9_1_the_flag_of_an_answer(mode: str, itn: bool, flag: bool) -> None:
    async with server(from_finalize=mode) as running, calling(running, itn_normalize=itn) as client:
        await client.say(speak([0]))
        await client.send(FINALIZE)
        final = await client.until_final()
    assert (final["from_finalize"], final["is_last"]) == (flag, False)


async def quirky(quirk: str, finalize: bool = True) -> list[dict[str, Any]]:
    """Everything said on a call of one word and one finalize."""
    async with server(quirks=frozenset({quirk})) as running, calling(running) as client:
        await client.say(speak([0]))
        if finalize:
            await client.send(FINALIZE)
        return await client.finish()


async def test_9_1_an_empty_partial_at_the_start() -> None:
    messages = await quirky("empty_first_interim")
    assert (messages[0]["is_final"], messages[0]["transcript"]) == (False, "")
    assert interims(messages)[1]["transcript"] == "book"


async def test_9_1_a_final_of_punctuation_alone() -> None:
    texts = [each["transcript"] for each in finals(await quirky("punctuation_final"))]
    assert texts == ["Book. ", ".", ""]


async def test_9_1_another_language_on_a_pinned_session() -> None:
    assert finals(await quirky("wrong_language"))[0]["language"] == "da"


async def test_9_1_a_full_transcript_unasked() -> None:
    async with server(full_transcript="always") as running, calling(running) as client:
        await client.say(speak([0]))
        assert finals(await client.finish())[0]["full_transcript"] == "Book."


async def test_5_3_a_duplicate_final_from_a_race() -> None:
    messages = finals(await quirky("twice"))
    assert [(m["transcript"], m["from_finalize"]) for m in messages] == [
        ("Book. ", True),
        ("Book. ", False),
        ("", False),
    ]


async def test_9_1_finals_without_the_separator_space() -> None:
    async with server(trailing_space=False) as running, calling(running) as client:
        await client.say(speak([0]))
        assert finals(await client.finish())[0]["transcript"] == "Book."


async def test_9_1_a_finalize_with_nothing_pending_may_be_left_unanswered() -> None:
    async with server(answer_empty=False) as running, calling(running) as client:
        await client.send(FINALIZE)
        assert len(await client.finish()) == 1


@pytest.mark.parametrize(
    ("habit", "speech", "last"),
    [
        pytest.param("always", False, True, id="9.1 is_last after silence"),
        pytest.param("after_speech", False, False, id="5.5 no is_last after silence"),
        pytest.param("after_speech", True, True, id="5.5 is_last after speech"),
        pytest.param("never", True, False, id="5.5 never is_last"),
    ],
)
async def test_9_1_the_ending(habit: str, speech: bool, last: bool) -> None:
    async with (
        server(is_last=habit, idle_timeout=1.0) as running,
        calling(running) as client,
    ):
        await client.say(speak([0]) if speech else silence(0.2))
        messages = await client.finish()
        assert any(each["is_last"] for each in messages) is last
        assert client.close_code == 1000  # of the idle timer, where nothing was answered


CLOSES = [
    pytest.param("close=1006@word=1", 1006, id="9.1 close 1006"),
    pytest.param("close=1008@word=1", 1008, id="9.1 close 1008"),
    pytest.param("close=1011@word=1", 1011, id="9.1 close 1011"),
    pytest.param("drop@word=1", 1006, id="9.1 drop"),
    pytest.param("close=1000", 1000, id="9.1 close without a frame"),
]


@pytest.mark.parametrize(("fault", "code"), CLOSES)
async def test_9_1_a_connection_can_be_closed_on_purpose(fault: str, code: int) -> None:
    async with server(fault) as running:
        async with calling(running) as client:
            with suppress(ConnectionClosed):
                await client.say(speak(range(3)))
            messages = await client.rest()
            assert client.close_code == code
            assert finals(messages) == []
        async with calling(running) as client:  # once
            await client.say(speak(range(3)))
            assert spoken(await client.finish()) == ["book", "a", "table"]


@pytest.mark.parametrize("dialect", PATHS)
async def test_4_5_an_error_has_the_shape_of_its_endpoint(dialect: str) -> None:
    async with server("error=1011") as running, calling(running, dialect, language="en") as client:
        (error,) = await client.rest()
        assert client.close_code == 1011
    if dialect == "direct":
        assert set(error) == {"error"}
    else:
        assert (error["type"], error["status"]) == ("error", "error")
        assert error["message"]


@pytest.mark.parametrize("moment", ["", "@audio=0.1", "@finalize=1"])
async def test_4_5_messages_that_are_none_and_then_the_call_goes_on(moment: str) -> None:
    async with server(f"garbage{moment}") as running, calling(running) as client:
        await client.say(speak(range(3)))
        await client.send(FINALIZE)
        await client.send(CLOSE)
        frames: list[str | bytes] = []
        with suppress(ConnectionClosed):
            async with asyncio.timeout(DEADLINE):
                while True:
                    frames.append(await client.socket.recv())
    assert any(isinstance(frame, bytes) for frame in frames)
    assert any("book a table" in str(frame).lower() for frame in frames)
    assert '"is_last":true' in str(frames[-1])


async def test_5_neither_audio_nor_keepalive_ends_with_a_close() -> None:
    async with server(idle_timeout=0.2) as running, calling(running) as client:
        assert await client.rest() == []
        assert client.close_code == 1000


async def test_9_1_a_closing_handshake_that_hangs() -> None:
    async with server("blackhole@closing=1") as running, calling(running) as client:
        await client.say(speak([0]))
        await client.send(CLOSE)
        await running.wait_for(lambda s: bool(s.connections[0].faults))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.until_final(), 0.3)
        client.socket.transport.abort()


async def test_9_1_an_answer_that_is_late_keeps_its_place() -> None:
    async with server("late_final=0.2@finalize=1") as running, calling(running) as client:
        await client.say(speak([0]))
        await client.send(FINALIZE)
        await client.say(speak([1]))
        messages = await client.finish()
    assert [each["transcript"].strip().lower() for each in messages] == ["book", "book.", "a", "a."]


# Audio: section 3.


@pytest.mark.parametrize(
    "packet", [2, 640, 3200, 4096, 8192, 100_000], ids=lambda size: f"3 packets of {size} bytes"
)
async def test_3_audio_may_come_in_any_portions_and_unpaced(packet: int) -> None:
    numbers = range(6 if packet < 100 else 40)
    async with server(recognizer="scripted") as running, calling(running) as client:
        await client.say(speak(numbers), packet)
        assert spoken(await client.finish()) == [spell(n) for n in numbers]


async def test_3_a_sample_may_be_cut_in_two() -> None:
    async with server() as running, calling(running) as client:
        await client.say(speak(range(3)).astype("<i2").tobytes(), 641)
        assert spoken(await client.finish()) == ["book", "a", "table"]


def telephone(pcm: NDArray[np.int16]) -> bytes:
    """The nearest code of the standard's table for each sample."""
    codes = np.abs(MULAW[None, :].astype(np.int32) - pcm[:, None].astype(np.int32)).argmin(axis=1)
    return bytes(codes.tolist())


@pytest.mark.parametrize(
    ("encoding", "rate"),
    [
        *(pytest.param("linear16", rate, id=f"3 linear16 {rate}")
          for rate in (8000, 16000, 22050, 24000, 44100, 48000)),
        pytest.param("linear32", 16000, id="3 linear32"),
        pytest.param("mulaw", 8000, id="3 mulaw"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("dialect", ["live", "legacy"])
async def test_3_every_format_is_understood(dialect: str, encoding: str, rate: int) -> None:
    pcm = speak(range(3), rate)
    data = {
        "linear16": lambda: pcm.astype("<i2").tobytes(),
        "linear32": lambda: (pcm.astype("<i4") << 16).tobytes(),
        "mulaw": lambda: telephone(pcm),
    }[encoding]()
    asked = {"encoding": encoding, "sample_rate": str(rate), "language": "en"}
    async with server() as running, calling(running, dialect, **asked) as client:
        await client.say(data)
        closing = "end" if dialect == "legacy" else "close_stream"
        assert spoken(await client.finish(closing)) == ["book", "a", "table"]


async def test_3_a_wrong_rate_is_not_mended() -> None:
    async with server() as running, calling(running, sample_rate=8000) as client:
        await client.say(speak(range(3), 16_000))
        assert spoken(await client.finish()) == []
