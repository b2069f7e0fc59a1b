"""Time from the VAD's stop to the end of the user's turn in Pipecat, with both services.

    pulse-plugins bench turns_pipecat [--quick] [--out FOLDER] [--publish]

The framework's own parts decide: Silero VAD on real recorded speech in real time, the speech
timeout strategy with a floor of 0.2 s (0.6 s where the caller goes on speaking) or the default one
with its smart-turn model, and the user aggregator. The server's finals leave 120 ms late and its
words are the recording's own.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.frames.frames import (
    EndFrame,
    Frame,
    InputAudioRawFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
    UserTurnStoppedMessage,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner

from pulse_plugins.local import PulseServer, ServerOptions, recordings
from pulse_plugins.local.recordings import Recording
from tests.benchmarks import plot, report
from tests.benchmarks.contender import FRAME_SECONDS, Contender, hush
from tests.benchmarks.load import Lag
from tests.benchmarks.pipecat_contenders import PipecatOfficial, PipecatOurs
from tests.benchmarks.readers import ReadingRecognizer, bare

Kind = type[PipecatOurs | PipecatOfficial]
COMPARED: tuple[Kind, ...] = (PipecatOurs, PipecatOfficial)
_SERVER = ServerOptions(latency_interim=0.05, latency_final=0.12)
TAIL = 2.5  # seconds of silence after the last word
ROUNDS = 2
TOGETHER = 7  # pipelines at once, each with a VAD of its own


@dataclass(frozen=True, slots=True)
class Case:
    """One way in which a turn's last words can come.

    Attributes:
        title: As the table says it.
        server: How the server behaves.
        stop_secs: Silero's: silence after which it says that speech ended.
        floor: The strategy's: how long the caller may still go on; None: the framework's default
            strategy, in which the smart-turn model decides.
        pause: Seconds between the recording's two turns, where it is not the recording's own.
    """

    title: str
    server: ServerOptions = _SERVER
    stop_secs: float = 0.2
    floor: float | None = 0.2
    pause: float | None = None


CASES = (
    Case("server marks its answers"),
    Case("server sends no from_finalize", replace(_SERVER, from_finalize="never")),
    Case(
        "no answer if nothing is pending",
        replace(_SERVER, from_finalize="never", answer_empty=False),
    ),
    Case("server endpointing before the VAD", stop_secs=1.0),
    Case("finals cut every four words", replace(_SERVER, max_words=4)),
    Case("caller resumes after 0.3 s", floor=0.6, pause=0.3),
    Case("smart-turn model decides", floor=None),
)


@dataclass(frozen=True, slots=True)
class TurnEnd:
    """A turn that the framework took as complete.

    Attributes:
        delay: Seconds from the last VAD stop before it.
        text: What the aggregator put together.
    """

    delay: float
    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """One recording through one pipeline."""

    case: str
    contender: str
    recording: str
    ends: tuple[TurnEnd, ...]
    missing: int  # words of the recording that are in no turn
    split: int  # turns beyond those of the caller


class _Ear(FrameProcessor):
    """Remembers when the VAD said that speech ended; it stands where its frames arrive upstream."""

    def __init__(self) -> None:
        super().__init__(enable_direct_mode=True)
        self.stopped = 0.0

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, VADUserStoppedSpeakingFrame):
            self.stopped = time.perf_counter()
        await self.push_frame(frame, direction)


def paused(recording: Recording, pause: float | None) -> Recording:
    """The recording with this pause between its two turns."""
    if pause is None:
        return recording
    first, second = recording.turns
    rate = recording.sample_rate
    gone = second.start - first.end - pause
    cut = round((first.end + pause) * rate)
    samples = np.concatenate(
        (recording.samples[:cut], recording.samples[round(cut + gone * rate) :])
    )
    moved = replace(second, start=second.start - gone, end=second.end - gone)
    return replace(recording, samples=samples, turns=(first, moved))


def _strategies(case: Case) -> UserTurnStrategies:
    if case.floor is None:
        return UserTurnStrategies()
    return UserTurnStrategies(
        stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=case.floor)]
    )


async def call(case: Case, kind: Kind, name: str, ready: asyncio.Barrier) -> Call:
    """Play a recording into a pipeline, when all are ready, and see when its turns end."""
    recording = paused(recordings.load(name), case.pause)
    rate = recording.sample_rate
    options = replace(case.server, recognizer=ReadingRecognizer(recording.turns))
    async with PulseServer(options) as server:
        ear = _Ear()
        pair = LLMContextAggregatorPair(
            LLMContext(),
            user_params=LLMUserAggregatorParams(
                vad_analyzer=SileroVADAnalyzer(params=VADParams(stop_secs=case.stop_secs)),
                user_turn_strategies=_strategies(case),
            ),
        )
        user = pair.user()
        worker = PipelineWorker(
            Pipeline([ear, kind(server.url, rate).service(), user]),
            params=PipelineParams(audio_in_sample_rate=rate),
            cancel_on_idle_timeout=False,
            enable_rtvi=False,
        )
        started = asyncio.Event()
        ends: list[TurnEnd] = []

        async def on_started(*_: object) -> None:
            started.set()

        async def on_stopped(_: object, __: object, message: UserTurnStoppedMessage) -> None:
            ends.append(TurnEnd(time.perf_counter() - ear.stopped, message.content or ""))

        worker.add_event_handler("on_pipeline_started", on_started)
        user.add_event_handler("on_user_turn_stopped", on_stopped)
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(worker)
        running = asyncio.create_task(runner.run())
        await started.wait()
        await ready.wait()
        await _play(worker, recording)
        heard = tuple(ends)
        await worker.queue_frame(EndFrame())
        await running
    said = Counter(bare(recording.text))
    missing = (said - Counter(bare(" ".join(each.text for each in heard)))).total()
    turns = 1 if case.pause is not None else len(recording.turns)
    return Call(case.title, kind.name, name, heard, missing, len(heard) - turns)


async def _play(worker: PipelineWorker, recording: Recording) -> None:
    """Real time, with faint noise under it, as a line has."""
    tail = np.zeros(round(TAIL * recording.sample_rate), np.int16)
    whole = np.concatenate((recording.samples, tail))
    noise = np.random.default_rng(1).normal(0.0, 6.0, len(whole))
    data = np.clip(whole + noise, -32768, 32767).astype(np.int16)
    size = round(recording.sample_rate * FRAME_SECONDS)
    began = time.perf_counter()
    for index, start in enumerate(range(0, len(data), size), 1):
        piece = data[start : start + size].tobytes()
        await worker.queue_frame(InputAudioRawFrame(piece, recording.sample_rate, 1))
        await asyncio.sleep(max(0.0, began + index * FRAME_SECONDS - time.perf_counter()))


async def run(names: Sequence[str]) -> tuple[list[Call], Lag]:
    """Every recording and case with both services, and the loop's lag meanwhile."""
    whole = [(case, kind, name) for name in names for case in CASES for kind in COMPARED]
    calls: list[Call] = []
    async with Lag() as lag:
        for first in range(0, len(whole), TOGETHER):
            batch = whole[first : first + TOGETHER]
            # No model is loaded while a call runs.
            ready = asyncio.Barrier(len(batch))
            calls += await asyncio.gather(*(call(*each, ready) for each in batch))
    return calls, lag


