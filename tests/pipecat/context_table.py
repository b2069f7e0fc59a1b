"""Which conversations reach the LLM whole, with each STT service.

`python -m tests.pipecat.context_table` writes the table into docs/benchmarks.md. With words as
arguments it holds only conversations whose name contains one of them, and prints each fault.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from loguru import logger

from tests.benchmarks import report
from tests.pipecat.contenders import SERVICES
from tests.pipecat.conversation import Conversation, Outcome
from tests.pipecat.conversations import conversations, groups
from tests.pipecat.stage import converse
from tests.pipecat.tone_server import tone_server
from tests.support import virtual_time

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
_TABLE = re.compile(r"(<!-- context_pipecat -->\n).*?(<!-- /context_pipecat -->)", re.DOTALL)


async def hold(conversation: Conversation, service: str) -> Outcome:
    """Hold one conversation with the service of this name."""
    if service == "official":  # it takes no turns from the server: the pipeline's VAD decides
        conversation = replace(conversation, server_turns=False)
    async with tone_server(conversation.habits) as server:
        return await converse(conversation, SERVICES[service], server.url)


def faults(conversation: Conversation, service: str) -> list[str]:
    return virtual_time.run(hold(conversation, service)).faults


def main(arguments: Sequence[str]) -> None:
    logger.remove()
    if arguments:
        _print(arguments)
        return
    table = _table()
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(_TABLE.sub(rf"\g<1>{table}\g<2>", text), encoding="utf-8")
    report.compare()  # the README quotes the last row


def _print(words: Sequence[str]) -> None:
    for conversation in conversations():
        if any(word in conversation.name for word in words):
            for service in SERVICES:
                found = "; ".join(faults(conversation, service)) or "whole"
                sys.stdout.write(f"{service}: {conversation}: {found}\n")


def _table() -> str:
    rows = [
        "| conversations | number | ours | official | all-knowing |",
        "|---|---|---|---|---|",
    ]
    sums = [0] * (1 + len(SERVICES))
    for name, group in groups().items():
        passed = [sum(not faults(each, service) for each in group) for service in SERVICES]
        sums = [total + more for total, more in zip(sums, (len(group), *passed), strict=True)]
        rows.append(_row(name, len(group), *passed))
    rows.append(_row("all", *sums))
    return "\n".join(rows) + "\n"


def _row(name: str, *cells: int) -> str:
    return f"| {' | '.join((name, *map(str, cells)))} |"


if __name__ == "__main__":
    main(sys.argv[1:])
