"""Python bytecodes that a plugin runs for one second of audio; other load changes nothing.

    pulse-plugins bench bytecodes

Counted are all bytecodes of the process, the framework's and the libraries' too, while one stream
speaks in real time as in `overhead`, above a speech-to-text that does nothing. What C does, such as
the kernel's sends, is not in it: this stands beside the CPU time and does not replace it.
"""

from __future__ import annotations

import sys
from itertools import product
from types import FrameType
from typing import Any

from tests.benchmarks import report
from tests.benchmarks.crowd import TURN, alone, crowd, speak_all
from tests.benchmarks.overhead import FAMILIES, KINDS
from tests.benchmarks.service import server_process

SECONDS = 6.0  # of audio that are counted


async def contend(name: str, port: int, seconds: float) -> float:
    """Thousands of bytecodes per audio second of one contender, in this process."""
    count = 0

    def step(_: FrameType, event: str, __: object) -> Any:
        nonlocal count
        count += event == "opcode"
        return step

    def enter(frame: FrameType, _: str, __: object) -> Any:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return step

    async with crowd(name, port, 1) as calls:
        await speak_all(calls, TURN)
        sys.settrace(enter)
        await speak_all(calls, seconds)
        sys.settrace(None)
    return count / 1000 / seconds


def measure(seconds: float) -> dict[str, float]:
    """Each contender's."""
    with server_process() as (port, _):
        names = [f"{family} {kind}" for family, kind in product(FAMILIES, KINDS)]
        return {name: alone(contend, name, port, seconds) for name in names}


def table(found: dict[str, float]) -> str:
    """Ratios first, each above the null."""
    rows = []
    for family in FAMILIES:
        null = found[f"{family} null"]
        bare, ours, official = (found[f"{family} {kind}"] - null for kind in KINDS[1:])
        rows.append([family, ours / official, ours, official, bare, null])
    columns = [
        "thousands of bytecodes",
        "ours / official",
        "ours",
        "official",
        "bare client",
        "framework alone",
    ]
    return report.table(columns, rows)


def main() -> None:
    """Run it and print the table."""
    arguments = report.arguments(str(__doc__), quick="three seconds")
    found = measure(TURN if arguments.quick else SECONDS)
    text = table(found)
    path = report.write(
        "bytecodes", "Python run per audio second", [text], {"found": found}, folder=arguments.out
    )
    print(f"{text}\n\n{path}")  # noqa: T201
    if arguments.publish:
        report.publish("bytecodes", text)


if __name__ == "__main__":
    main()
