"""Every word that the caller says stands in the LLM's context once, in order and in its turn."""

from __future__ import annotations

import pytest

from tests.pipecat import virtual_loop
from tests.pipecat.context_table import hold
from tests.pipecat.conversation import Conversation
from tests.pipecat.conversations import conversations


@pytest.mark.parametrize("conversation", conversations(), ids=str)
def test_an_all_knowing_service_passes(conversation: Conversation) -> None:
    """What fails here would be the framework's or the conversation's own fault."""
    assert virtual_loop.run(hold(conversation, "perfect")).faults == []
