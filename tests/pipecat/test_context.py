"""Every word that the caller says stands in the LLM's context once, in order and in its turn.

The default run takes a share of the conversations; `--hypothesis-profile=ci` takes all.
`python -m tests.pipecat.context_table` holds more conversations, and holds them with the official
service too.
"""

from __future__ import annotations

import pytest

from tests.pipecat.context_table import hold
from tests.pipecat.conversation import Conversation
from tests.pipecat.conversations import conversations
from tests.support.profiles import share


@pytest.mark.parametrize("conversation", share(conversations([0.4]), 10), ids=str)
async def test_an_all_knowing_service_passes(conversation: Conversation) -> None:
    """What fails here would be the framework's or the conversation's own fault."""
    assert (await hold(conversation, "perfect")).faults == []


@pytest.mark.parametrize("conversation", share(conversations([0.2, 0.9]), 4), ids=str)
async def test_every_word_reaches_the_llm_once_in_order_and_in_its_turn(
    conversation: Conversation,
) -> None:
    assert (await hold(conversation, "ours")).faults == []
