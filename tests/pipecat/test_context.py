"""Every word that the caller says stands in the LLM's context once, in order and in its turn.

The default run takes a share of the conversations; `--hypothesis-profile=ci` takes all.
`python -m tests.pipecat.context_table` holds more conversations, and holds them with the official
service too.
"""

from __future__ import annotations

import pytest

from tests.pipecat.context_table import hold
from tests.pipecat.conversation import Conversation, end
from tests.pipecat.conversations import conversations
from tests.pipecat.tone_server import Habits
from tests.support.profiles import share
from tests.support.scenarios import Pause, Say


@pytest.mark.parametrize("conversation", share(conversations([0.4]), 10), ids=str)
async def test_an_all_knowing_service_passes(conversation: Conversation) -> None:
    """What fails here would be the framework's or the conversation's own fault."""
    assert (await hold(conversation, "perfect")).faults == []


@pytest.mark.parametrize("conversation", share(conversations([0.2, 0.9]), 4), ids=str)
async def test_every_word_reaches_the_llm_once_in_order_and_in_its_turn(
    conversation: Conversation,
) -> None:
    assert (await hold(conversation, "ours")).faults == []


@pytest.mark.parametrize(("stop", "pause"), [("timeout", 0.5), ("analyzer", 1.0)])
async def test_a_turn_is_whole_though_the_server_reads_slowly_what_an_outage_held(
    stop: str, pause: float
) -> None:
    steps = (Say(3), Pause(pause), Say(12), *end(8.0), Say(3), *end())
    habits = Habits(drop_at=1.9 + pause, outage=2.0, speed=1.5)
    conversation = Conversation("a slow server", steps, habits, stop=stop)
    assert (await hold(conversation, "ours")).faults == []


@pytest.mark.parametrize(("words", "outage"), [(3, 1.5), (5, 2.0)])
async def test_a_late_answer_to_a_pause_before_does_not_divide_the_turn(
    words: int, outage: float
) -> None:
    """The answer comes while the caller goes on, and the server is behind still."""
    steps = (Say(3), Pause(0.8), Say(words), Pause(0.8), Say(8), *end(8.0), Say(3), *end())
    habits = Habits(drop_at=2.6, outage=outage, speed=1.5)
    conversation = Conversation("a slow server", steps, habits, stop="analyzer")
    assert (await hold(conversation, "ours")).faults == []
