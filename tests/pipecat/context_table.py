"""Which conversations reach the LLM whole, with each STT service: the table of the docs.

Run `python -m tests.pipecat.context_table`; with names, only conversations whose name contains one
of them; `-v` prints each fault.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence

from loguru import logger

from tests.pipecat.contenders import SERVICES
from tests.pipecat.conversation import Conversation, Outcome
from tests.pipecat.conversations import conversations
from tests.pipecat.stage import converse
from tests.pipecat.tone_server import tone_server
from tests.support import virtual_time


async def hold(conversation: Conversation, service: str) -> Outcome:
    """Hold one conversation with the service of this name."""
    async with tone_server(conversation.habits) as server:
        return await converse(conversation, SERVICES[service], server.url)


def main(arguments: Sequence[str]) -> None:
    logger.remove()
    verbose = "-v" in arguments
    services = [each for each in arguments if each in SERVICES] or list(SERVICES)
    names = [each for each in arguments if each not in (*SERVICES, "-v")]
    passed: Counter[str] = Counter()
    chosen = [
        each for each in conversations() if not names or any(name in each.name for name in names)
    ]
    for conversation in chosen:
        for service in services:
            if service == "official" and conversation.server_turns:
                continue
            faults = virtual_time.run(hold(conversation, service)).faults
            passed[service] += not faults
            if verbose and faults:
                sys.stdout.write(f"{service}: {conversation}: {'; '.join(faults)}\n")
    sys.stdout.write(f"{len(chosen)} {dict(passed)}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