def delays(calls: Sequence[Call], case: str, kind: type[Contender]) -> list[float]:
    """All turn ends of a cell."""
    cell = [each for each in calls if each.case == case and each.contender == kind.name]
    return [end.delay for each in cell for end in each.ends]


def turns_table(calls: Sequence[Call]) -> str:
    """A row a case: p50 and p95 of both, and what went wrong with the words."""
    rows: list[list[object]] = []
    for case in CASES:
        row: list[object] = [case.title]
        for kind in COMPARED:
            found = delays(calls, case.title, kind)
            row += [report.percentile(found, 50), report.percentile(found, 95)]
        row.append(len(delays(calls, case.title, PipecatOurs)))
        rows.append(row)
    columns = [f"{_plugin(kind.name)} {p}, s" for kind in COMPARED for p in ("p50", "p95")]
    return report.table(["case", *columns, "turns"], rows)


def _plugin(name: str) -> str:
    return name.removeprefix("pipecat ")


def main() -> None:
    """Run it, print the table, draw the plot."""
    arguments = report.arguments(str(__doc__), quick="one recording, once")
    hush()
    names = recordings.names()
    calls, lag = asyncio.run(run(names[:1] if arguments.quick else names * ROUNDS))
    table = turns_table(calls)
    faults = [
        f"{each.contender}, {each.case}, {each.recording}: {each.missing} words missing, "
        f"{each.split:+d} turns"
        for each in calls
        if each.missing or each.split
    ]
    notes = [*faults, str(lag)]
    drawing = plot.drawing(
        "Pipecat: from the VAD's stop to the end of the user's turn",
        "seconds: one dot for each turn, a line and a number at the median",
        {c.title: {_plugin(k.name): delays(calls, c.title, k) for k in COMPARED} for c in CASES},
    )
    path = report.write(
        "turns_pipecat",
        "From the VAD's stop to the end of the turn in Pipecat",
        [table, *notes],
        {"calls": [asdict(each) for each in calls], "lag_p99": lag.p99},
        folder=arguments.out,
        picture=drawing(plot.LIGHT),
    )
    print("\n\n".join([table, *notes, str(path)]))  # noqa: T201
    if arguments.publish:
        lag.refuse_to_publish()
        report.publish("turns_pipecat", table, drawing)


if __name__ == "__main__":
    main()
