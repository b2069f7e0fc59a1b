"""The local server's handshake against sections 1, 2 and 5 of the protocol page, asked barely."""

from __future__ import annotations

import json
from contextlib import AbstractAsyncContextManager
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from pulse_plugins.local.recognizers.scripted import ScriptedRecognizer
from pulse_plugins.local.server import PulseServer
from pulse_plugins.local.settings import ServerOptions
from tests.local.client import DEADLINE, PATHS, Client, calling

EVERY = ScriptedRecognizer(languages=("en", "hi", "zh", "yue", "ja", "ko", "ta", "te", "kn", "ml"))


def server(*faults: str, **options: Any) -> PulseServer:
    return PulseServer(ServerOptions(**{"recognizer": EVERY, **options}), faults=faults)


async def answer(calls: AbstractAsyncContextManager[Client]) -> tuple[int, dict[str, Any]]:
    """The status of a handshake and the body of a refusal."""
    try:
        async with calls:
            return 101, {}
    except InvalidStatus as refused:
        body = json.loads(refused.response.body or b"{}")
        assert isinstance(body, dict)
        return refused.response.status_code, body


def asks(name: str, dialect: str, status: int, **query: object) -> Any:
    return pytest.param(dialect, query, status, id=name)


HANDSHAKES = [
    asks("1.1 A", "live", 101),
    asks("1.1 B without model", "pulse", 101),
    asks("1.1 C without model", "legacy", 101),
    asks("1.1 D without model", "direct", 101),
    asks("1.1 D with model", "direct", 101, model="pulse"),
    asks("2.1 model missing on A", "live", 400, model=""),
    asks("2.1 model unknown on A", "live", 400, model="whisper"),
    asks("2.1 model pulse-pro on A", "live", 400, model="pulse-pro"),
    asks("2.1 model pulse-pro on D", "direct", 400, model="pulse-pro"),
    asks("2.1 model pulse-2 on A", "live", 101, model="pulse-2"),
    asks("2.1 model on B is an unknown name", "pulse", 101, model="pulse"),
    asks("2.1 language unknown", "live", 400, language="tlh"),
    asks("2.1 language omitted on B", "pulse", 101),
    asks("2.1 language with a region", "live", 101, language="en-US"),
    *(
        asks(f"2.1 encoding {each}", "live", 101, encoding=each, sample_rate=rate)
        for each, rate in (
            ("linear16", 16000), ("linear32", 16000), ("alaw", 8000), ("mulaw", 8000),
            ("opus", 48000), ("ogg_opus", 48000),
        )
    ),
    asks("2.1 encoding unknown", "live", 400, encoding="flac"),
    asks("2.1 encoding in capitals", "live", 400, encoding="LINEAR16"),
    *(
        asks(f"2.1 sample_rate {rate}", dialect, 101, sample_rate=rate)
        for rate in (8000, 16000, 22050, 24000, 44100, 48000)
        for dialect in ("live", "legacy")
    ),
    asks("2.1 sample_rate 11025", "live", 400, sample_rate=11025),
    asks("2.1 sample_rate no number", "live", 400, sample_rate="wide"),
    asks("2.1 external_session_id", "live", 101, external_session_id="call-1"),
    asks("2.2 endpointing_timeout", "live", 101, endpointing_timeout=300),
    asks("2.2 endpointing_timeout no number", "live", 400, endpointing_timeout="soon"),
    asks("2.2 eou_timeout_ms 0", "live", 400, eou_timeout_ms=0),
    asks("2.2 eou_timeout_ms 99", "live", 400, eou_timeout_ms=99),
    asks("2.2 eou_timeout_ms 100", "live", 101, eou_timeout_ms=100),
    asks("2.2 eou_timeout_ms 10000", "pulse", 101, eou_timeout_ms=10000),
    asks("2.2 eou_timeout_ms 10001", "pulse", 400, eou_timeout_ms=10001),
    asks("2.2 max_words 0", "live", 400, max_words=0),
    asks("2.2 max_words 1", "live", 101, max_words=1),
    asks("2.3 keywords string on A", "live", 101, keywords="Acme:2,Mary Ann Lee:1.5,SKU"),
    asks("2.3 keywords string on B", "pulse", 101, keywords="Acme:20"),
    asks("10 N13 keywords weight 26", "pulse", 101, keywords="I:20,smiling:26"),
    asks("10 N13 keywords JSON list on B", "pulse", 101, keywords='["acme:5.0"]'),
    asks("10 N13 keywords None on C", "legacy", 101, keywords="None"),
    asks("2.3 keywords empty", "live", 101, keywords=""),
    asks("2.3 keywords JSON list on C", "legacy", 101, keywords='["acme:5.0","lee:4.0"]'),
    asks("2.3 keywords string on C", "legacy", 101, keywords="acme:5.0"),
    asks("2.3 keywords, more than 10000", "legacy", 400, keywords=",".join(["a"] * 10_001)),
    asks("2 unknown parameter on A", "live", 101, shiny="new"),
    asks("2 unknown parameter on C", "legacy", 101, shiny="new"),
    asks("2 a boolean of another spelling", "live", 101, word_timestamps="True"),
]  # fmt: skip


