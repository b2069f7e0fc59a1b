"""The service's settings: Pipecat's store and delta on one side, `PulseOptions` on the other."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from pipecat.services.settings import STTSettings
from pipecat.transcriptions.language import Language
from pipecat.utils.types import NOT_GIVEN, NotGiven, assert_given

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.core.base.languages import LANGUAGES, normalize
from pulse_plugins.core.config.keywords import Keywords
from pulse_plugins.core.config.options import PulseOptions, wire_fields
from pulse_plugins.pipecat.frames import Voice

InterimRedaction = Literal["hold", "pass"]

# Decided when the service is made: they say what the bytes on the wire are.
_FIXED = frozenset({"encoding", "sample_rate"})
RUNTIME_OPTIONS = tuple(each.name for each in wire_fields() if each.name not in _FIXED)


def _not_given() -> NotGiven:
    return NOT_GIVEN


@dataclass
class PulseSTTSettings(STTSettings):
    """Settings of `PulseSTTService` that may change during a call.

    A field that is not given stays as it is; None is the service's own default. `extra` holds
    query parameters that have no field.

    Parameters:
        external_session_id: The call's own id, up to 128 of A-Z a-z 0-9 _ - and dot.
        endpointing: The server's VAD cuts finals on trailing silence.
        endpointing_timeout_ms: The silence window of that VAD, 1 to 10000.
        eou_timeout_ms: The decoder's silence timer, 100 to 10000.
        finalize_on_words: Long speech is cut into finals.
        max_words: Words after which it is cut.
        vad_events: The server sends speech_started and speech_ended.
        vad_threshold: Undocumented; 0 to 1.
        vad_min_speech_ms: Undocumented.
        word_timestamps: Words with times on finals; needed to place text after a reconnect.
        sentence_timestamps: Utterances on finals.
        full_transcript: Cumulative text; unreliable.
        format: Master switch of the formatting.
        punctuate: Punctuation.
        capitalize: Capital letters.
        itn_normalize: Spoken to written ("twenty five" -> "25"), on finals.
        no_format_delay: Do not hold numbers back at the end of a final.
        numerals: Digits, the legacy way: true, false or "auto".
        keywords: Words to favour: `"NVIDIA:2,Acme"`, a mapping, or a list of words and pairs.
        diarize: Speakers; `TranscriptionFrame.user_id` is then the speaker's label.
        redact_pii: Placeholders for personal data, on finals.
        redact_pci: Placeholders for payment data, on finals.
        emotion_detection: Emotion on finals, `model="pulse-2"` only.
        gender_detection: Gender on finals, `model="pulse-2"` only.
        speaker_format: How diarized text is written, such as `"<{speaker}>{text}</{speaker}>"`.
            Local: changing it makes no connection.
        interim_redaction: `"hold"`: no interims while redaction is on, because they carry the
            clear text; `"pass"`: interims as they come. Local.
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

    LOCAL_FIELDS: ClassVar[frozenset[str]] = frozenset({"speaker_format", "interim_redaction"})

    @classmethod
    def store(cls, options: PulseOptions, *deltas: STTSettings | None) -> PulseSTTSettings:
        """A complete store that says what these options say, and then these deltas."""
        settings = cls(speaker_format=None, interim_redaction="hold")
        settings.adopt(options)
        for delta in deltas:
            if delta is not None:
                settings.apply_update(delta)  # type: ignore[arg-type]  # it goes by names
        return settings

    def adopt(self, options: PulseOptions) -> None:
        """Say what these options say; local settings stay."""
        for name in RUNTIME_OPTIONS:
            setattr(self, name, getattr(options, name))
        self.extra = dict(options.extra)

    def proposed(self, delta: STTSettings) -> PulseSTTSettings:
        """What a store would be after this delta; neither changes."""
        proposal = self.copy()
        proposal.apply_update(delta)  # type: ignore[arg-type]  # it goes by names
        return proposal

    @property
    def redacts(self) -> bool:
        """Whether clear text must not leave the service."""
        return bool(self.redact_pii or self.redact_pci)

    @property
    def holds_interims(self) -> bool:
        """Whether interims stay inside because they carry what finals redact."""
        return self.redacts and self.interim_redaction != "pass"

    def options(self, base: PulseOptions) -> PulseOptions:
        """A complete store as options, checked.

        Args:
            base: Where everything comes from that is not a setting.

        Raises:
            ConfigurationError: A setting cannot work; the text says what to change.
        """
        speaker_format = assert_given(self.speaker_format)
        if speaker_format is not None:
            _check_format(speaker_format)
        if assert_given(self.interim_redaction) not in ("hold", "pass"):
            raise ConfigurationError("interim_redaction is 'hold' or 'pass'")
        values = {name: getattr(self, name) for name in RUNTIME_OPTIONS}
        with suppress(ValueError):  # the service's group codes are no languages of the framework
            values["language"] = language_to_pulse(Language(values["language"]))
        return base.changed(**values, extra=_texts(self.extra))

    def voice(self) -> Voice:
        """How the text of a stream with these settings is labelled."""
        code = normalize(str(assert_given(self.language)))
        known = LANGUAGES.get(code)
        return Voice(
            language=code,
            detects=known is not None and known.kind == "group",
            speaker_format=assert_given(self.speaker_format),
        )


def language_to_pulse(language: Language) -> str:
    """The service's code for one of the framework's languages, its region cut off.

    A language that the service does not document loses its region too.
    """
    return normalize(str(language).partition("-")[0])


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
