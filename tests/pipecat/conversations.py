"""The conversations that every STT service must bring to the LLM whole: once, in order, in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from pipecat.frames.frames import STTUpdateSettingsFrame

from pulse_plugins.pipecat import PulseSTTService
from tests.pipecat.conversation import Conversation, Do, end
from tests.pipecat.tone_server import Habits
from tests.support.scenarios import Cough, NoAudio, Pause, Say

STARTS = (
    "vad+transcription",
    "vad",
    "transcription",
    "final",
    "3 words",
    "3 final words",
    "wake phrase+vad+transcription",
)
STOPS = ("timeout", "analyzer", "completion")

_CHANGE = Do(lambda: STTUpdateSettingsFrame(delta=PulseSTTService.Settings(keywords="Pipecat:2")))
_THREE_TURNS = (Say(5), *end(), Say(12), *end(), Say(23), *end())


Latencies = Sequence[float]  # seconds from audio to its result
ALL_LATENCIES: Latencies = (0.05, 0.2, 0.4, 0.6, 0.9)


def groups(latencies: Latencies = ALL_LATENCIES) -> dict[str, list[Conversation]]:
    """All conversations by what they try; their names are unique."""
    made = {name: list(make(latencies)) for name, make in _GROUPS.items()}
    names = [each.name for group in made.values() for each in group]
    assert len(set(names)) == len(names), "two conversations have one name"
    return made


def conversations(latencies: Latencies = ALL_LATENCIES) -> list[Conversation]:
    return [each for group in groups(latencies).values() for each in group]


def _strategies(latencies: Latencies) -> Iterator[Conversation]:
    for start in STARTS:
        for stop in STOPS:
            for latency in latencies:
                yield Conversation(
                    f"{start}, {stop}, {latency:g} s",
                    _THREE_TURNS,
                    Habits(latency=latency),
                    start=start,
                    stop=stop,
                )


def _lengths(latencies: Latencies) -> Iterator[Conversation]:
    for latency in latencies:
        for words in (1, 9, 10, 11, 20, 31):
            yield Conversation(
                f"turn of {words} words, {latency:g} s",
                (Say(words), *end(), Say(words), *end()),
                Habits(latency=latency),
            )


def _pauses(latencies: Latencies) -> Iterator[Conversation]:
    for latency in latencies:
        for pause in (0.15, 0.3, 0.45):
            yield Conversation(
                f"pause of {pause:g} s, {latency:g} s",
                (Say(4), Pause(pause), Say(4), Pause(pause), Say(8), *end(), Say(3), *end()),
                Habits(latency=latency),
            )
        for pause in (0.45, 0.7, 1.2, 2.0):
            yield Conversation(
                f"pause of {pause:g} s, analyzer, {latency:g} s",
                (Say(4), Pause(pause), Say(4), Pause(pause), Say(8), *end(), Say(3), *end()),
                Habits(latency=latency),
                stop="analyzer",
            )


def _soft_callers(latencies: Latencies) -> Iterator[Conversation]:
    for latency in latencies:
        for stop in ("timeout", "analyzer"):
            yield Conversation(
                f"soft caller, {stop}, {latency:g} s",
                (Say(6, soft=True), *end(4.5), Say(13, soft=True), *end(4.5)),
                Habits(latency=latency),
                stop=stop,
            )
        yield Conversation(
            f"soft caller pauses, {latency:g} s",
            (Say(6, soft=True), Pause(0.4), Say(6, soft=True), *end(4.5)),
            Habits(latency=latency),
        )
        yield Conversation(
            f"caller grows soft, {latency:g} s",
            (Say(6), Say(6, soft=True), *end(8.0), Say(3), *end()),
            Habits(latency=latency),
            stop="analyzer",
        )


def _server_habits(latencies: Latencies) -> Iterator[Conversation]:
    for latency in latencies:
        for flag in (True, False):
            for empty in (True, False):
                for timed in (True, False):
                    if flag and empty and timed:
                        continue
                    habits = Habits(latency=latency, flag=flag, answers_empty=empty, timed=timed)
                    name = ", ".join(
                        text
                        for text, holds in (
                            ("unmarked", not flag),
                            ("no empty answers", not empty),
                            ("no word times", not timed),
                        )
                        if holds
                    )
                    yield Conversation(
                        f"{name}, {latency:g} s",
                        (Say(5), *end(), Say(10), *end(), Say(12), Pause(0.4), Say(9), *end()),
                        habits,
                    )
        yield Conversation(
            f"no answers, {latency:g} s",
            (Say(5), *end(6.0), Say(12), *end(6.0)),
            Habits(latency=latency, answers=False, window=9.0),
        )
        yield Conversation(
            f"fast endpointing, {latency:g} s",
            (Say(5), Pause(0.45), Say(12), *end(), Say(3), *end()),
            Habits(latency=latency, window=0.3),
        )
        yield Conversation(
            f"cough before the turn, {latency:g} s",
            (Cough(), Pause(1.0), Say(5), *end(), Cough(), Pause(0.4), Say(12), *end()),
            Habits(latency=latency),
            stop="analyzer",
        )


def _speakers_and_secrets(latencies: Latencies) -> Iterator[Conversation]:
    speakers = {number: number // 4 % 2 for number in range(60)}
    secrets = frozenset({2, 7, 12, 19, 20, 30})
    yield Conversation(
        "cough before a redacted turn, no empty answers",
        (Cough(), Pause(1.6), Say(9), *end()),
        Habits(answers_empty=False, secrets=secrets),
        {"redact_pii": True},
    )
    for latency in latencies:
        yield Conversation(
            f"two speakers pause before a final starts the turn, {latency:g} s",
            (Say(4), *end(), Say(12), Pause(0.45), Say(9), *end()),
            Habits(latency=latency, speakers=speakers),
            {"diarize": True},
            start="final",
            stop="analyzer",
        )
        for start in STARTS[:-1]:
            yield Conversation(
                f"two speakers, {start}, {latency:g} s",
                (Say(6), *end(), Say(14), *end()),
                Habits(latency=latency, speakers=speakers),
                {"diarize": True},
                start=start,
                stop="analyzer",
            )
            yield Conversation(
                f"redacted, {start}, {latency:g} s",
                (Say(6), *end(), Say(14), *end()),
                Habits(latency=latency, secrets=secrets),
                {"redact_pii": True},
                start=start,
                stop="analyzer",
                bot=8.0,
            )


def _interruptions(latencies: Latencies) -> Iterator[Conversation]:
    for latency in latencies:
        for start in STARTS[:-1]:
            for stop in ("timeout", "analyzer"):
                yield Conversation(
                    f"bot interrupted, {start}, {stop}, {latency:g} s",
                    (Say(4), *end(2.5), Say(14), *end(2.5), Say(5), *end()),
                    Habits(latency=latency),
                    start=start,
                    stop=stop,
                    bot=8.0,
                )


def _faults(latencies: Latencies) -> Iterator[Conversation]:
    turns = (Say(8), *end(5.0), Say(12), *end(5.0))
    for start in ("vad+transcription", "final", "3 final words"):
        for at in (1.65, 2.75, 3.1, 3.3, 9.6, 11.3):
            for outage in (0.0, 1.5):
                yield Conversation(
                    f"drop at {at:g} s for {outage:g} s, {start}",
                    turns,
                    Habits(drop_at=at, outage=outage),
                    start=start,
                )
    for stop in ("timeout", "analyzer", "completion"):
        for outage in (1.5, 2.5):
            for at in (0.5, 1.5):
                pause = 0.5 if stop == "timeout" else 1.0  # the VAD reports both
                yield Conversation(
                    f"drop {at:g} s after a pause for {outage:g} s, {stop}",
                    (Say(3), Pause(pause), Say(6), *end(8.0)),
                    Habits(latency=0.2, drop_at=1.4 + pause + at, outage=outage),
                    stop=stop,
                )
    yield Conversation(
        "server falls silent",
        (Say(8), Pause(0.3), Say(20), *end(12.0), Say(3), *end(6.0)),
        Habits(deaf_from=1.65),
        stop="analyzer",
    )
    for outage in (0.0, 1.0, 3.0):
        yield Conversation(
            f"soft caller, drop after a cut for {outage:g} s",
            (Say(9, soft=True), *end(8.0), Say(3, soft=True), *end(4.5)),
            Habits(max_words=3, drop_at=1.62, outage=outage),
        )
    for latency in latencies:
        yield Conversation(
            f"options changed in mid-speech, {latency:g} s",
            (Say(5), _CHANGE, Say(9), *end(), Say(3), *end()),
            Habits(latency=latency),
        )
        yield Conversation(
            f"options changed in mid-word, {latency:g} s",
            (Say(5), Pause(0.0), _CHANGE, Say(9), *end(), Say(3), *end()),
            Habits(latency=latency, doubles=True),
        )


def _mutes(latencies: Latencies) -> Iterator[Conversation]:
    muted = (Say(3, unheard=True), Pause(1.5), Say(4), *end(), Say(12), *end())
    for latency in latencies:
        for mute in ("first speech", "until first", "always"):
            yield Conversation(
                f"muted by '{mute}', {latency:g} s",
                muted,
                Habits(latency=latency),
                mute=mute,
                greeting=2.3,
            )
            yield Conversation(
                f"muted by '{mute}', untimed, {latency:g} s",
                muted,
                Habits(latency=latency, timed=False),
                mute=mute,
                greeting=2.3,
            )
        yield Conversation(
            f"speech begins muted and goes on, {latency:g} s",
            (Say(4, unheard=True), Say(6), *end(), Say(12), *end()),
            Habits(latency=latency),
            mute="first speech",
            greeting=0.5 + 4 * 0.3 + 0.02,
        )
        yield Conversation(
            f"muted by a function call, {latency:g} s",
            (Say(4), *end(2.0), Say(3, unheard=True), Pause(2.0), Say(5), *end()),
            Habits(latency=latency),
            mute="function call",
            function_call=4.0,
        )


def _server_turns(latencies: Latencies) -> Iterator[Conversation]:
    for latency in latencies:
        server = Conversation("", (), Habits(latency=latency), server_turns=True)
        yield replace(server, name=f"server turns, {latency:g} s", steps=_THREE_TURNS)
        yield replace(
            server,
            name=f"server turns, pause, {latency:g} s",
            steps=(Say(4), Pause(0.4), Say(9), *end(), Say(3), *end()),
        )
        yield replace(
            server,
            name=f"server turns, bot interrupted, {latency:g} s",
            steps=(Say(4), *end(2.5), Say(14), *end()),
            bot=8.0,
        )
        yield replace(
            server,
            name=f"server turns, audio stops in mid-speech, {latency:g} s",
            steps=(Say(4), *end(0.0), NoAudio(6.0), Pause(0.5), Say(12), *end()),
        )
        yield replace(
            server,
            name=f"server turns, muted, {latency:g} s",
            steps=(Say(3, unheard=True), Pause(1.5), Say(4), *end(), Say(12), *end()),
            mute="first speech",
            greeting=2.3,
        )
        yield replace(
            server,
            name=f"server turns, speech begins muted and goes on, {latency:g} s",
            steps=(Say(4, unheard=True), Say(6), *end(), Say(12), *end()),
            mute="first speech",
            greeting=0.5 + 4 * 0.3 + 0.02,
        )
        yield replace(
            server,
            name=f"server turns, drop, {latency:g} s",
            steps=(Say(8), *end(5.0), Say(12), *end(5.0)),
            habits=Habits(latency=latency, drop_at=1.65),
        )
        yield replace(
            server,
            name=f"server turns, options changed after the last word, {latency:g} s",
            steps=(Say(4), *end(0.2), _CHANGE, Pause(4.5), Say(3), *end()),
        )
        if latency <= 0.2:  # the pause is too short for later results
            yield replace(
                server,
                name=f"server turns, drop when all was cut, {latency:g} s",
                steps=(Say(9), Pause(0.4), Say(3), *end(), Say(3), *end()),
                habits=Habits(latency=latency, max_words=3, drop_at=3.24 + latency),
            )
        yield replace(
            server,
            name=f"server turns, outage, {latency:g} s",
            steps=(Say(8), *end(5.0), Say(12), *end(5.0)),
            habits=Habits(latency=latency, drop_at=1.65, outage=1.5),
        )
        yield replace(
            server,
            name=f"server turns, outage in a long turn, {latency:g} s",
            steps=(Say(22), *end(5.0), Say(3), *end(5.0)),
            habits=Habits(latency=latency, drop_at=2.56, outage=1.0),
        )


def _ends(latencies: Latencies) -> Iterator[Conversation]:
    for latency in latencies:
        yield Conversation(
            f"hung up after the last word, {latency:g} s",
            (Say(4), *end(), Say(13), *end(0.0)),
            Habits(latency=latency),
        )


_GROUPS: dict[str, Callable[[Latencies], Iterator[Conversation]]] = {
    "every start and stop strategy": _strategies,
    "turns of 1 to 31 words": _lengths,
    "pauses within a turn": _pauses,
    "callers too soft for the VAD": _soft_callers,
    "servers of other behaviour": _server_habits,
    "two speakers, redaction": _speakers_and_secrets,
    "the bot is interrupted": _interruptions,
    "lost connections, changed options": _faults,
    "mute strategies": _mutes,
    "the server decides the turns": _server_turns,
    "the caller hangs up": _ends,
}
