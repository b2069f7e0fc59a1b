"""How one server differs from the next: a switch of the peer server for each observed habit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from pulse_plugins.local.recognizers.contract import Decoder
from pulse_plugins.local.recognizers.scripted import ScriptedDecoder


@dataclass(slots=True)
class Habits:
    """What the peer server does; the defaults are a server without surprises.

    Attributes:
        latency: Seconds from the arrival of audio or a request to what the server says about it:
            one figure, or the least and the most of a random one. Messages keep their order.
        seed: Of every random choice of the server.
        vad: It sends speech_started and speech_ended.
        flag: It marks answers with from_finalize; "itn": only when the client set itn_normalize.
        answers_empty: It answers a finalize when no words are pending.
        window: Seconds of silence after which it ends a segment and speech; None: never.
        max_words: It cuts a segment after so many words.
        interim_every: It sends an interim for every so many new words; 0: no interims.
        word_times: Whether finals have word times; "rounded": to 10 ms.
        repeats_finals: It sends every so many-th final twice; 0: none.
        doubles_word: A finalize in mid-word is answered with that word, which the next final
            contains again, with a start so many seconds later; None: the word is in the next
            final only.
        overtakes: A final overtakes the last interim of its segment.
        last: What says `is_last`: the final of the rest, an empty message after that final, or a
            message that repeats it.
        error_every: It reports an in-band error after every so many finals and goes on; 0: none.
        punctuates: Finals begin with a capital and end with a full stop; interims do not.
        redacts: It replaces these words in finals.
        speakers: Every two seconds of audio the other one of two speaks; or the speaker of each
            word, where a word that is missing has speaker 0.
        refusals: HTTP statuses for the next handshakes, in order.
        decoder: Makes what hears a connection at a sample rate.
    """

    latency: float | tuple[float, float] = 0.0
    seed: int = 0
    vad: bool = True
    flag: bool | Literal["itn"] = True
    answers_empty: bool = True
    window: float | None = 0.3
    max_words: int | None = None
    interim_every: int = 1
    word_times: bool | Literal["rounded"] = True
    repeats_finals: int = 0
    doubles_word: float | None = None
    overtakes: bool = False
    last: Literal["words", "empty", "repeat"] = "words"
    error_every: int = 0
    punctuates: bool = False
    redacts: frozenset[str] = frozenset()
    speakers: bool | Mapping[str, int] = False
    refusals: list[int] = field(default_factory=list)
    decoder: Callable[[int], Decoder] = ScriptedDecoder

    def marks(self, query: Mapping[str, str]) -> bool:
        """Whether an answer on a connection with this query has from_finalize."""
        if self.flag == "itn":
            return query.get("itn_normalize") == "true"
        return self.flag

    def speaker(self, word: str, start: float) -> int | None:
        """The speaker of a word, or None without diarization."""
        if isinstance(self.speakers, Mapping):
            return self.speakers.get(word, 0)
        return int(start / 2.0) % 2 if self.speakers else None
