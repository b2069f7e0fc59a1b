"""What is measured and traced of real calls on the local server, and what never is."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    HistogramDataPoint,
    InMemoryMetricReader,
    NumberDataPoint,
)
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from prometheus_client.parser import text_string_to_metric_families

from pulse_plugins.core.base.errors import AuthenticationError, PulseError, ServerError
from pulse_plugins.core.base.events import (
    AudioLost,
    Event,
    Final,
    Interim,
    OptionsApplied,
    OptionsRefused,
    Word,
)
from pulse_plugins.core.client.stream import PulseStream
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.observe import hooks as observers
from pulse_plugins.core.observe.metrics import StreamMetrics
from pulse_plugins.local import PulseServer, ServerOptions
from pulse_plugins.local.recognizers import scripted
from pulse_plugins.telemetry import instrument, serve_prometheus
from pulse_plugins.telemetry.measuring import Measuring
from pulse_plugins.telemetry.tracing import Tracing
from tests.support.listening import Listener
from tests.support.privacy import API_KEY, Watch

RATE = 16_000
WORDS = 8
FIRST = 2000  # from here on words hold letters that no number and no id holds


class Collected:
    """OpenTelemetry's own SDK, with everything in memory."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self.meters = MeterProvider(metric_readers=[self._reader], shutdown_on_exit=False)
        self._spans = InMemorySpanExporter()
        self.tracers = TracerProvider(shutdown_on_exit=False)
        self.tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self.shown = ""

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self._spans.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]

    def sum(self, wanted: str) -> float:
        """Of all that a histogram was given."""
        data = self._reader.get_metrics_data()
        assert data is not None
        return sum(
            point.sum
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == wanted
            for point in metric.data.data_points
            if isinstance(point, HistogramDataPoint)
        )

    def numbers(self) -> dict[str, dict[str, float]]:
        """By metric: its value by what tells its series apart; of a histogram the count."""
        found: dict[str, dict[str, float]] = {}
        data = self._reader.get_metrics_data()
        assert data is not None
        self.shown += data.to_json()
        common = ("gen_ai.provider.name", "gen_ai.request.model")
        for resource in data.resource_metrics:
            for scope in resource.scope_metrics:
                assert scope.scope.name == "pulse_plugins"
                for metric in scope.metrics:
                    values = found.setdefault(metric.name, {})
                    for point in metric.data.data_points:
                        attributes = dict(point.attributes or {})
                        assert [attributes.pop(name) for name in common] == ["smallest", "pulse"]
                        series = ",".join(str(value) for value in attributes.values())
                        if isinstance(point, HistogramDataPoint):
                            values[series] = point.count
                        elif isinstance(point, NumberDataPoint):
                            values[series] = point.value
        return found


@pytest.fixture
def collected() -> Iterator[Collected]:
    made = Collected()
    running = instrument(meter_provider=made.meters, tracer_provider=made.tracers)
    yield made
    running.close()


def options(*urls: str, **more: object) -> PulseOptions:
    made: dict[str, object] = {"base_url": urls, "api_key": API_KEY, "format": False, **more}
    return PulseOptions(**made)  # type: ignore[arg-type]


async def call(made: PulseOptions) -> Listener:
    """A call of some words, and a request for the last of them."""
    async with PulseStream(made, name="call") as stream:
        listener = Listener(stream)
        stream.push(scripted.speak(range(FIRST, FIRST + WORDS), RATE).tobytes())
        await listener.finalized(stream.request_finalize())
    await listener.ended()
    assert listener.words == [scripted.spell(number) for number in range(FIRST, FIRST + WORDS)]
    return listener


async def test_a_call_with_a_lost_connection_in_numbers(collected: Collected) -> None:
    async with PulseServer("scripted", faults=["drop@word=4"]) as server:
        await call(options(server.url))
    numbers = collected.numbers()
    seconds = WORDS * scripted.WORD_SECONDS
    pushed = numbers["pulse.stream.audio.pushed"][""]
    replayed = numbers["pulse.stream.audio.replayed"][""]
    assert pushed == pytest.approx(seconds)
    assert 0 < replayed <= seconds
    assert numbers["pulse.stream.audio.sent"][""] == pytest.approx(pushed + replayed)
    assert numbers["pulse.stream.audio.lost"] == {"": 0.0}
    assert numbers["pulse.stream.open"] == {"": 0}
    assert numbers["pulse.stream.send_queue"] == {"": 0.0}
    assert numbers["pulse.stream.ends"] == {"": 1}
    assert numbers["pulse.stream.reconnects"] == {"connection_lost": 1}
    assert numbers["pulse.stream.outage"] == {"": 1}
    assert numbers["pulse.stream.handshake"] == {"": 2}
    assert numbers["pulse.stream.ttfs"] == {"False": 1}
    assert numbers["pulse.stream.ttft"][""] >= 1