@pytest.mark.parametrize(("dialect", "query", "status"), HANDSHAKES)
async def test_a_handshake_is_taken_or_refused(
    dialect: str, query: dict[str, Any], status: int
) -> None:
    async with server() as running:
        got, body = await answer(calling(running, dialect, **query))
    assert got == status
    assert set(body) == ({"error", "request_id"} if status == 400 else set())


STRICT = [
    asks("2 S-RT list on B", "pulse", 101, language="en", itn_normalize="true", max_words=20),
    asks("2 endpointing is not in S-RT", "pulse", 400, endpointing="true"),
    asks("2 numerals is not in S-RT", "pulse", 400, numerals="true"),
    asks("2.3 keywords weight 21", "pulse", 400, language="en", keywords="Acme:21"),
    asks("2.3 keywords negative weight", "pulse", 400, language="en", keywords="Acme:-1"),
    asks("2.3 keywords weight no number", "pulse", 400, language="en", keywords="Acme:heavy"),
    asks("2.3 keywords string on C", "legacy", 400, keywords="acme:5.0"),
    asks("2.3 keywords JSON object on C", "legacy", 400, keywords='{"acme":5}'),
    asks("2.3 keywords JSON list on C", "legacy", 101, keywords='["acme:5.0"]'),
    asks("2 S-OLD list on C", "legacy", 101, numerals="auto", full_transcript="true"),
    asks("2 eou_timeout_ms is not in S-OLD", "legacy", 400, eou_timeout_ms=800),
    asks("2 model is not in S-OLD", "legacy", 400, model="pulse"),
    asks("1.4 credentials are no parameters", "pulse", 101, token="k"),
]


@pytest.mark.parametrize(("dialect", "query", "status"), STRICT)
async def test_a_strict_server_keeps_to_the_lists(
    dialect: str, query: dict[str, Any], status: int
) -> None:
    async with server(strict=True) as running:
        got, _ = await answer(calling(running, dialect, **query))
    assert got == status


@pytest.mark.parametrize("strict", [True, False])
async def test_2_1_language_is_required_where_the_newest_list_is_kept(strict: bool) -> None:
    async with server(strict=strict) as running:
        got, _ = await answer(bare(f"{running.url}{PATHS['live']}?model=pulse"))
    assert got == (400 if strict else 101)


def bare(url: str, **headers: str) -> AbstractAsyncContextManager[Any]:
    return connect(
        url, additional_headers={"Authorization": "Bearer k"} | headers, proxy=None, open_timeout=20
    )


@pytest.mark.parametrize(
    "path", ["/waves/v1/lightning/get_text", "/waves/v1/asr", "/", "/waves/v1/stt/live/"]
)
async def test_1_1_other_paths_are_not_there(path: str) -> None:
    async with server() as running:
        with pytest.raises(InvalidStatus) as refused:
            async with bare(f"{running.url}{path}?model=pulse"):
                pass
    assert refused.value.response.status_code == 404


@pytest.mark.parametrize("dialect", PATHS)
async def test_1_1_a_plain_request_is_no_stream(dialect: str) -> None:
    async with server() as running, aiohttp.ClientSession() as session:
        url = f"{running.http_url}{PATHS[dialect]}?model=pulse&language=en"
        async with session.get(url, headers={"Authorization": "Bearer k"}) as response:
            assert response.status == 400


