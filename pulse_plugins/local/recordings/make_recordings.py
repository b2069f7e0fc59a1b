"""Makes the shipped phone calls: a synthetic voice, pauses where the agent speaks, faint noise.

Each call becomes `NAME.flac` (16 kHz), `NAME-8k.wav` (8 kHz mu-law, as a telephone brings it) and
`NAME.json` (what was said, and when). It needs Debian's `flite`; the audio is committed because
the voices may sound different elsewhere:

    python -m pulse_plugins.local.recordings.make_recordings
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

RATE = 16_000  # Hz
PAUSE = 1.6  # seconds between two turns
LEAD, TAIL = 0.6, 1.2  # seconds before the first and after the last word
NOISE = 10.0  # steps of 16 bit: a quiet room
SPEECH = 200  # steps of 16 bit: louder is the voice

CALLS: dict[str, tuple[str, tuple[str, str]]] = {
    "booking": (
        "rms",
        (
            "Hello, I would like to book a table for four people on Friday evening.",
            "At seven thirty please. My name is Robert Miller.",
        ),
    ),
    "change": (
        "rms",
        (
            "Hello, I have a reservation for tomorrow. Please change it to six people "
            "at eight o'clock.",
            "No, I said six people. My phone number is five five five, zero one four two.",
        ),
    ),
    "human": (
        "awb",
        (
            "Hi there, can I make a reservation for Saturday at half past six?",
            "There will be five of us. I would like to speak to the manager please.",
        ),
    ),
}


def speak(voice: str, text: str) -> NDArray[np.float64]:
    """The text in that voice at 16 kHz, without the silence around it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        subprocess.run(["flite", "-voice", voice, "-t", text, "-o", path], check=True)
        samples, rate = soundfile.read(path, dtype="int16")
    if rate != RATE:
        raise SystemExit(f"the voice {voice} speaks at {rate} Hz")
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > SPEECH)
    return np.asarray(samples[loud[0] : loud[-1] + 1], np.float64)


def write(name: str, folder: Path) -> None:
    """Write one call's three files into the folder."""
    voice, texts = CALLS[name]
    parts, turns, at = [np.zeros(round(LEAD * RATE))], [], LEAD
    for index, text in enumerate(texts):
        speech = speak(voice, text)
        end = at + len(speech) / RATE
        turns.append({"start": round(at, 2), "end": round(end, 2), "text": text})
        pause = TAIL if index == len(texts) - 1 else PAUSE
        parts += [speech, np.zeros(round(pause * RATE))]
        at = end + pause
    call = np.concatenate(parts)
    call += np.random.default_rng(0).normal(0.0, NOISE, len(call))
    wide = np.clip(np.rint(call), -32768, 32767).astype(np.int16)
    soundfile.write(folder / f"{name}.flac", wide, RATE, subtype="PCM_16")
    narrow = soxr.resample(wide, RATE, 8000, quality="VHQ")
    soundfile.write(folder / f"{name}-8k.wav", narrow, 8000, subtype="ULAW")
    reference = {"voice": f"flite {voice}", "text": " ".join(texts), "turns": turns}
    (folder / f"{name}.json").write_text(json.dumps(reference, indent=2) + "\n")


if __name__ == "__main__":
    for name in CALLS:
        write(name, Path(__file__).parent)