async def test_an_open_stream_and_its_audio_can_be_read_at_any_time(collected: Collected) -> None:
    async with PulseServer("scripted", faults=["refuse=503@connection=1"]) as server:
        stream = PulseStream(options(server.url))
        stream.start()
        stream.push(bytes(2 * RATE))
        numbers = collected.numbers()
        assert numbers["pulse.stream.open"] == {"": 1}
        assert numbers["pulse.stream.send_queue"] == {"": pytest.approx(1.0)}
        listener = Listener(stream)
        await listener.connected()
        stream.abort()
        await stream.wait_closed()
        await listener.ended()
    numbers = collected.numbers()
    assert numbers["pulse.stream.open"] == {"": 0}
    assert numbers["pulse.stream.ends"] == {"": 1}


async def test_a_fail_over_is_counted(collected: Collected) -> None:
    async with (
        PulseServer("scripted", faults=["close=1011@word=3"]) as first,
        PulseServer("scripted") as second,
    ):
        await call(options(first.url, second.url))
        used = [first.port, second.port]
    numbers = collected.numbers()
    assert numbers["pulse.stream.failovers"] == {"": 1}
    assert numbers["pulse.stream.reconnects"] == {"close_1011": 1}
    ports = [span.attributes["server.port"] for span in collected.named("pulse.connection")]  # type: ignore[index]
    assert ports == used


async def test_refusals_are_counted_by_status(collected: Collected) -> None:
    async with PulseServer("scripted", faults=["refuse=503@connection=1"]) as server:
        await call(options(server.url))
    async with PulseServer(ServerOptions(recognizer="scripted", api_key="another")) as server:
        stream = PulseStream(options(server.url))
        stream.start()
        with pytest.raises(AuthenticationError):
            await Listener(stream).ended()
        await stream.wait_closed()
    numbers = collected.numbers()
    assert numbers["pulse.stream.refusals"] == {"503": 1, "401": 1}
    assert numbers["pulse.stream.reconnects"] == {"http_503": 1}
    assert numbers["pulse.stream.ends"] == {"": 1, "http_401": 1}


async def test_the_spans_of_a_call_hang_below_the_span_that_started_it(
    collected: Collected,
) -> None:
    tracer = collected.tracers.get_tracer("a framework")
    async with PulseServer("scripted", faults=["drop@word=4"]) as server:
        with tracer.start_as_current_span("conversation"):
            await call(options(server.url, external_session_id="crm-7"))
    (outer,) = collected.named("conversation")
    (stream,) = collected.named("pulse.stream")
    first, second = collected.named("pulse.connection")
    (finalize,) = collected.named("pulse.finalize")
    assert stream.parent is not None
    assert stream.parent.span_id == outer.context.span_id
    for span in (first, second, finalize):
        assert span.parent is not None
        assert span.parent.span_id == stream.context.span_id
    told = dict(stream.attributes or {})
    assert told["pulse.external_session_id"] == "crm-7"
    assert told["pulse.connections"] == 2
    assert [event.name for event in stream.events] == ["pulse.reconnecting", "pulse.recovered"]
    assert stream.status.status_code is StatusCode.UNSET
    assert first.status.status_code is StatusCode.ERROR
    assert dict(first.attributes or {})["error.type"] == "connection_lost"
    assert dict(second.attributes or {})["pulse.session_id"]
    assert dict(finalize.attributes or {}) == {"pulse.promoted": False}


async def test_no_word_and_no_key_is_in_any_of_it(collected: Collected) -> None:
    """The words are those that the call was really answered with."""
    async with PulseServer(
        ServerOptions(recognizer="scripted", api_key=API_KEY), faults=["drop@word=4"]
    ) as server:
        listener = await call(options(server.url))
    collected.numbers()
    shown = collected.shown + "".join(span.to_json() for span in collected.spans)
    assert "pulse.stream.audio.sent" in shown
    assert "pulse.finalize" in shown
    assert API_KEY not in shown
    assert not [word for word in listener.words if word in shown]


async def test_what_a_stream_lost_and_which_options_changed_are_in_its_span(
    collected: Collected,
) -> None:
    tracing = Tracing(collected.tracers.get_tracer("test"))
    stream = PulseStream(PulseOptions(base_url="ws://127.0.0.1:1"))
    traced = tracing.follow(stream)
    traced.happened(AudioLost(1.0, 0.5, "the stream ended"))
    traced.happened(OptionsApplied(2.0))
    traced.happened(OptionsRefused(ServerError("no such language")))
    traced.ended()
    await stream.close()
    (span,) = collected.named("pulse.stream")
    told = [(event.name, dict(event.attributes or {})) for event in span.events]
    assert told[:2] == [
        ("pulse.audio_lost", {"pulse.start": 1.0, "pulse.seconds": 0.5}),
        ("pulse.options_applied", {"pulse.start": 2.0}),
    ]
    assert told[2][0] == "pulse.options_refused"


