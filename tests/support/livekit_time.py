"""Messages of LiveKit in virtual time: a chat context is sorted by the times of its messages.

The framework's models took `time.time` when they were imported, so that their times would be those
of the real clock. A test of an agent session imports this module for what it does.
"""

from __future__ import annotations

import time

from livekit.agents import llm

for _kind in (
    llm.ChatMessage,
    llm.FunctionCall,
    llm.FunctionCallOutput,
    llm.AgentHandoff,
    llm.AgentConfigUpdate,
):
    _kind.model_fields["created_at"].default_factory = lambda: time.time()
    _kind.model_rebuild(force=True)
