"""The service's settings: Pipecat's store and delta on one side, `PulseOptions` on the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.settings import STTSettings
from pipecat.transcriptions.language import Language
from pipecat.utils.errors import ErrorCategory
from pipecat.utils.types import NOT_GIVEN, NotGiven, assert_given

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.core.base.languages import is_group, normalize
from pulse_plugins.core.config.keywords import Keywords
from pulse_plugins.core.config.options import PulseOptions, wire_fields
from pulse_plugins.pipecat.frames import Voice

InterimRedaction = Literal["hold", "pass"]

DEFAULT_LANGUAGE = "en"  # the default of the official service
_LONGEST_DELAY = 5.0  # seconds; the framework ends the turn without its words after 5 s
# These are set when the service is made, because they describe the bytes on the wire.
_FIXED = frozenset({"encoding", "sample_rate"})
RUNTIME_OPTIONS = tuple(each.name for each in wire_fields() if each.name not in _FIXED)


# The local settings with their defaults.
_LOCAL: Mapping[str, object] = {
    "speaker_format": None,
    "interim_redaction": "hold",
    "interim_results": True,
    "min_confidence": None,
    "finalize_delay": 0.0,
}


def _not_given() -> NotGiven:
    return NOT_GIVEN


@dataclass
class PulseSTTSettings(STTSettings):
    """Settings of `PulseSTTService` that may change during a call.

    A field that is not given keeps its value. None selects the default of the service, and English
    for `language`. `extra` holds query parameters that have no field. A change of a field that is
    marked as local needs no new connection.

    Parameters:
        external_session_id: Your id of the call, up to 128 of A-Z a-z 0-9 _ - and dot.
        endpointing: The server's VAD ends a segment after silence.
        endpointing_timeout_ms: The length of that silence in ms, 1 to 10000.
        eou_timeout_ms: Silence in ms after which the decoder ends a segment, 100 to 10000.
        finalize_on_words: Long speech is cut into several finals.
        max_words: The number of words after which speech is cut.
        vad_events: The server sends speech_started and speech_ended.
        vad_threshold: Undocumented; 0 to 1.
        vad_min_speech_ms: Undocumented.
        word_timestamps: Finals carry words with times. A replay after a lost connection needs them.
        sentence_timestamps: Finals carry sentences with times.
        full_transcript: Finals carry the text of all finals so far.
        format: Switch for all formatting.
        punctuate: Punctuation.
        capitalize: Capital letters.
        itn_normalize: Finals show spoken numbers as digits ("twenty five" as "25").
        no_format_delay: A number at the end of a final is sent at once.
        numerals: The legacy option for numbers as digits: true, false or "auto".
        keywords: Words to favour: `"NVIDIA:2,Acme"`, a mapping, or a list of words and pairs.
        diarize: Tell speakers apart. `TranscriptionFrame.user_id` is the label of the speaker.
        redact_pii: Finals show placeholders for personal data.
        redact_pci: Finals show placeholders for payment data.
        emotion_detection: Finals carry the emotion, with `model="pulse-2"` only.
        gender_detection: Finals carry the gender, with `model="pulse-2"` only.
        speaker_format: The format of text with known speakers, such as
            `"<{speaker}>{text}</{speaker}>"`. Local.
        interim_redaction: With `"hold"` and redaction, interims show closed segments only, because
            the text of the open segment is not redacted. With `"pass"`, interims show all text.
            Local.
        interim_results: Whether interim transcripts are pushed. Local.
        min_confidence: Finals with a lower average confidence (0 to 1) are dropped. None keeps all
            finals. Local.
        finalize_delay: Seconds from the end of speech to the finalize request. A shorter pause then
            does not cut a number in two. None: no request is sent, and the endpointing of the
            service ends the utterance. Local.
    """

    external_session_id: str | NotGiven | None = field(default_factory=_not_given)
    endpointing: bool | NotGiven | None = field(default_factory=_not_given)
    endpointing_timeout_ms: int | NotGiven | None = field(default_factory=_not_given)
    eou_timeout_ms: int | NotGiven | None = field(default_factory=_not_given)
    finalize_on_words: bool | NotGiven | None = field(default_factory=_not_given)
    max_words: int | NotGiven | None = field(default_factory=_not_given)
    vad_events: bool | NotGiven | None = field(default_factory=_not_given)
    vad_threshold: float | NotGiven | None = field(default_factory=_not_given)
    vad_min_speech_ms: int | NotGiven | None = field(default_factory=_not_given)
    word_timestamps: bool | NotGiven = field(default_factory=_not_given)
    sentence_timestamps: bool | NotGiven | None = field(default_factory=_not_given)
    full_transcript: bool | NotGiven | None = field(default_factory=_not_given)
    format: bool | NotGiven | None = field(default_factory=_not_given)
    punctuate: bool | NotGiven | None = field(default_factory=_not_given)
    capitalize: bool | NotGiven | None = field(default_factory=_not_given)
    itn_normalize: bool | NotGiven | None = field(default_factory=_not_given)
    no_format_delay: bool | NotGiven | None = field(default_factory=_not_given)
    numerals: bool | str | NotGiven | None = field(default_factory=_not_given)
    keywords: Keywords | NotGiven | None = field(default_factory=_not_given)
    diarize: bool | NotGiven | None = field(default_factory=_not_given)
    redact_pii: bool | NotGiven | None = field(default_factory=_not_given)
    redact_pci: bool | NotGiven | None = field(default_factory=_not_given)
    emotion_detection: bool | NotGiven | None = field(default_factory=_not_given)
    gender_detection: bool | NotGiven | None = field(default_factory=_not_given)
    speaker_format: str | NotGiven | None = field(default_factory=_not_given)
    interim_redaction: InterimRedaction | NotGiven = field(default_factory=_not_given)
    interim_results: bool | NotGiven = field(default_factory=_not_given)
    min_confidence: float | NotGiven | None = field(default_factory=_not_given)
    finalize_delay: float | NotGiven | None = field(default_factory=_not_given)

    LOCAL_FIELDS: ClassVar[frozenset[str]] = frozenset(_LOCAL)

    @classmethod
    def store(cls, options: PulseOptions, *deltas: STTSettings | None) -> PulseSTTSettings:
        """Make a complete store from options, and apply deltas to it."""
        settings = cls(**_LOCAL)  # type: ignore[arg-type]  # each value is of its field's type
        settings.adopt(options)
        for delta in deltas:
            if delta is not None:
                settings.apply_update(delta)  # type: ignore[arg-type]  # it goes by names
        return settings

    def adopt(self, options: PulseOptions) -> None:
        """Take the values of these options. Local settings keep their values."""
        for name in RUNTIME_OPTIONS:
            setattr(self, name, getattr(options, name))
        self.extra = dict(options.extra)

    def proposed(self, delta: STTSettings) -> PulseSTTSettings:
        """Return a copy of a store with this delta applied."""
        proposal = self.copy()
        proposal.apply_update(delta)  # type: ignore[arg-type]  # it goes by names
        return proposal

    @property
    def redacts(self) -> bool:
        """Whether finals are redacted."""
        return bool(self.redact_pii or self.redact_pci)

    @property
    def holds_interims(self) -> bool:
        """Whether interims hide the open segment, which is not redacted."""
        return self.redacts and self.interim_redaction != "pass"

    @property
    def shows_interims(self) -> bool:
        """Whether interim transcripts are pushed."""
        return self.interim_results is not False

    @property
    def format_of_speakers(self) -> str | None:
        """The format of text with known speakers; None: unchanged."""
        return assert_given(self.speaker_format)

    @property
    def delay_of_finalize(self) -> float | None:
        """Seconds from the end of speech to the finalize request; None: no request."""
        return assert_given(self.finalize_delay)

    def is_doubtful(self, confidence: float | None) -> bool:
        """Whether a final of this confidence is dropped. Unknown confidence is accepted."""
        least = assert_given(self.min_confidence)
        return least is not None and confidence is not None and confidence < least

    def options(self, base: PulseOptions) -> PulseOptions:
        """Make checked options from a complete store.

        Args:
            base: The options for everything that is not a setting.

        Raises:
            ConfigurationError: A setting cannot work; the text says what to change.
        """
        self._check_local()
        values = {name: getattr(self, name) for name in RUNTIME_OPTIONS}
        if values["language"] is None:
            values["language"] = DEFAULT_LANGUAGE
        with suppress(ValueError):  # the service's group codes are no languages of the framework
            values["language"] = language_to_pulse(Language(values["language"]))
        return base.changed(**values, extra=_texts(self.extra))

    def _check_local(self) -> None:
        speaker_format = assert_given(self.speaker_format)
        if speaker_format is not None:
            _check_format(speaker_format)
        if assert_given(self.interim_redaction) not in ("hold", "pass"):
            raise ConfigurationError("interim_redaction is 'hold' or 'pass'")
        if not isinstance(self.interim_results, bool):
            raise ConfigurationError("interim_results is True or False")
        least = assert_given(self.min_confidence)
        if least is not None and not (_is_number(least) and 0 <= least <= 1):
            raise ConfigurationError("min_confidence is a number from 0 to 1, or None")
        delay = assert_given(self.finalize_delay)
        if delay is not None and not (_is_number(delay) and 0 <= delay <= _LONGEST_DELAY):
            raise ConfigurationError(
                f"finalize_delay is seconds from 0 to {_LONGEST_DELAY:g}, or None: never"
            )


def voice_of(options: PulseOptions) -> Voice:
    """The labels of text from a connection with these options."""
    return Voice(options.language, detects=is_group(options.language))


def language_to_pulse(language: Language) -> str:
    """The service's code for one of the framework's languages, its region cut off.

    A language that the service does not document loses its region too.
    """
    return normalize(str(language).partition("-")[0])


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _texts(extra: Mapping[str, object]) -> dict[str, str]:
    """Query parameters as the wire writes them; None means: do not send."""
    return {
        name: ("true" if value else "false") if isinstance(value, bool) else str(value)
        for name, value in extra.items()
        if value is not None
    }


def _check_format(text: str) -> None:
    try:
        text.format(speaker="1", text="hello")
    except (IndexError, KeyError, ValueError) as error:
        raise ConfigurationError(
            "speaker_format takes {speaker} and {text}, such as '{speaker}: {text}'"
        ) from error


async def accepted(
    service: FrameProcessor,
    delta: STTSettings,
    settings: PulseSTTSettings,
    options: Callable[[PulseSTTSettings], PulseOptions],
) -> PulseOptions | None:
    """The options that a delta leads to; None: they cannot work, which an error frame tells.

    The mistake is the application's and says nothing about the service, which goes on as it was.

    Args:
        service: Pushes the error frame.
        delta: The change.
        settings: The present settings.
        options: Makes options of settings, or raises what is wrong with them.
    """
    try:
        return options(settings.proposed(delta))
    except (TypeError, ValueError) as error:  # ConfigurationError is a ValueError
        await service.push_error(f"settings unchanged: {error}", category=ErrorCategory.APPLICATION)
        return None