async def test_closed_it_follows_no_further_stream() -> None:
    made = Collected()
    running = instrument(meter_provider=made.meters, tracer_provider=made.tracers)
    running.close()
    running.close()
    async with PulseServer("scripted") as server:
        await call(options(server.url))
    assert made.spans == []


@dataclass
class Live:
    """A stream as an observer sees it, as far as its audio has come."""

    name: str
    options: PulseOptions
    metrics: StreamMetrics
    error: PulseError | None = None

    def heard(self, seconds: float) -> None:
        self.metrics = StreamMetrics(audio_seconds=seconds, sent_seconds=seconds)


def test_a_first_text_is_measured_from_the_start_of_its_first_word() -> None:
    made = Collected()
    live = Live("call", options("ws://127.0.0.1:1"), StreamMetrics())
    followed = Measuring(made.meters.get_meter("pulse_plugins")).follow(live)
    live.heard(1.0)
    followed.happened(Interim("a noise", 0.0))
    followed.happened(Interim("", 0.0))  # which takes it back
    live.heard(2.0)
    followed.happened(Interim("hello", 0.0))
    live.heard(2.5)
    followed.happened(Interim("hello there", 0.0))
    live.heard(4.0)
    words = (Word("hello", 1.4, 1.8), Word("there", 1.9, 2.3))
    followed.happened(Final("hello there", 1.4, 2.3, words))
    followed.happened(Final("again", 3.0, 3.2, (Word("again", 3.0, 3.2),)))  # without an interim
    assert made.numbers()["pulse.stream.ttft"] == {"": 2}
    assert made.sum("pulse.stream.ttft") == pytest.approx((2.0 - 1.4) + (4.0 - 3.0))


class Clumsy:
    """An observer with a fault in each of its methods."""

    def __init__(self, stream: observers.ObservedStream) -> None:
        self.calls: list[str] = []

    def happened(self, event: Event) -> None:
        raise ValueError(f"{API_KEY} {event}")

    def asked(self, request_id: int) -> None:
        raise ValueError(request_id)

    def ended(self) -> None:
        raise ValueError


def refuses(stream: observers.ObservedStream) -> observers.Observer:
    raise ValueError(stream.name)


async def test_an_observer_with_a_fault_costs_no_call(private_logs: Watch) -> None:
    observers.follow(Clumsy)
    observers.follow(refuses)
    try:
        async with PulseServer("scripted") as server:
            await call(options(server.url))
    finally:
        observers.unfollow(Clumsy)
        observers.unfollow(refuses)
    told = [each.getMessage() for each in private_logs.records if "observer" in each.getMessage()]
    assert told == ["an observer raised ValueError and was removed"] * 2


def scrape(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        text: str = answer.read().decode()
    return text


async def test_prometheus_reads_the_same_numbers() -> None:
    endpoint = serve_prometheus(port=0)
    try:
        async with PulseServer("scripted", faults=["drop@word=4"]) as server:
            listener = await call(options(server.url))
        text = scrape(endpoint.url)
    finally:
        endpoint.close()
    samples = {
        (sample.name, sample.labels.get("pulse_reason", sample.labels.get("le", ""))): sample
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    seconds = WORDS * scripted.WORD_SECONDS
    pushed = samples["pulse_stream_audio_pushed_seconds_total", ""]
    assert pushed.value == pytest.approx(seconds)
    assert pushed.labels == {"gen_ai_provider_name": "smallest", "gen_ai_request_model": "pulse"}
    assert samples["pulse_stream_reconnects_total", "connection_lost"].value == 1
    assert samples["pulse_stream_open", ""].value == 0
    assert samples["pulse_stream_ttfs_seconds_count", ""].value == 1
    assert samples["pulse_stream_ttfs_seconds_bucket", "+Inf"].value == 1
    assert samples["pulse_stream_ttfs_seconds_count", ""].labels["pulse_promoted"] == "false"
    assert API_KEY not in text
    assert not [word for word in listener.words if word in text]


def test_a_port_that_is_taken_is_told() -> None:
    endpoint = serve_prometheus(port=0)
    try:
        taken = int(endpoint.url.rpartition(":")[2].partition("/")[0])
        with pytest.raises(OSError, match="in use"):
            serve_prometheus(port=taken)
    finally:
        endpoint.close()


@pytest.mark.parametrize(
    ("address", "host"), [("::1", "[::1]"), ("::", "[::1]"), ("0.0.0.0", "127.0.0.1")]
)
def test_the_endpoint_s_url_is_one_and_closing_twice_is_closing_once(
    address: str, host: str, caplog: pytest.LogCaptureFixture
) -> None:
    try:
        endpoint = serve_prometheus(port=0, address=address)
    except OSError:
        pytest.skip(f"this machine has no {address}")
    try:
        assert endpoint.url.startswith(f"http://{host}:")
        scrape(endpoint.url)  # it is answered there
    finally:
        endpoint.close()
        endpoint.close()
    assert caplog.records == []
