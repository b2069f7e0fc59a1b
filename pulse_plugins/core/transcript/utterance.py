"""Joins the segments that the server cuts into one utterance with one final.

The server cuts a final after a number of words, after a silence of its decoder, and at its own
endpointing. Turn logic that receives such a final commits a turn with part of the words, or lets
the final end a wait for the last words. Therefore an adapter passes on utterances: while the
utterance is open, interims carry all of its words; when its end is known, one final carries them.

The end of an utterance is known in one of these cases:

1. The newest finalize request is answered. The answer contains all words before its mark; words
   after the mark stay open.
2. The caller is silent, no request is outstanding and no text came for `Policy.quiet_seconds`.
   Nothing on the wire tells a cut by endpointing from a cut by word count, so silence decides.
3. An interim stays open for `Policy.open_seconds` while the caller is silent. `wants_finalize`
   then asks the adapter for a finalize request, and case 1 follows.
4. The utterance is longer than the bounds of a monologue. It leaves while the caller goes on.
5. `flush` is called because nothing more will come.

Nothing here reads a clock: `now` is any steady clock in seconds, and `deadline` says when to call
`advance`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec

from pulse_plugins.core.base.events import Final, Interim
from pulse_plugins.core.base.languages import spaceless


@dataclass(frozen=True, slots=True)
class Policy:
    """How long an utterance may stay open; all times in seconds.

    Attributes:
        quiet_seconds: Closed segments leave after this time without new text while the caller is
            silent. The service cuts at its endpointing 0.3 to 0.6 s after the last word, so a
            shorter time would split a sentence at a pause.
        open_seconds: The same while an interim is open: its final is still to come.
        monologue_seconds: Age at which an utterance leaves while the caller is heard to go on.
        monologue_words: Number of words at which it leaves.
        deaf_seconds: Age at which it leaves when no voice detector hears the caller. A release
            then ends the turn, so the bound is much longer.
    """

    quiet_seconds: float = 0.5
    open_seconds: float = 2.5
    monologue_seconds: float = 15.0
    monologue_words: int = 60
    deaf_seconds: float = 60.0


class Released(msgspec.Struct, frozen=True):
    """What an adapter passes on.

    Attributes:
        interim: All words of the open utterance, or None when nothing changed.
        final: The closed utterance. Its text is empty when a request was answered without words.
        complete: The final answers the newest finalize request with everything that was said.
            False for a promoted interim, whose own words may still follow.
        segments: The segments that `final` joins, for adapters that label each by itself.
    """

    interim: Interim | None = None
    final: Final | None = None
    complete: bool = False
    segments: tuple[Final, ...] = ()


NOTHING = Released()
# Seconds before a mark. A word that begins there was under way at the mark, and word times may be
# early by this much. Shorter: such a word counts as said before the mark, and ends the wrong turn.
# Longer: the last short word before the mark stays open for the next turn.
_AT_MARK = 0.1


class UtteranceAssembler:
    """Joins the segments of one stream.

    Args:
        policy: The bounds.
        language: Code of the language; decides whether words are joined with a space.

    Attributes:
        answered_until: stream_time up to which finalize requests are answered.
    """

    def __init__(self, policy: Policy | None = None, language: str = "en") -> None:
        self.policy = policy or Policy()
        self.language = language
        self._segments: list[Final] = []  # closed by the server, not passed on yet
        self._open: Interim | None = None  # the newest interim of the segment after them
        self._awaited: int | None = None  # the newest finalize request without an answer
        self._mark: float | None = None  # stream_time of that request, where it is known
        self.answered_until = 0.0
        self._caller_speaks: bool | None = None  # None: no voice detector was heard from
        self._began_at = 0.0  # when the first text of the open utterance came
        self._text_at = 0.0  # when the newest text came

    @property
    def is_open(self) -> bool:
        """Whether any word of the utterance waits to become final."""
        return bool(self._segments) or self._open is not None

    @property
    def awaits_answer(self) -> bool:
        """Whether a finalize request of the adapter is outstanding."""
        return self._awaited is not None

    @property
    def caller_speaks(self) -> bool:
        """Whether the voice detector hears the caller; False without a detector."""
        return bool(self._caller_speaks)

    def is_answered_by(self, final: Final) -> bool:
        """Whether a final answers the newest request, since which the caller has not spoken."""
        answers, awaited = final.finalize_id, self._awaited
        return awaited is not None and answers is not None and answers >= awaited

    @property
    def expects_text(self) -> bool:
        """Whether more text is sure to come: the caller speaks, or a request is outstanding."""
        return self.caller_speaks or self.awaits_answer

    @property
    def text(self) -> str:
        """All words of the open utterance."""
        texts = [segment.text for segment in self._segments]
        if self._open is not None:
            texts.append(self._open.text)
        return self.join(*texts)

    def has_words_before(self, mark: float) -> bool:
        """Whether a closed segment has words before this stream_time, as far as is known."""
        return any(not each.words or each.start < mark for each in self._segments)

    @property
    def closed_text(self) -> str:
        """The words of the closed segments, which redaction has reached."""
        return self.join(*(segment.text for segment in self._segments))

    @property
    def joiner(self) -> str:
        """What stands between two texts of the language."""
        return "" if spaceless(self.language) else " "

    def join(self, *texts: str) -> str:
        """Texts in a row, as the language writes them."""
        return self.joiner.join(text for text in texts if text)

    # Inputs.

    def speech_started(self) -> None:
        """The voice detector hears the caller.

        An answer that is still to come completes nothing: the caller goes on with the utterance.
        """
        self._caller_speaks = True
        self._awaited = None

    def speech_stopped(self) -> None:
        """The voice detector hears the caller no more."""
        self._caller_speaks = False

    def requested(self, finalize_id: int, now: float, mark: float | None = None) -> None:
        """The adapter asked for the words of all audio so far.

        Args:
            finalize_id: What the engine returned for the request.
            now: Seconds of a steady clock.
            mark: The stream_time of the request. Without it, an answer releases all segments.
        """
        self._awaited, self._mark = finalize_id, mark
        self._text_at = now

    def no_text_before(self, time: float) -> None:
        """No text could come before this moment, so that the quiet until then proves nothing.

        Args:
            time: Seconds of the steady clock.
        """
        self._text_at = max(self._text_at, time)

    def interim(self, interim: Interim, now: float) -> Released:
        """Text of the open segment came; it replaces the text before. "" takes it back."""
        if not interim.text:
            self._open = None
            return Released(replace(interim, text=self.text))
        self._note_text(now)
        self._open = interim
        return self._shown() if not self._is_too_long(now) else self._release_closed(now)

    def final(self, final: Final, now: float) -> Released:
        """A segment closed, or a request was answered."""
        answers = final.finalize_id
        if final.text:
            self._note_text(now)
            self._segments.append(final)
        if final.text or answers is not None:
            self._open = None  # the final took the place of the interim
        if self.is_answered_by(final):
            self._awaited = None
            return self._answered(final, now)
        if not final.text:
            return NOTHING  # the answer to a request that the caller's next words overtook
        if self._is_too_long(now) or self._came_after_its_answer(final):
            return self._release_closed(now)
        return self._shown()

    def advance(self, now: float) -> Released:
        """Time has passed."""
        deadline = self.deadline
        if deadline is None or now < deadline:
            return NOTHING
        return self._release_closed(now)

    def wants_finalize(self, now: float) -> bool:
        """Whether an interim stayed open so long that the adapter should ask for its final."""
        return (
            self._open is not None
            and self._awaited is None
            and not self._caller_speaks
            and now - self._text_at >= self.policy.open_seconds
        )

    def release(self, now: float) -> Released:
        """The adapter knows that the utterance is over: what is closed leaves."""
        self._awaited = None
        return self._release_closed(now)

    def flush(self) -> Released:
        """Nothing more will come: what is closed leaves."""
        self._awaited = None
        self._open = None
        segments = self._take()
        return Released(final=self._joined(segments), segments=segments)

    def discard(self) -> None:
        """What was said so far is not wanted."""
        self._segments, self._open, self._awaited = [], None, None

    @property
    def deadline(self) -> float | None:
        """When to call `advance` or ask `wants_finalize` if nothing comes before."""
        if not self.is_open or self._awaited is not None:
            return None
        if self._caller_speaks:
            return self._began_at + self.policy.monologue_seconds if self._segments else None
        quiet = self.policy.open_seconds if self._open is not None else self.policy.quiet_seconds
        return self._text_at + quiet

    # Parts.

    def _note_text(self, now: float) -> None:
        if not self.is_open:
            self._began_at = now
        self._text_at = now

    def _answered(self, answer: Final, now: float) -> Released:
        """The newest request is answered: what was said before its mark leaves."""
        mark = self._mark
        newer: list[Final] = []
        if mark is not None:
            self.answered_until = mark
            # Seen with a cough that was taken for speech: its empty answer came after the words
            # of the turn that followed. If the server does not answer for no words, the next
            # answer holds the words of the turn that followed.
            newer = [
                each
                for each in self._segments
                if each.words and each.start >= mark - (0.0 if each is answer else _AT_MARK)
            ]
        self._segments = [each for each in self._segments if each not in newer]
        segments = self._take()
        joined = self._joined(segments) or replace(answer, text="", words=())
        self._segments = newer
        self._began_at = now
        complete = not (answer.promoted and answer.text)
        shown = self._shown().interim if newer else None
        if joined.finalize_id != answer.finalize_id:
            joined = replace(joined, finalize_id=answer.finalize_id)
        return Released(shown, joined, complete, segments)

    def _came_after_its_answer(self, final: Final) -> bool:
        """Whether a segment belongs before a request that is answered already.

        Seen on servers that mark no answer: a cut by word count was taken for the answer. Without
        word times the place of a segment is not known, and it stays open.
        """
        return (
            self._awaited is None
            and len(self._segments) == 1
            and bool(final.words)
            and final.end <= self.answered_until
        )

    def _is_too_long(self, now: float) -> bool:
        if not self._segments or self._awaited is not None:
            return False
        age = now - self._began_at
        if not self._caller_speaks:
            return age >= self.policy.deaf_seconds
        words = sum(len(segment.text.split()) for segment in self._segments)
        return age >= self.policy.monologue_seconds or words >= self.policy.monologue_words

    def _shown(self) -> Released:
        """An interim with all words of the open utterance."""
        if not self._segments:
            return Released(self._open)
        newest = self._open or self._segments[-1]
        return Released(Interim(self.text, self._segments[0].start, newest.session_id))

    def _release_closed(self, now: float) -> Released:
        """The closed segments leave as one final; an open interim begins the next utterance."""
        segments = self._take()
        if not segments:
            return NOTHING
        self._began_at = now
        shown = self._shown() if self._open is not None else NOTHING
        return Released(shown.interim, self._joined(segments), segments=segments)

    def _take(self) -> tuple[Final, ...]:
        segments, self._segments = tuple(self._segments), []
        return segments

    def _joined(self, segments: Sequence[Final]) -> Final | None:
        if len(segments) < 2:
            return segments[0] if segments else None
        return joined_final(segments, self.join(*(segment.text for segment in segments)))


def joined_final(segments: Sequence[Final], text: str) -> Final:
    """Several segments in a row as one final.

    Args:
        segments: At least one, in the order of speech.
        text: Their joined text.
    """
    last = segments[-1]
    speakers = [word.speaker for each in segments for word in each.words if word.speaker]
    return replace(
        last,
        text=text,
        start=segments[0].start,
        words=tuple(word for each in segments for word in each.words),
        promoted=any(each.promoted for each in segments),
        language=next((each.language for each in reversed(segments) if each.language), None),
        languages=tuple(dict.fromkeys(code for each in segments for code in each.languages)),
        speaker=max(dict.fromkeys(speakers), key=speakers.count) if speakers else last.speaker,
        utterances=tuple(each for segment in segments for each in segment.utterances),
        redacted_entities=tuple(name for each in segments for name in each.redacted_entities),
        emotion=next((each.emotion for each in reversed(segments) if each.emotion), None),
        gender=next((each.gender for each in reversed(segments) if each.gender), None),
    )
