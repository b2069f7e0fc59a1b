"""Pushes frames for the events of the engine, with one final for each utterance.

Pipecat's turn logic commits a turn with the final transcripts that it has, and deletes frames that
are queued behind the transcript that starts a turn. Therefore `UtteranceAssembler` joins the
segments that the server cuts. Interims carry all words of the open utterance, and the final is
pushed when the end of the utterance is known.

A lock keeps words that a timer releases in order with the next event. The methods that the
framework's audio task calls (`speech_started`, `speech_stopped`, `finalize`) do not wait.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, assert_never

from pipecat.transcriptions.language import Language

from pulse_plugins.core.base.events import Final, Interim, SpeechEnded, SpeechStarted
from pulse_plugins.core.base.redaction import without_clear_text
from pulse_plugins.core.client.stream import PulseStream
from pulse_plugins.core.transcript.utterance import Released, UtteranceAssembler
from pulse_plugins.pipecat.eager_turn import EagerTurn
from pulse_plugins.pipecat.frames import Voice, final_frames, interim_frame, note_times
from pulse_plugins.pipecat.late_interims import LateInterims
from pulse_plugins.pipecat.muting import MuteFilter
from pulse_plugins.pipecat.participants import Participants
from pulse_plugins.pipecat.proposed_turn import ProposedTurn
from pulse_plugins.pipecat.sink import TranscriptSink

_RECENT = 2.0  # seconds of audio that hold the newest words of an interim
_PAST = 5.0  # seconds before the last final; no text comes for older audio
# Seconds without audio after which a turn that the server's VAD has opened is closed. The server is
# sent no silence then, so that it would never close the turn. Deepgram's Flux takes the same time.
# A shorter gap of the network leaves the turn open.
_AUDIO_GAP = 0.5
# Seconds until a server reports that speech started: 0.1 s of speech, and 0.9 s of result latency.
_SPEECH_STARTS = 1.0


class Emitter:
    """Pushes the frames of one stream.

    Args:
        sink: The service that pushes the frames.
        stream: The stream of the engine.
        voice: The label of the first audio.
        proposes_turns: The server's VAD decides the turns.
    """

    def __init__(
        self, sink: TranscriptSink, stream: PulseStream, voice: Voice, *, proposes_turns: bool
    ) -> None:
        self._sink = sink
        self._stream = stream
        self._proposes_turns = proposes_turns
        self._now = asyncio.get_running_loop().time
        self.utterance = UtteranceAssembler(language=voice.language)
        self._mute = MuteFilter()
        self._turn = ProposedTurn(sink)
        self._late_interims = LateInterims()
        self._voices: deque[tuple[float, Voice]] = deque([(0.0, voice)], maxlen=16)
        self._shown = ""  # the newest interim of the utterance
        self._order = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._finalize_at: float | None = None  # when the delayed finalize is due
        self._gap_at: float | None = None  # when the open turn's audio is next looked at
        self._is_online = True  # False: no text can come, so quiet proves nothing
        self._vad_is_lost = False  # no server that listens knows of the open turn
        self._gap_time: float | None = None  # stream_time of the gap that closed the turn
        self.audio_at = 0.0  # when audio came last
        self.eager = EagerTurn(sink) if sink.predicts_ends and proposes_turns else None
        self.people = Participants()

    # Calls of the pipeline. None of them awaits.

    def speech_started(self) -> None:
        """The user speaks."""
        self._finalize_at = None
        self._vad_is_lost = False
        self.utterance.speech_started()
        self._late_interims.speech_started()
        self._arm()

    def speech_stopped(self, ended: float) -> None:
        """The user paused: send a finalize request, after the delay of the settings.

        Args:
            ended: When speech ended, in seconds of `time.time()`.
        """
        self._sink.latency.speech_ended(ended)
        self.utterance.speech_stopped()
        delay = self._sink.settings.delay_of_finalize
        if delay == 0:
            self.finalize()
        elif delay is not None:
            self._finalize_at = self._now() + delay
        self._arm()

    def finalize(self) -> None:
        """Ask for the pending words; their final completes the turn."""
        self._finalize_at = None
        if self._vad_is_lost:
            self._vad_is_lost = False
            self.utterance.speech_stopped()
        self._sink.expect_final(self)
        stream = self._stream
        mark = stream.stream_time
        self.utterance.requested(stream.request_finalize(), self._now(), mark)
        self._arm()

    def audio_muted(self) -> None:
        """The audio is muted: ask for the words before, which must not wait for later audio."""
        if self._proposes_turns and self.utterance.caller_speaks:
            self.speech_stopped(time.time())  # the server is sent no audio that ends the speech
        else:
            self._stream.request_finalize()

    def user_muted(self) -> None:
        """The framework drops what the user says from now on."""
        self._mute.started()
        self._turn.mute()

    def user_unmuted(self) -> None:
        """The framework hears the user again. Words from before must not come afterwards."""
        if not self._mute.muted:
            return
        self._mute.stopped(self._stream.stream_time, self._stream.request_finalize())
        self.utterance.discard()
        self._shown = ""
        self._spawn(self._unmute(), "pulse_unmute")
        self._arm()

    def voice_from(self, stream_time: float, voice: Voice) -> None:
        """Audio from this stream_time on has this label."""
        self._voices.append((stream_time, voice))
        self.utterance.language = voice.language

    # Events of the engine.

    async def take(self, event: Interim | Final | SpeechStarted | SpeechEnded) -> None:
        """Push the frames for an event."""
        async with self._order:
            match event:
                case Interim():
                    await self._interim(event)
                case Final():
                    await self._final(event)
                case SpeechStarted():
                    await self._speech_started()
                    await self._sink.tell("on_speech_started", event.time)
                case SpeechEnded():
                    await self._speech_ended(event)
                    await self._sink.tell("on_speech_ended", event.time)
                case _:
                    assert_never(event)
            self._arm()

    def disconnected(self) -> None:
        """Note that no text can come until there is another connection."""
        self._is_online = False

    def connected(self) -> None:
        """Note that another connection is open, which is sent audio again."""
        self._is_online = True
        self.server_changed()
        self.recovered()

    def recovered(self) -> None:
        """Leave time for the server's text about the audio that was sent last."""
        self.utterance.no_text_before(self._now() + _SPEECH_STARTS)
        if self._vad_is_lost:  # it has not said that speech goes on
            self.server_changed()

    def server_changed(self) -> None:
        """Another connection is in use, whose server does not know the open turn.

        If speech goes on, that server reports its start. Otherwise it never reports an end, and a
        finalize request closes the turn. The request is delayed, because all audio before it may be
        transcribed already, and its answer would then end the turn in the middle of a sentence.
        """
        if self._proposes_turns and self.utterance.caller_speaks:
            self._vad_is_lost = True
            self._finalize_at = self._now() + _SPEECH_STARTS
        self._arm()

    async def flush(self) -> None:
        """No more text will come for the open turn: push what is held, and close the turn."""
        async with self._order:
            await self._release(self.utterance.flush())
            await self._turn.stop()

    async def close(self) -> None:
        """End all tasks, and close a proposed turn that is still open."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for task in tuple(self._tasks):
            await self._sink.cancel_task(task)
        await self._turn.stop()

    # Parts.

    async def _interim(self, event: Interim) -> None:
        now, language = self._stream.stream_time, self.utterance.language
        if self._mute.hides_interims or self._late_interims.repeats(event.text, now, language):
            return
        if event.text:
            await self._notice_speech_after_gap()
        released = self.utterance.interim(event, self._now())
        await self._note_for_prediction(event)
        await self._release(released)
        if not (event.text or self.utterance.is_open or self.utterance.expects_text):
            await self._turn.stop()  # the server's VAD did not hear the noise, and tells no end

    async def _final(self, event: Final) -> None:
        settings = self._sink.settings
        if settings.redacts:
            event = without_clear_text(event)
        if event.text and settings.is_doubtful(event.confidence):
            event = replace(event, text="", words=(), utterances=())
        event = self._mute.final(event)
        released = self.utterance.final(event, self._now())
        await self._note_for_prediction(event)
        await self._release(released)
        self.people.forget_before(event.start - _PAST)

    async def _speech_started(self) -> None:
        if self._proposes_turns:
            self._gap_at, self._gap_time = self._now() + _AUDIO_GAP, None
            self.speech_started()
            if self.eager is not None:
                await self.eager.withdraw()
            await self._turn.start()

    async def _speech_ended(self, event: SpeechEnded) -> None:
        if not self._proposes_turns or self._stream.input_over:
            return
        self._gap_at = self._gap_time = None
        if self.utterance.caller_speaks or self.utterance.is_open:
            ended = time.time() - max(0.0, self._stream.stream_time - event.time)
            await self._sink.speech_ended_at(ended)
            self.speech_stopped(ended)
            if self.eager is not None:
                await self.eager.ended(self._now(), self.people.newest, self._language)

    @property
    def _language(self) -> Language | None:
        return self._voices[-1][1].language_of()

    async def _note_for_prediction(self, event: Interim | Final) -> None:
        if self.eager is not None and not self._sink.settings.holds_interims:
            await self.eager.heard(event, self.utterance.text, self._now())

    async def _notice_speech_after_gap(self) -> None:
        """Start a turn again after a gap in the audio, which the server's VAD does not report."""
        gap = self._gap_time
        if gap is not None and self._stream.stream_time > gap and not self.utterance.awaits_answer:
            await self._speech_started()

    def _audio_is_missing(self, now: float) -> None:
        """No audio came for a while in a turn that the server's VAD has opened."""
        self._gap_at, self._gap_time = None, self._stream.stream_time
        if self.utterance.caller_speaks:
            self.speech_stopped(time.time() - (now - self.audio_at))

    async def _release(self, released: Released) -> None:
        if released.final is not None:
            await self._release_final(released)
        if (interim := released.interim) is None:
            return
        if self._sink.settings.holds_interims:  # the open segment is clear text
            interim = replace(interim, text=self.utterance.closed_text)
        if interim.text == self._shown:
            return
        if not self._shown:
            await self._sink.tell("on_turn_started", interim.text)
        self._shown = interim.text
        if interim.text and self._sink.settings.shows_interims:
            await self._push_interim(interim)

    async def _push_interim(self, interim: Interim) -> None:
        await self._turn.start() if self._proposes_turns else None
        now = self._stream.stream_time
        user_id = self.people.between(max(interim.start, now - _RECENT), now)
        await self._sink.push_frame(interim_frame(interim, self._voices[-1][1], user_id))

    async def _release_final(self, released: Released) -> None:
        utterance, final = self.utterance, released.final
        assert final is not None
        is_over = released.complete or not utterance.expects_text
        if final.text:
            self._shown = ""
            if self.eager is not None:
                self.eager.left(final.text)
            if released.complete:  # before anything is awaited: speech may start meanwhile
                now = self._stream.stream_time
                self._late_interims.completed(final.text, now, utterance.language)
            await self._push(released)
        elif released.complete and self._sink.is_last_final(self):
            await self._sink.forget_finalize()
        if is_over:
            if self._proposes_turns:
                await self._turn.stop()
            if final.text:
                await self._sink.tell("on_end_of_turn", final.text)

    async def _push(self, released: Released) -> None:
        if self._proposes_turns:
            await self._turn.start()
        await self._sink.report_usage()  # before the frame, to which tracing attaches it
        frames = final_frames(
            released.segments,
            self._voice_of,
            self.people,
            self._sink.settings.format_of_speakers,
            joined=self._sink.joins_speakers,
        )
        completes = released.complete and self._sink.is_last_final(self)
        given = time.time() - (self._now() - self.audio_at)  # when the newest audio came
        for frame in frames:
            note_times(frame, given - self._stream.stream_time)
            frame.finalized = completes and frame is frames[-1]
            await self._sink.push_transcription(frame)
        if completes:
            self._sink.latency.completed(time.time())

    def _voice_of(self, final: Final) -> Voice:
        """The label of a final: that of the options with which its audio was sent."""
        middle = (final.start + final.end) / 2
        for since, voice in reversed(self._voices):
            if middle >= since:
                return voice
        return self._voices[0][1]

    async def _unmute(self) -> None:
        async with self._order:
            await self._turn.unmute()

    # Time.

    def _arm(self) -> None:
        """Set one timer to the earliest deadline. After the end of the input none is needed."""
        if self._stream.input_over:
            return
        eager = None if self.eager is None else self.eager.deadline
        times = (self.utterance.deadline, self._finalize_at, self._gap_at, eager)
        at = min((each for each in times if each), default=None)
        if at is None:
            return
        if self._timer is not None:
            if self._timer.when() <= at:
                return  # it looks again when it fires
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(at, self._expire)

    def _expire(self) -> None:
        self._timer = None
        if self._stream.input_over:
            return
        now = self._now()
        if self._gap_at is not None and self._gap_at <= now:
            self._gap_at = self.audio_at + _AUDIO_GAP
            if self._gap_at <= now:
                self._audio_is_missing(now)
        if self._finalize_at is not None and self._finalize_at <= now:
            self.finalize()
        deadline = self.utterance.deadline if self._is_online else None
        if self.eager is not None and (self.eager.deadline or now + 1.0) <= now:
            self._spawn(self._predict(), "pulse_prediction")
        elif deadline is not None and deadline <= now:
            self._spawn(self._advance(), "pulse_late_final")
        else:
            self._arm()

    async def _advance(self) -> None:
        async with self._order:
            now = self._now()
            if self.utterance.wants_finalize(now) and not self._stream.input_over:
                self.finalize()
            else:
                await self._release(self.utterance.advance(now))
            self._arm()

    async def _predict(self) -> None:
        async with self._order:
            if self.eager is not None:
                await self.eager.stable(self._now(), self.people.newest, self._language)
            self._arm()

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = self._sink.create_task(work, name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
