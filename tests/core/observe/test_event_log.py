"""What an operator reads: one line for each thing, with its fields, and few where it repeats."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator

import pytest

from pulse_plugins.core.base.errors import ConnectionLostError, from_status
from pulse_plugins.core.base.events import (
    AudioLost,
    Connected,
    Disconnected,
    Event,
    Final,
    Interim,
    MessageIgnored,
    OptionsApplied,
    OptionsRefused,
    Reconnecting,
    Recovered,
    ServerReported,
    SpeechStarted,
)
from pulse_plugins.core.client.stream import PulseStream
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.observe.event_log import EventLog
from pulse_plugins.local import PulseServer, ServerOptions
from pulse_plugins.local.recognizers import scripted
from tests.support.listening import Listener
from tests.support.privacy import API_KEY, MARKED_WORD, Watch

RATE = 16_000
LOST = ConnectionLostError("gone", status=1006)


def lines(watch: Watch, name: str = "pulse_plugins.stream") -> list[str]:
    return [record.getMessage() for record in watch.records if record.name == name]


def again(attempt: int, code: int = 503) -> Reconnecting:
    error = from_status(code)
    return Reconnecting(attempt, error.code, 0.25, error)


def test_a_log_that_shows_a_lost_connection_shows_the_recovery(private_logs: Watch) -> None:
    log = EventLog("call")
    log.record(Disconnected(LOST), None, 0.0)
    log.record(Recovered(1.5, 0.25), None, 1.5)
    records = private_logs.records
    levels = [each.levelno for each in records if each.name == "pulse_plugins.stream"]
    assert levels == [logging.WARNING, logging.WARNING]


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (
            Connected(2, 0.5, "wss://host"),
            "connected stream=call attempt=2 seconds=0.500 url=wss://host",
        ),
        (
            Connected(2, 0.5, "wss://host", failed_over=True),
            "failed_over stream=call attempt=2 seconds=0.500 url=wss://host",
        ),
        (Disconnected(LOST), "disconnected stream=call reason=connection_lost status=1006"),
        (Disconnected(), "hung_up stream=call"),
        (again(1), "reconnecting stream=call attempt=1 delay=0.250 reason=http_503 status=503"),
        (OptionsApplied(2.5), "options_applied stream=call time=2.500"),
        (
            OptionsRefused(from_status(400)),
            "options_refused stream=call reason=http_400 status=400",
        ),
        (ServerReported(LOST), "server_reported stream=call reason=connection_lost status=1006"),
        (Recovered(1.5, 0.25), "recovered stream=call outage=1.500 replayed=0.250"),
        (
            AudioLost(1.0, 2.0, "the stream ended"),
            'audio_lost stream=call start=1.000 seconds=2.000 reason="the stream ended"',
        ),
    ],
)
def test_the_line_of_an_event(event: Event, line: str, private_logs: Watch) -> None:
    EventLog("call").record(event, None, 0.0)
    assert lines(private_logs) == [line]


def test_text_and_events_of_speech_have_no_line(private_logs: Watch) -> None:
    for event in (SpeechStarted(1.0), Interim("hi", 0.0), Final("hi", 0.0, 1.0)):
        EventLog("call").record(event, None, 0.0)
    assert lines(private_logs) == []


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain", "plain"),
        ("two words", '"two words"'),
        ("a=b", '"a=b"'),
        ('say "a"', '"say \\"a\\""'),
        ("", '""'),
        ("line\r\nfailed stream=other", '"line??failed stream=other"'),
        ("\x1b[31mred\x1b[0m", "?[31mred?[0m"),
        ("\u202eabc", "?abc"),
        ("x" * 5000, "x" * 200),
    ],
)
def test_no_value_can_make_a_line_of_its_own(value: str, shown: str, private_logs: Watch) -> None:
    EventLog("call").record(MessageIgnored(value), None, 0.0)
    assert lines(private_logs) == [f"message_ignored stream=call reason={shown}"]


def test_a_name_cannot_make_a_line_of_its_own(private_logs: Watch) -> None:
    log = EventLog("a\nfailed")
    log.record(Disconnected(), None, 0.0)
    assert lines(private_logs) == ["hung_up stream=a?failed"]


def test_streams_of_one_name_are_told_apart_while_they_live(private_logs: Watch) -> None:
    first, second, third = (EventLog("twin") for _ in range(3))
    for log in (first, second, third):
        log.record(Disconnected(), None, 0.0)
    second.closed(None, None, 1.0)
    fourth = EventLog("twin")
    fourth.record(Disconnected(), None, 2.0)
    del first
    gc.collect()
    EventLog("twin").record(Disconnected(), None, 3.0)
    named = [line.split("stream=")[1] for line in lines(private_logs)]
    assert named == ["twin", "twin-2", "twin-3", "twin-2", "twin-2", "twin"]


def test_the_ids_are_on_every_line_once_they_are_known(private_logs: Watch) -> None:
    log = EventLog("call")
    log.record(Connected(1, 0.1), "crm-7", 0.0)
    log.record(Interim("hello", 0.0, session_id="s-1"), "crm-7", 1.0)
    log.record(Disconnected(LOST), "crm-7", 2.0)
    first, second = lines(private_logs)
    assert "external_session_id=crm-7" in first
    assert " session_id=" not in first
    assert "stream=call session_id=s-1 external_session_id=crm-7" in second
    record = private_logs.records[-1]
    assert vars(record)["pulse_event"] == "disconnected"
    assert vars(record)["pulse_session_id"] == "s-1"
    assert vars(record)["pulse_external_session_id"] == "crm-7"
    assert vars(record)["pulse_reason"] == "connection_lost"


def test_words_are_no_business_of_the_log(private_logs: Watch) -> None:
    log = EventLog("call")
    log.record(Interim(MARKED_WORD, 0.0), None, 0.0)
    log.record(Final(MARKED_WORD, 0.0, 1.0), None, 0.0)
    secret = from_status(503, detail=f"{MARKED_WORD} {API_KEY}")
    log.record(Disconnected(secret), None, 0.0)
    log.closed(secret, None, 0.0)
    assert lines(private_logs) == [
        "disconnected stream=call reason=http_503 status=503",
        "failed stream=call reason=http_503 status=503",
    ]


def test_a_fault_that_repeats_is_told_five_times_and_then_rarely(private_logs: Watch) -> None:
    log = EventLog("call")
    for attempt in range(1, 121):
        log.record(again(attempt), None, float(attempt))
    told = lines(private_logs)
    attempts = [line.split("attempt=")[1].split()[0] for line in told]
    assert attempts == ["1", "2", "3", "4", "5", "35", "65", "95"]
    assert ["left_out=29" in line for line in told] == [False] * 5 + [True] * 3


def test_another_fault_is_told_at_once(private_logs: Watch) -> None:
    log = EventLog("call")
    for attempt in range(1, 11):
        log.record(again(attempt), None, 0.0)
    log.record(again(11, 502), None, 0.0)
    log.record(MessageIgnored("not_json"), None, 0.0)
    assert len(lines(private_logs)) == 7


def test_after_a_rest_a_fault_is_a_new_one(private_logs: Watch) -> None:
    log = EventLog("call")
    for _ in range(5):
        log.record(again(1), None, 0.0)
    for _ in range(5):
        log.record(again(1), None, 100.0)
    assert len(lines(private_logs)) == 10


def test_what_nobody_reads_is_not_written(private_logs: Watch) -> None:
    logger = logging.getLogger("pulse_plugins.stream")
    logger.setLevel(logging.ERROR)
    try:
        EventLog("call").record(again(1), None, 0.0)
    finally:
        logger.setLevel(logging.NOTSET)
    assert lines(private_logs) == []


@pytest.fixture
def wire_log() -> Iterator[None]:
    logger = logging.getLogger("pulse_plugins.wire")
    before = logger.level
    logger.setLevel(logging.DEBUG)
    yield
    logger.setLevel(before)


def test_the_wire_is_shown_to_nobody_who_did_not_ask_for_it_by_name() -> None:
    root, ours = logging.getLogger(), logging.getLogger("pulse_plugins")
    before = root.level
    root.setLevel(logging.DEBUG)
    try:
        assert ours.isEnabledFor(logging.DEBUG)
        assert not logging.getLogger("pulse_plugins.wire").isEnabledFor(logging.DEBUG)
    finally:
        root.setLevel(before)


@pytest.mark.usefixtures("wire_log")
async def test_a_call_with_a_lost_connection_reads_like_this(private_logs: Watch) -> None:
    async with PulseServer(
        ServerOptions(recognizer="scripted", api_key=API_KEY), faults=["drop@word=3"]
    ) as server:
        options = PulseOptions(
            base_url=server.url, api_key=API_KEY, format=False, external_session_id="crm-7"
        )
        async with PulseStream(options, name="call") as stream:
            listener = Listener(stream)
            stream.push(scripted.speak(range(6), RATE).tobytes())
            await listener.finalized(stream.request_finalize())
        await listener.ended()
    told = [line.split()[0] for line in lines(private_logs)]
    assert told == [
        "connected",
        "disconnected",
        "reconnecting",
        "connected",
        "recovered",
        "hung_up",
        "closed",
    ]
    assert all("external_session_id=crm-7" in line for line in lines(private_logs))
    wire = lines(private_logs, "pulse_plugins.wire")
    assert any(line.startswith("call.1 → ") and line.endswith(" bytes") for line in wire)
    assert 'call.2 → {"type":"finalize"}' in wire
    assert any(line.startswith("call.2 ← {") and "is_final" in line for line in wire)
    assert API_KEY not in "".join(wire)


async def test_a_wrong_key_is_one_line_and_not_shown(private_logs: Watch) -> None:
    async with PulseServer(ServerOptions(recognizer="scripted", api_key="right")) as server:
        stream = PulseStream(PulseOptions(api_key=API_KEY, base_url=server.url), name="call")
        stream.start()
        listener = Listener(stream)
        with pytest.raises(Exception, match="401"):
            await listener.ended()
        await stream.wait_closed()
    assert lines(private_logs) == ["failed stream=call reason=http_401 status=401"]
    assert private_logs.leaks([API_KEY]) == []
