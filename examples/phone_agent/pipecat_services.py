"""The services of the Pipecat bot: real ones if their keys are set, otherwise stand-ins.

| role | with a key | without |
|---|---|---|
| STT | Pulse in the cloud (`SMALLEST_API_KEY`) | the local Pulse server (`PULSE_URL`) |
| LLM | OpenAI-compatible (`OPENAI_API_KEY`, `OPENAI_BASE_URL`) | the dialogue of this folder |
| TTS | Smallest's (`SMALLEST_API_KEY`) | eSpeak NG |

The log names each stand-in at the beginning of a call.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from loguru import logger
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import (
    EndWorkerFrame,
    Frame,
    InputDTMFFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TTSSpeakFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.processors.frameworks.rtvi import RTVIServerMessageFrame
from pipecat.services.llm_service import FunctionCallParams
from pipecat.services.settings import TTSSettings
from pipecat.services.stt_service import STTService
from pipecat.services.tts_service import TTSService

from examples.phone_agent import voice
from examples.phone_agent.dialogue import Dialogue, Reply
from examples.phone_agent.settings import setting
from pulse_plugins import PulseOptions
from pulse_plugins.pipecat import PulseSTTService

INSTRUCTIONS = (
    "You answer the phone of a restaurant and book tables. Be brief: one sentence, then one "
    "question. You need the number of people, the day, the time, a name and a phone number. Pass "
    "what the caller says to `take`, word for word, and say what it returns."
)


class DialogueLLM(FrameProcessor):
    """Answers with the dialogue, in the place of a language model.

    Args:
        dialogue: Decides what the agent says.
    """

    def __init__(self, dialogue: Dialogue) -> None:
        super().__init__()
        self._dialogue = dialogue

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Answer the caller's turns and keys, and pass on every other frame."""
        await super().process_frame(frame, direction)
        match frame:
            case LLMContextFrame():
                if (text := _last_turn(frame.context)) is not None:
                    await self._say(await self._dialogue.hear(text))
            case InputDTMFFrame():
                reply = await self._dialogue.press(frame.button.value)
                if reply is not None:
                    await self._say(reply)
            case _:
                await self.push_frame(frame, direction)

    async def _say(self, reply: Reply) -> None:
        await self.push_frame(RTVIServerMessageFrame({"kind": "booking", **self._dialogue.shown()}))
        await self.push_frame(LLMFullResponseStartFrame())
        await self.push_frame(LLMTextFrame(reply.text))
        await self.push_frame(LLMFullResponseEndFrame())
        if reply.ends:
            await self.push_frame(EndWorkerFrame(), FrameDirection.UPSTREAM)


class OfflineTTSService(TTSService):
    """The offline voice as the framework's text-to-speech."""

    def __init__(self) -> None:
        super().__init__(
            push_start_frame=True,
            push_stop_frames=True,
            settings=TTSSettings(model="espeak-ng", voice="en-us", language=None),
        )

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        """Speak a sentence."""
        async for frame in self._stream_audio_frames_from_iterator(
            voice.stream(text), in_sample_rate=voice.SAMPLE_RATE, context_id=context_id
        ):
            await self.stop_ttfb_metrics()
            yield frame


def make_stt(pulse_url: str | None = None) -> STTService:
    """Make the speech-to-text service. It runs at the pipeline's rate: 8 kHz on the telephone.

    Args:
        pulse_url: The URL of a Pulse server. None means `PULSE_URL`, and without that the cloud.
    """
    settings = PulseSTTService.Settings(language="en", keywords=["booking", "table"])
    url = pulse_url or setting("PULSE_URL")
    if url is None:
        return PulseSTTService(settings=settings)  # raises an error if there is no key
    logger.warning(f"STT is a stand-in: the local Pulse server at {url}")
    return PulseSTTService(settings=settings, options=PulseOptions(base_url=url))


def make_llm(dialogue: Dialogue, context: LLMContext) -> FrameProcessor:
    """Make a language model that uses the dialogue as its tool, or the dialogue alone.

    Args:
        dialogue: Decides what the agent says.
        context: The language model's context, which receives the instructions and the tool.
    """
    key = setting("OPENAI_API_KEY")
    if key is None:
        logger.warning("LLM is a stand-in: a fixed dialogue, no language model")
        return DialogueLLM(dialogue)
    from pipecat.services.openai.llm import OpenAILLMService

    llm = OpenAILLMService(api_key=key, base_url=setting("OPENAI_BASE_URL"))

    async def take(call: FunctionCallParams) -> None:
        reply = await dialogue.hear(str(call.arguments.get("words", "")))
        await call.result_callback({"say": reply.text})
        if reply.ends:
            await llm.push_frame(EndWorkerFrame(), FrameDirection.UPSTREAM)

    llm.register_function("take", take)
    words = {"words": {"type": "string", "description": "What the caller said."}}
    schema = FunctionSchema("take", "Give the caller's words to the booking.", words, ["words"])
    context.add_message({"role": "system", "content": INSTRUCTIONS})
    context.set_tools(ToolsSchema(standard_tools=[schema]))
    return llm


def make_tts() -> TTSService:
    """Make the text-to-speech service: Smallest's, or the offline voice."""
    key = setting("SMALLEST_API_KEY")
    if key is None:
        logger.warning("TTS is a stand-in: eSpeak NG")
        return OfflineTTSService()
    from pipecat.services.smallest.tts import SmallestTTSService

    return SmallestTTSService(api_key=key)


def greeting(dialogue: Dialogue) -> TTSSpeakFrame:
    """The frame that speaks the agent's first words."""
    return TTSSpeakFrame(dialogue.greet().text)


def _last_turn(context: LLMContext) -> str | None:
    """The caller's words since the agent spoke last."""
    said: list[str] = []
    for message in reversed(context.get_messages()):
        if not isinstance(message, dict) or message.get("role") != "user":
            break
        content = message.get("content")
        said.append(content if isinstance(content, str) else "")
    return " ".join(reversed(said)) or None
