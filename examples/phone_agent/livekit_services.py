"""The dialogue and the offline voice behind LiveKit's interfaces."""

from __future__ import annotations

from typing import Any

from livekit.agents import APIConnectOptions, llm, tts
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, NOT_GIVEN, NotGivenOr
from livekit.agents.utils import shortuuid

from examples.phone_agent import voice
from examples.phone_agent.dialogue import Dialogue, Reply


class DialogueLLM(llm.LLM[Any]):
    """Answers with the dialogue, in the place of a language model.

    Args:
        dialogue: Decides what the agent says.

    Attributes:
        last: The newest reply, which says whether the call ends.
    """

    def __init__(self, dialogue: Dialogue) -> None:
        super().__init__()
        self.dialogue = dialogue
        self.last = Reply("")

    def chat(
        self,
        *,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool] | None = None,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
        parallel_tool_calls: NotGivenOr[bool] = NOT_GIVEN,
        tool_choice: NotGivenOr[llm.ToolChoice] = NOT_GIVEN,
        extra_kwargs: NotGivenOr[dict[str, Any]] = NOT_GIVEN,
    ) -> llm.LLMStream:
        """Answer the caller's last turn."""
        return _Answer(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)


class _Answer(llm.LLMStream):
    async def _run(self) -> None:
        assert isinstance(self._llm, DialogueLLM)
        last = self.chat_ctx.items[-1]
        said = (last.text_content or "") if isinstance(last, llm.ChatMessage) else ""
        self._llm.last = await self._llm.dialogue.hear(said)
        delta = llm.ChoiceDelta(role="assistant", content=self._llm.last.text)
        self._event_ch.send_nowait(llm.ChatChunk(id=shortuuid(), delta=delta))


class OfflineTTS(tts.TTS[Any]):
    """The offline voice as the framework's text-to-speech."""

    def __init__(self) -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=False),
            sample_rate=voice.SAMPLE_RATE,
            num_channels=1,
        )

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.ChunkedStream:
        """Speak a sentence."""
        return _Speech(tts=self, input_text=text, conn_options=conn_options)


class _Speech(tts.ChunkedStream):
    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        output_emitter.initialize(
            request_id=shortuuid(),
            sample_rate=voice.SAMPLE_RATE,
            num_channels=1,
            mime_type="audio/pcm",
        )
        async for piece in voice.stream(self.input_text):
            output_emitter.push(piece)
        output_emitter.flush()
