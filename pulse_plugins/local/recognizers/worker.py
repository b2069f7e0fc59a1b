"""The process that decodes for one connection: pocketsphinx behind a pipe.

pocketsphinx holds the interpreter lock while it decodes and while it loads a model, so a thread
would stall the event loop as surely as a plain call. A request is one byte (what), four bytes (how
many follow, little-endian) and that many bytes; an answer is four bytes and JSON. The end of the
input ends the process.
"""

from __future__ import annotations

import json
import re
import signal
import struct
import sys
from collections.abc import Mapping
from typing import BinaryIO, TypedDict

import numpy as np
import pocketsphinx
from numpy.typing import NDArray

from pulse_plugins.local.recognizers.vad import SpeechDetector

OPEN, FEED, FINISH = b"O", b"F", b"E"
HEADER = struct.Struct("<cI")
LENGTH = struct.Struct("<I")

Word = tuple[str, float, float, float]  # text, start, end, confidence

MODEL_RATE = 16_000  # Hz; the acoustic model's
_FRAME = 0.01  # seconds; one step of the recognizer's clock
_LEAD = 0.3  # seconds of audio decoded from before the speech that opens a segment
_DITHER = 12.0  # steps of 16 bit; digital silence is unlike all that the model was trained on

# The mean cepstrum that the model subtracts, learned from clear speech at each rate. It adapts to
# the caller within seconds, but the first words are lost without a good start: telephone speech
# has no upper half of the spectrum.
CEPSTRAL_MEAN: Mapping[int, str] = {
    16_000: "54.6,3.3,7.0,21.8,0,0.7,5.4,-4,-2.4,-2.8,-2.4,-3,-2.6",
    8_000: "51.1,17.2,-12.5,35.9,-6.9,-0.7,13.9,-17,-2.4,-2.8,-2.4,-3,-2.6",
}


class Setup(TypedDict):
    """What the parent asks of a decoder; travels as JSON with `OPEN`."""

    sample_rate: int
    ngrams: str | None
    grammar: str | None
    dictionary: str | None
    keywords: dict[str, float]


class Doubler:
    """8 kHz to 16 kHz by a half-band filter, 1 ms of delay and nothing held back for a flush."""

    _REACH = 8
    _offsets = np.arange(-_REACH, _REACH) + 0.5
    _TAPS = np.sinc(_offsets) * np.cos(np.pi * _offsets / (2 * _REACH)) ** 2

    def __init__(self) -> None:
        self._past: NDArray[np.float64] = np.zeros(2 * self._REACH - 1)

    def double(self, pcm: NDArray[np.int16]) -> NDArray[np.int16]:
        """Twice as many samples as came in."""
        if not len(pcm):
            return pcm
        samples: NDArray[np.float64] = np.concatenate((self._past, pcm.astype(np.float64)))
        out = np.empty(2 * len(pcm))
        out[0::2] = samples[self._REACH - 1 : self._REACH - 1 + len(pcm)]
        out[1::2] = np.convolve(samples, self._TAPS, "valid")
        self._past = samples[-len(self._past) :]
        return np.clip(np.rint(out), -32768, 32767).astype(np.int16)


class SegmentDecoder:
    """Turns one stream of samples into words, segment after segment.

    Until speech is heard nothing is decoded: an idle connection costs nothing, and silence cannot
    be mistaken for words.
    """

    def __init__(self, setup: Setup) -> None:
        self._decoder = _make_decoder(setup)
        self._spelled = _boost(self._decoder, setup)
        self._rate = setup["sample_rate"]
        self.reset()

    def reset(self) -> None:
        """Be as new, for the next connection."""
        if getattr(self, "_open", False):
            self._decoder.end_utt()
        self._decoder.set_cmn(CEPSTRAL_MEAN[self._rate])
        self._noise = np.random.default_rng(0)
        self._doubler = Doubler()
        self._detector = SpeechDetector(MODEL_RATE, strictness=0)
        self._waiting = np.empty(0, np.int16)  # not decoded, as no speech was heard yet
        self._fed = 0  # samples of the model's rate
        self._open = False
        self._began = 0.0  # seconds; where the open segment's first decoded sample lies
        self._last: list[Word] = []

    def feed(self, pcm: NDArray[np.int16]) -> list[Word] | None:
        """Take samples; the open segment's words, or None where they are as before."""
        if self._rate != MODEL_RATE:
            pcm = self._doubler.double(pcm)
        self._fed += len(pcm)
        edges = self._detector.feed(pcm)
        if not self._open:
            self._waiting = np.concatenate((self._waiting, pcm))
            started = [edge.time for edge in edges if edge.kind == "speech_started"]
            if not started and not self._detector.speaking:
                self._waiting = self._waiting[-round(2 * _LEAD * MODEL_RATE) :]
                return None
            first = self._fed - len(self._waiting)
            if started:
                lead = round((started[0] - _LEAD) * MODEL_RATE)
                self._waiting = self._waiting[max(lead - first, 0) :]
            pcm, self._waiting = self._waiting, self._waiting[:0]
            self._began = (self._fed - len(pcm)) / MODEL_RATE
            self._decoder.start_utt()
            self._open = True
        noisy = pcm + self._noise.normal(0.0, _DITHER, len(pcm))
        self._decoder.process_raw(np.clip(noisy, -32768, 32767).astype(np.int16).tobytes())
        words = self._words()
        if [word[0] for word in words] == [word[0] for word in self._last]:
            return None
        self._last = words
        return words

    def finish(self) -> list[Word]:
        """Close the open segment; its final words."""
        self._waiting = self._waiting[:0]  # belongs to this segment, which had no speech
        self._last = []
        if not self._open:
            return []
        self._decoder.end_utt()
        self._open = False
        return self._words()

    def _words(self) -> list[Word]:
        words: list[Word] = []
        for segment in self._decoder.seg() or ():
            text = re.sub(r"\(\d+\)$", "", segment.word)
            text = self._spelled.get(text, text)
            if text[0] in "<[+(":  # silence, noise, and a grammar's `(NULL)`
                continue
            start = self._began + segment.start_frame * _FRAME
            end = self._began + (segment.end_frame + 1) * _FRAME
            # A phrase was heard as one: its words share its time by their length.
            parts, at = text.split(), start
            for part in parts:
                until = at + (end - start) * len(part) / sum(map(len, parts))
                words.append((part, round(at, 3), round(until, 3), min(segment.prob, 1.0)))
                at = until
        return words


