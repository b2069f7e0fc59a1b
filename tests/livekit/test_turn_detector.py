"""Agent sessions with a turn detector of their own."""

from __future__ import annotations

from livekit.agents import llm

from tests.livekit.conversation import Conversation
from tests.livekit.outcome import user_messages
from tests.support.habits import Habits
from tests.support.scenarios import Call, EndTurn, Pause, Say


class Reader:
    """A turn detector that reads: a turn is over when it has so many words."""

    model = provider = "test"

    def __init__(self, words: int) -> None:
        self._words = words

    async def unlikely_threshold(self, language: object) -> float:
        return 0.5

    async def supports_language(self, language: object) -> bool:
        return True

    async def predict_end_of_turn(
        self, chat_ctx: llm.ChatContext, *, timeout: float | None = None
    ) -> float:
        return float(len(user_messages(chat_ctx)[-1].split()) == self._words)


async def test_a_turn_with_pauses_is_replied_to_when_all_of_its_words_can_be_read() -> None:
    """The session asks the STT for words in a pause only once its detector expects no more."""
    turn = (Say(3), Pause(1.0), Say(2), Pause(1.0), Say(2), EndTurn(), Pause(4.0))
    handling = {
        "turn_detection": Reader(7),
        "endpointing": {"min_delay": 0.4, "max_delay": 2.5},
    }
    call = Call("pauses", turn)
    talk = Conversation(call, habits=Habits(latency=0.15), turn_handling=handling)
    outcome = await talk.hold()
    assert outcome.faults == []
    # The detector of the voice takes 0.55 s, the model 0.2 s. Half of `max_delay` is 1.25 s.
    assert max(outcome.reply_delays) < 1.25