MISSING = {"message": "Unauthorized: No tokens provided"}
WRONG = {"error": "unauthorized"}
KEYS: list[Any] = [
    pytest.param({"Authorization": "Bearer sk_right"}, {}, 101, {}, id="1.4 Bearer"),
    pytest.param({"Authorization": "bearer sk_right"}, {}, 101, {}, id="1.4 bearer"),
    pytest.param({}, {"token": "sk_right"}, 101, {}, id="1.4 query token"),
    pytest.param({}, {"api_key": "sk_right"}, 101, {}, id="1.4 query api_key"),
    pytest.param({}, {}, 401, MISSING, id="5 401 missing key"),
    pytest.param({"Authorization": "Bearer "}, {}, 401, MISSING, id="5 401 empty key"),
    pytest.param({"Authorization": "Token sk_right"}, {}, 401, MISSING, id="5 401 other scheme"),
    pytest.param({"Authorization": "Bearer sk_wrong"}, {}, 401, WRONG, id="5 401 bad key"),
    pytest.param({}, {"token": "sk_wrong"}, 401, WRONG, id="5 401 bad token"),
]


@pytest.mark.parametrize(("headers", "query", "status", "body"), KEYS)
@pytest.mark.parametrize("dialect", PATHS)
async def test_1_4_a_key_is_needed(
    dialect: str, headers: dict[str, str], query: dict[str, str], status: int, body: object
) -> None:
    async with server(api_key="sk_right") as running:
        asked = urlencode({"model": "pulse", "language": "en"} | query)
        url = f"{running.url}{PATHS[dialect]}?{asked}"
        calls = connect(url, additional_headers=headers, proxy=None, open_timeout=DEADLINE)
        assert await answer(calls) == (status, body)  # type: ignore[arg-type]
        assert "sk_" not in repr(running.connections)


@pytest.mark.parametrize("name", ["X-Source", "X-LiveKit-Version", "x-expire-content"])
async def test_1_4_other_headers_are_welcome(name: str) -> None:
    async with server() as running:
        async with bare(f"{running.url}{PATHS['live']}?model=pulse", **{name: "true"}):
            pass
        assert running.connections[0].headers[name.lower()] == "true"


@pytest.mark.parametrize("status", [400, 402, 403, 404, 413, 429, 500, 502, 503])
async def test_5_any_status_can_be_had_once(status: int) -> None:
    async with server(f"refuse={status}") as running:
        with pytest.raises(InvalidStatus) as refused:
            async with calling(running):
                pass
        response = refused.value.response
        assert response.status_code == status
        assert set(json.loads(response.body or b"")) == {"error", "request_id"}
        assert ("Retry-After" in response.headers) is (status == 429)
        assert (await answer(calling(running)))[0] == 101


REGIONS = [
    *(("us", code, 101, None) for code in ("zh", "yue", "ja", "ko", "multi-asian")),
    *(("india", code, 1000, None) for code in ("zh", "yue", "ja", "ko", "multi-asian")),
    *(("us", code, 1008, "error") for code in ("ta", "te", "kn", "ml", "multi-south-indic")),
    *(("india", code, 101, None) for code in ("ta", "te", "kn", "ml", "multi-south-indic")),
    *(("any", code, 101, None) for code in ("zh", "ta", "multi", "multi-eu", "north_indic")),
]


@pytest.mark.parametrize(
    ("region", "language", "code", "said"),
    [pytest.param(*each, id=f"1.3 {each[1]} in {each[0]}") for each in REGIONS],
)
async def test_1_3_a_region_serves_its_languages(
    region: str, language: str, code: int, said: str | None
) -> None:
    async with server(region=region) as running, calling(running, language=language) as client:
        if code == 101:
            assert (await client.finish())[-1]["is_last"] is True
            return
        messages = await client.rest()
        assert client.close_code == code
        assert [each["type"] for each in messages] == ([said] if said else [])
        if said:
            assert messages[0]["error_code"] == "LANGUAGE_NOT_ENABLED_IN_REGION"


async def test_2_1_pulse_2_is_closed_without_a_frame_in_another_language() -> None:
    async with server() as running, calling(running, model="pulse-2", language="hi") as client:
        assert await client.rest() == []


@pytest.mark.parametrize("way", [429, 1008], ids=["8 HTTP 429", "8 close 1008"])
async def test_8_one_stream_too_many_is_refused_in_either_way(way: int) -> None:
    async with (
        server(concurrency=1, concurrency_refusal=way) as running,
        calling(running) as first,
    ):
        if way == 429:
            assert (await answer(calling(running)))[0] == 429
        else:
            async with calling(running) as second:
                assert await second.rest() == []
                assert second.close_code == 1008
        assert (await first.finish())[-1]["is_last"] is True
