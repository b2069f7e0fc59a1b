"""The driver over a real socket."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from pulse_plugins.core.audio.formats import AudioFormat
from pulse_plugins.core.base.errors import (
    AuthenticationError,
    ConfigurationError,
    PulseError,
    StreamClosedError,
)
from pulse_plugins.core.base.events import AudioLost, Event, Final
from pulse_plugins.core.client.stream import PulseStream
from pulse_plugins.core.client.websocket import WebSocket
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.config.timing import Limits, Timeouts
from pulse_plugins.local import PulseServer, ServerOptions
from pulse_plugins.local.recognizers.scripted import speak


async def nothing(socket: ServerConnection) -> None:
    """Take what comes, and never answer."""
    async for _ in socket:
        pass


async def read(stream: PulseStream) -> list[Event]:
    async with asyncio.timeout(10):
        return [event async for event in stream]


def tasks_of(stream: PulseStream) -> list[str]:
    names = (task.get_name() for task in asyncio.all_tasks())
    return [name for name in names if name.startswith(stream.name)]


async def test_a_wrong_key_ends_after_one_handshake() -> None:
    async with PulseServer(ServerOptions(recognizer="scripted", api_key="right")) as server:
        stream = PulseStream(PulseOptions(api_key="wrong", base_url=server.url))
        stream.start()
        with pytest.raises(AuthenticationError) as refused:
            await read(stream)
        await stream.wait_closed()
        assert stream.closed
        assert "wrong" not in str(refused.value).replace("missing or wrong", "")
        assert len(server.connections) == 1


async def fails(options: PulseOptions) -> PulseError:
    stream = PulseStream(options)
    stream.start()
    with pytest.raises(PulseError) as failed:
        await read(stream)
    await stream.wait_closed()
    assert tasks_of(stream) == []
    return failed.value


async def test_a_redirect_to_nowhere_is_an_error_and_no_silence() -> None:
    def elsewhere(socket: ServerConnection, _request: Request) -> Response:
        response = socket.respond(HTTPStatus.FOUND, "")
        response.headers["Location"] = "https://127.0.0.1:99999/"
        return response

    async with serve(nothing, "127.0.0.1", 0, process_request=elsewhere) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        error = await fails(PulseOptions(base_url=f"ws://127.0.0.1:{port}"))
    assert not error.retryable
    assert "99999" not in str(error)


@pytest.mark.parametrize("proxy", ["garbage", "socks5://127.0.0.1:1"])
async def test_a_proxy_that_cannot_be_used_is_an_error_and_no_silence(proxy: str) -> None:
    error = await fails(PulseOptions(base_url="ws://127.0.0.1:1", proxy=proxy))
    assert isinstance(error, ConfigurationError)
    assert "proxy" in str(error)


async def test_a_refusal_with_a_body_that_is_too_deep_to_read_is_a_refusal() -> None:
    def refuse(socket: ServerConnection, _request: Request) -> Response:
        return socket.respond(HTTPStatus.UNAUTHORIZED, "[" * 100_000)

    async with serve(nothing, "127.0.0.1", 0, process_request=refuse) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        error = await fails(PulseOptions(base_url=f"ws://127.0.0.1:{port}"))
    assert isinstance(error, AuthenticationError)


async def test_who_stops_waiting_for_the_end_leaves_nothing_behind() -> None:
    heard = asyncio.Event()

    async def mute(socket: ServerConnection) -> None:
        async for _ in socket:
            heard.set()

    async with serve(mute, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        stream = PulseStream(PulseOptions(base_url=f"ws://127.0.0.1:{port}"))
        stream.start()
        stream.push(speak(range(3), 16_000).tobytes())
        closing = asyncio.create_task(stream.close())
        async with asyncio.timeout(5):
            await heard.wait()
        closing.cancel()
        await asyncio.wait([closing])
        assert stream.closed
        async with asyncio.timeout(3):
            await stream.wait_closed()
        assert tasks_of(stream) == []


async def test_who_sends_much_learns_why_the_stream_failed() -> None:
    async with PulseServer(ServerOptions(recognizer="scripted", api_key="right")) as server:
        stream = PulseStream(PulseOptions(api_key="wrong", base_url=server.url))
        stream.start()
        async with asyncio.timeout(10):
            await stream.send(bytes(32_000 * 60))
        with pytest.raises(AuthenticationError):
            await read(stream)
        await stream.wait_closed()


async def test_audio_counts_in_bytes_whatever_holds_it() -> None:
    stream = PulseStream(PulseOptions(base_url="ws://127.0.0.1:1"))
    stream.push(memoryview(bytes(3200)).cast("h"))
    assert stream.stream_time == 0.1


async def test_much_audio_sent_at_once_is_not_more_than_is_kept() -> None:
    limits = Limits(replay_seconds=20.0, backlog_seconds=5.0)
    async with (
        PulseServer("scripted") as server,
        PulseStream(PulseOptions(base_url=server.url, limits=limits)) as stream,
    ):
        await stream.send(bytes(32_000 * 40))
        assert stream.stream_time == pytest.approx(40.0)
        stream.end()
        assert [event for event in await read(stream) if isinstance(event, AudioLost)] == []


async def test_nothing_is_left_after_abort_whatever_it_was_doing() -> None:
    async with PulseServer("scripted") as server:
        for started in (False, True):
            stream = PulseStream(PulseOptions(base_url=server.url))
            if started:
                stream.start()
                await asyncio.sleep(0)  # the handshake has begun
            assert bool(tasks_of(stream)) is started
            stream.push(bytes(64_000))
            stream.request_finalize()
            stream.abort()
            stream.abort()
            await stream.wait_closed()
            await read(stream)
            assert stream.closed
            assert tasks_of(stream) == []


async def test_a_stream_that_was_never_used_can_be_aborted() -> None:
    stream = PulseStream(PulseOptions(base_url="ws://127.0.0.1:1"))
    stream.abort()
    async with asyncio.timeout(5):
        assert await read(stream) == []
    assert stream.closed
    stream.abort()


async def test_an_error_of_the_caller_ends_the_stream_without_its_last_words() -> None:
    async def fail_within(stream: PulseStream) -> None:
        async with stream:
            stream.push(speak(range(3), 16_000).tobytes())
            raise ZeroDivisionError

    async with PulseServer("scripted") as server:
        stream = PulseStream(PulseOptions(base_url=server.url))
        with pytest.raises(ZeroDivisionError):
            await fail_within(stream)
        assert stream.closed
        assert tasks_of(stream) == []
        assert [event for event in await read(stream) if isinstance(event, Final)] == []


async def test_options_that_change_after_the_end_change_nothing() -> None:
    stream = PulseStream(PulseOptions(base_url="ws://127.0.0.1:1", language="en"))
    stream.abort()
    stream.update(stream.options.changed(language="de"))
    assert stream.options.language == "en"


async def test_each_finalize_has_the_next_number_whichever_way_it_is_asked_for() -> None:
    stream = PulseStream(PulseOptions(base_url="ws://127.0.0.1:1"))
    stream.push(bytes(640))
    assert await stream.finalize() == 1
    stream.push(bytes(640))
    assert stream.request_finalize() == 2
    stream.abort()
    await stream.wait_closed()


async def test_audio_of_another_source_counts_in_its_own_format() -> None:
    stream = PulseStream(PulseOptions(base_url="ws://127.0.0.1:1"))
    stream.push(bytes(3200))
    assert stream.missing_seconds == pytest.approx(stream.packet_seconds)
    stream.push(bytes(320))
    stream.change_source(AudioFormat("linear16", 16_000))  # the same: nothing is cut
    assert stream.missing_seconds == pytest.approx(stream.packet_seconds - 0.01)
    stream.change_source(AudioFormat("linear16", 8000, 2))
    assert stream.missing_seconds == pytest.approx(stream.packet_seconds)
    assert stream.backlog == pytest.approx(0.11)  # what came before is to be sent
    stream.push(bytes(3200))
    assert stream.stream_time == pytest.approx(0.21)
    stream.abort()
    await stream.wait_closed()


async def test_close_and_end_may_be_called_again() -> None:
    async with PulseServer("scripted") as server:
        stream = PulseStream(PulseOptions(base_url=server.url))
        stream.start()
        stream.start()
        stream.end()
        stream.end()
        await stream.close()
        await stream.close()
        assert stream.closed
        assert await read(stream) == []


async def test_audio_and_requests_after_the_end_are_refused() -> None:
    async with (
        PulseServer("scripted") as server,
        PulseStream(PulseOptions(base_url=server.url)) as stream,
    ):
        stream.end()
        with pytest.raises(StreamClosedError, match="open another one"):
            stream.push(bytes(640))
        with pytest.raises(StreamClosedError):
            stream.request_finalize()


async def test_sending_waits_while_much_is_unsent() -> None:
    async with (
        PulseServer("scripted") as server,
        PulseStream(PulseOptions(base_url=server.url)) as stream,
    ):
        for _ in range(20):
            await stream.send(bytes(32_000))
            assert stream.backlog <= stream.options.limits.backlog_seconds
        assert stream.stream_time == 20.0


async def test_audio_that_waits_for_the_rest_of_its_packet_goes_out_before_a_keepalive() -> None:
    heard: list[str | bytes] = []
    both = asyncio.Event()

    async def listen(socket: ServerConnection) -> None:
        async for message in socket:
            heard.append(message)
            if len(heard) == 2:
                both.set()

    timeouts = Timeouts(keepalive=2.0, stall=60.0)
    async with serve(listen, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        stream = PulseStream(PulseOptions(base_url=f"ws://127.0.0.1:{port}", timeouts=timeouts))
        stream.start()
        stream.push(b"\1\0" * 160)
        async with asyncio.timeout(20):
            await both.wait()
        stream.abort()
        await stream.wait_closed()
    assert heard[0] == b"\1\0" * 160


async def test_a_question_that_a_full_socket_takes_later_is_waited_for_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    audio = speak(range(3), 16_000).tobytes()[:16_000]  # five packets
    heard = asyncio.Event()

    async def mute(socket: ServerConnection) -> None:
        size = 0
        async for message in socket:
            size += len(message)
            if size >= len(audio):
                heard.set()

    monkeypatch.setattr(WebSocket, "is_free", lambda _: False)  # the writer's task sends all
    timeouts = Timeouts(finalize=0.3, stall=60.0, keepalive=60.0)
    async with serve(mute, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        stream = PulseStream(PulseOptions(base_url=f"ws://127.0.0.1:{port}", timeouts=timeouts))
        stream.start()
        stream.push(audio)
        async with asyncio.timeout(5):
            await heard.wait()
        asked = stream.request_finalize()
        async with asyncio.timeout(5):
            async for event in stream:
                if isinstance(event, Final):
                    break
        assert isinstance(event, Final)
        assert event.finalize_id == asked
        stream.abort()
        await stream.wait_closed()
