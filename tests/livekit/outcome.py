"""What came of a call through an agent session."""

from __future__ import annotations

from dataclasses import dataclass, field

from livekit.agents import llm

from tests.support.scenarios import Call, differences


@dataclass(slots=True)
class Outcome:
    """What came of a call.

    Attributes:
        call: What was said.
        messages: The user's messages in the history at the end.
        requests: For each request to the language model, the user's messages that it was given.
        errors: The session's errors that were not recoverable.
        reply_delays: Seconds from the caller's last sound to each reply.
        transcribed: Seconds of audio in the session's usage of its STT.
    """

    call: Call
    messages: list[str] = field(default_factory=list)
    requests: list[list[str]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    reply_delays: list[float] = field(default_factory=list)
    transcribed: float = 0.0

    @property
    def faults(self) -> list[str]:
        """How the history differs from what was said; [] where each turn has all its words."""
        return differences(self.call.turns, self.messages)


def user_messages(context: llm.ChatContext) -> list[str]:
    """The user's messages."""
    return [
        item.text_content or ""
        for item in context.items
        if isinstance(item, llm.ChatMessage) and item.role == "user"
    ]
