"""How many live streams one process carries before its event loop runs late.

    pulse-plugins bench scale            # up to 150 streams in Pipecat and 680 elsewhere
    pulse-plugins bench scale --quick    # ours only, 60 streams

More streams in each step, until the loop is more than 20 ms late in one of a hundred cases, in a
process of its own for each step; one server, on another core. The harness is in the figures of all
alike: so is the framework. Memory is what the process grew by while the streams were opened and
spoke, each with at most three seconds of audio that is not final.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.benchmarks import plot, report
from tests.benchmarks.crowd import alone, crowd, speak_all
from tests.benchmarks.load import Lag
from tests.benchmarks.service import server_process

SECONDS = 3.0  # of audio a stream
QUICK = 1.5  # the same
LATE = 0.02  # seconds
# Steps of two fifths: what one contender carries more than another one shows from there on.
PIPECAT_STEPS = (77, 108, 150)
STEPS = (340, 480, 680)
NAMES = (
    "engine",
    "pipecat null",
    "pipecat ours",
    "pipecat official",
    "livekit null",
    "livekit ours",
    "livekit official",
)

Steps = dict[int, tuple[float, float]]  # streams -> lag in seconds, KiB a stream


async def contend(name: str, port: int, streams: int, seconds: float) -> tuple[float, float]:
    """The lag's p99 in seconds, and KiB a stream."""
    async with crowd(name, port, 1) as first:  # what is imported is nobody's share
        await speak_all(first, 0.2)
    before = _resident()
    async with crowd(name, port, streams) as calls, Lag(every=0.01) as lag:
        await speak_all(calls, seconds)
        grown = _resident() - before
    return lag.p99, grown / streams


def _resident() -> float:
    """KiB of memory that this process holds; 0 where the system does not say."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0.0
    lines = status.read_text(encoding="ascii").splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("VmRSS")))


def measure(steps: Mapping[str, Sequence[int]], seconds: float) -> dict[str, Steps]:
    """Each contender's steps, up to the first that is late."""
    found: dict[str, Steps] = {}
    with server_process() as (port, _):
        for name, counts in steps.items():
            taken = found.setdefault(name, {})
            for streams in counts:
                taken[streams] = alone(contend, name, port, streams, seconds)
                if taken[streams][0] > LATE:
                    break
    return found


def carried(steps: Steps) -> int:
    """The most streams that were not late."""
    return max((streams for streams, (lag, _) in steps.items() if lag <= LATE), default=0)


def table(found: dict[str, Steps]) -> str:
    """The most streams in time, the lag then and one step further, memory at the first step."""
    rows = []
    for name, steps in found.items():
        most, beyond = carried(steps), max(steps)
        in_time = f"{1000 * steps[most][0]:.1f}" if most else "-"
        late = f"{beyond}: {1000 * steps[beyond][0]:.0f}" if beyond != most else "-"
        rows.append([name, most or f"under {beyond}", in_time, late, steps[min(steps)][1]])
    columns = ["", "streams in time", "lag p99, ms", "first late step: lag, ms", "KiB a stream"]
    return report.table(columns, rows)


def main() -> None:
    """Run it and print the table."""
    arguments = report.arguments(str(__doc__), quick="ours only, 60 streams")
    if arguments.quick:
        found = measure({name: (60,) for name in NAMES if "ours" in name}, QUICK)
    else:
        found = measure(
            {name: PIPECAT_STEPS if "pipecat" in name else STEPS for name in NAMES}, SECONDS
        )
    text = table(found)
    groups = sorted({streams for steps in found.values() for streams in steps})
    picture = plot.dots(
        "How late the event loop runs (p99)",
        "milliseconds",
        {
            f"{streams} streams": {
                name: [1000 * found[name][streams][0]] if streams in found[name] else []
                for name in found
            }
            for streams in groups
        },
    )
    path = report.write(
        "scale",
        "Streams in one process",
        [text],
        {name: {str(n): list(figures) for n, figures in s.items()} for name, s in found.items()},
        folder=arguments.out,
        picture=picture,
    )
    print(f"{text}\n\n{path}")  # noqa: T201
    if arguments.publish:
        report.publish("scale", text)


if __name__ == "__main__":
    main()