def _make_decoder(setup: Setup) -> pocketsphinx.Decoder:
    options: dict[str, object] = {
        "loglevel": "FATAL",
        "fwdflat": False,  # a second pass over all the audio, which delays the end of a segment
        "bestpath": True,  # milliseconds, and the words' confidences come from it
    }
    if setup["dictionary"]:
        options["dict"] = setup["dictionary"]
    if setup["grammar"]:
        options |= {"jsgf": setup["grammar"], "lm": None, "bestpath": False}
    elif setup["ngrams"]:
        # A model of few words can be trusted more than the general one; fewer small words slip in.
        options |= {"lm": setup["ngrams"], "lw": 9.0, "wip": 0.3}
    decoder = pocketsphinx.Decoder(**options)
    if setup["dictionary"] and not _has_words(decoder, setup["dictionary"]):
        raise ValueError("the dictionary holds no pronunciation, such as `yes Y EH S`")
    return decoder


def _has_words(decoder: pocketsphinx.Decoder, dictionary: str) -> bool:
    """Whether the decoder has taken a word from this file; it passes over what it cannot read."""
    with open(dictionary, encoding="utf-8", errors="replace") as lines:
        return any(decoder.lookup_word(line.split()[0]) for line in lines if line.strip())


def _boost(decoder: pocketsphinx.Decoder, setup: Setup) -> dict[str, str]:
    """Put the keywords into the decoder's model; how what it hears is to be written.

    A phrase becomes one more word of the dictionary with the sounds of its words, and one more
    unigram. A unigram follows any word, so the phrase gets likelier everywhere by the same factor.
    A grammar has no unigrams, and a word without a known pronunciation cannot be heard.
    """
    spelled = {phrase.lower(): phrase for phrase in setup["keywords"] if len(phrase.split()) == 1}
    if setup["grammar"] or not setup["keywords"]:
        return spelled
    # Loaded anew: the model that the decoder made ignores the weight of a word that is added.
    model = pocketsphinx.NGramModel(decoder.config, decoder.logmath, decoder.config["lm"])
    count = model.add_word("keyword", 0.0001)  # the words it had; this one has no sounds
    known = _pronunciations(
        decoder, {w for phrase in setup["keywords"] for w in phrase.lower().split()}
    )
    for index, (phrase, boost) in enumerate(setup["keywords"].items()):
        sounds = [known.get(word) for word in phrase.lower().split()]
        if boost <= 0 or not sounds or None in sounds:
            continue
        entry = f"keyword-{index}"
        decoder.add_word(entry, " ".join(filter(None, sounds)), False)
        model.add_word(entry, boosted_probability(boost) * (count + 1))
        spelled[entry] = phrase
    # Under a name of its own: replacing the search that is active ends in a crash.
    decoder.add_lm("boosted", model)
    decoder.activate_search("boosted")
    return spelled


def _pronunciations(decoder: pocketsphinx.Decoder, words: set[str]) -> dict[str, str]:
    """The sounds of each word that is in the decoder's dictionary or in all of CMUdict."""
    sounds = {word: found for word in words if (found := decoder.lookup_word(word))}
    missing = words - sounds.keys()
    if missing:
        path = pocketsphinx.get_model_path("en-us/cmudict-en-us.dict")
        with open(path, encoding="utf-8") as dictionary:
            for line in dictionary:
                word, _, found = line.strip().partition(" ")
                if word in missing:
                    sounds[word] = found.strip()
    return sounds


def boosted_probability(boost: float) -> float:
    """How likely a keyword is where the model knows nothing of it."""
    return float(min(10.0 ** (boost - 5.0), 0.5))


def _loaded(setup: Setup) -> SegmentDecoder:
    try:
        return SegmentDecoder(setup)
    except (RuntimeError, ValueError) as error:  # what pocketsphinx makes of a broken file
        raise SystemExit(f"a model, grammar or dictionary is broken: {error}") from None


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until the input ends."""
    decoder: SegmentDecoder | None = None
    setup: Setup | None = None
    while len(header := requests.read(HEADER.size)) == HEADER.size:
        what, length = HEADER.unpack(header)
        body = requests.read(length)
        answer: list[Word] | None = None
        match what:
            case b"O":
                wanted: Setup = json.loads(body)
                if decoder is None or wanted != setup:
                    decoder, setup = _loaded(wanted), wanted
                else:
                    decoder.reset()
            case b"F" if decoder is not None:
                answer = decoder.feed(np.frombuffer(body, np.int16))
            case b"E" if decoder is not None:
                answer = decoder.finish()
            case _:
                raise SystemExit("the pipe's two ends do not agree")
        body = json.dumps(answer).encode()
        answers.write(LENGTH.pack(len(body)) + body)
        answers.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's; we end with our input
    serve(sys.stdin.buffer, sys.stdout.buffer)
