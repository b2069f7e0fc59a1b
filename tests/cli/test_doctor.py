"""`doctor` against everything that can be wrong, and nothing that it shows is a secret."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from pulse_plugins.cli.exits import Exit
from tests.cli.rig import command, program, server
from tests.support.privacy import API_KEY

pytestmark = pytest.mark.process

Lines = dict[str, dict[str, str]]


async def examine(
    capsys: pytest.CaptureFixture[str], *words: str, timeout: str = "2"
) -> tuple[int, Lines]:
    """Run it, and give what it found by name."""
    code = await command("doctor", "--json", "--timeout", timeout, *words)
    shown = capsys.readouterr()
    assert API_KEY not in shown.out + shown.err
    lines = [json.loads(line) for line in shown.out.splitlines()]
    bad = [line for line in lines if line["state"] == "bad"]
    assert all(line["advice"] not in ("", line["found"]) for line in bad)
    return code, {line["check"]: line for line in lines}


@asynccontextmanager
async def peer(answer: bytes | None) -> AsyncIterator[str]:
    """A server that accepts connections and answers a handshake with this, or never."""
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if answer is not None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
        await gone.wait()
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    finally:
        gone.set()
        listener.close()
        await listener.wait_closed()


async def test_the_local_server_is_in_order(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULSE_API_KEY", API_KEY)
    async with server(api_key=API_KEY) as local:
        code, found = await examine(capsys, "--url", local.url)
    assert code == Exit.OK
    for name in ("Python", "key", "host name", "TCP", "clock", "handshake", "round trip"):
        assert found[name]["state"] == "good", name


async def test_nothing_is_set(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = await examine(capsys)
    assert code == Exit.CONFIGURATION
    assert "SMALLEST_API_KEY" in found["key"]["advice"]
    assert "handshake" not in found  # the cloud was not asked


async def test_a_wrong_key(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULSE_API_KEY", API_KEY)
    async with server(api_key="another") as local:
        code, found = await examine(capsys, "--url", local.url)
        assert len(local.connections) == 1
    assert code == Exit.CONFIGURATION
    assert found["handshake"]["state"] == "bad"
    assert "401" in found["handshake"]["found"]


async def test_a_refusal_for_good(capsys: pytest.CaptureFixture[str]) -> None:
    async with server(faults=["refuse=402"]) as local:
        code, found = await examine(capsys, "--url", local.url)
    assert code == Exit.CONFIGURATION
    assert "will not help" in found["handshake"]["advice"]


async def test_its_lines_are_all_that_it_says() -> None:
    async with server(api_key="another") as local, program("doctor", "--url", local.url) as run:
        ended = await run.ended()
    assert ended.code == Exit.CONFIGURATION
    assert (
        ended.out.rstrip().splitlines()[-2].startswith("bad  handshake      HTTP 401 Unauthorized")
    )
    assert ended.err == ""


async def test_a_host_that_has_no_address(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = await examine(capsys, "--url", "ws://no-such-host.invalid:8765")
    assert code == Exit.CONNECTION
    assert found["host name"]["state"] == "bad"


async def test_a_port_where_nothing_listens(capsys: pytest.CaptureFixture[str]) -> None:
    async with peer(None) as url:
        pass
    code, found = await examine(capsys, "--url", url)
    assert code == Exit.CONNECTION
    assert "serve" in found["TCP"]["advice"]


async def test_a_server_that_never_answers_the_handshake(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with peer(None) as url:
        code, found = await examine(capsys, "--url", url, timeout="0.5")
    assert code == Exit.CONNECTION
    assert found["handshake"]["state"] == "bad"


async def test_a_server_that_is_no_pulse_server(capsys: pytest.CaptureFixture[str]) -> None:
    answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    async with peer(answer) as url:
        code, found = await examine(capsys, "--url", url, timeout="0.5")
    assert code == Exit.CONFIGURATION
    assert "--dialect" in found["handshake"]["advice"]


async def test_a_server_that_stalls_after_the_handshake(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with server(faults=["blackhole@audio=0.1"]) as local:
        code, found = await examine(capsys, "--url", local.url, timeout="1")
    assert code == Exit.CONNECTION
    assert found["handshake"]["state"] == "good"
    assert found["round trip"]["state"] == "bad"


async def test_offline_it_connects_to_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = await examine(capsys, "--offline")
    assert code == Exit.OK
    assert "key" not in found


async def test_an_option_that_cannot_work(capsys: pytest.CaptureFixture[str]) -> None:
    async with server() as local:
        code, found = await examine(capsys, "--url", local.url, "-s", "eou_timeout_ms=1")
    assert code == Exit.CONFIGURATION
    assert "out of range" in found["options"]["found"]


async def test_a_url_that_cannot_be_is_an_option_that_cannot_work(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert await command("doctor", "--url", "ws://[::1") == Exit.CONFIGURATION
    assert "host" in capsys.readouterr().out


async def test_nobody_waits_for_ever(capsys: pytest.CaptureFixture[str]) -> None:
    assert await command("doctor", "--timeout", "inf") == Exit.USAGE
    assert "--timeout" in capsys.readouterr().err


async def test_the_cloud_s_key_goes_to_no_other_server(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMALLEST_API_KEY", API_KEY)
    async with server(api_key=API_KEY) as local:
        code, found = await examine(capsys, "--url", local.url)
    assert code == Exit.CONFIGURATION
    assert "PULSE_API_KEY" in found["handshake"]["advice"]
