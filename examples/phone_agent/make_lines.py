"""Makes the recordings in `lines/`: a synthetic voice on a telephone line with faint noise.

Each line becomes `NAME.flac`, at 8 kHz and after mu-law coding. The program needs Debian's `flite`.
The recordings are committed, because the voices may sound different elsewhere.

    python -m examples.phone_agent.make_lines
"""

from __future__ import annotations

import numpy as np
import soundfile
import soxr

from examples.phone_agent.lines import FOLDER, LINES
from pulse_plugins.core.audio.formats import decode, encode
from pulse_plugins.local.recordings.make_recordings import NOISE, RATE, speak

_VOICE = "rms"
_EDGE = 0.1  # seconds of the line's own noise on both sides


def main() -> None:
    """Write all lines."""
    for number, (name, text) in enumerate(LINES.items()):
        edge = np.zeros(round(_EDGE * RATE))
        voice = np.concatenate((edge, speak(_VOICE, text), edge))
        voice += np.random.default_rng(number).normal(0.0, NOISE, len(voice))
        narrow = soxr.resample(voice, RATE, 8000, quality="VHQ")
        heard = decode(encode(narrow, "mulaw"), "mulaw")
        soundfile.write(FOLDER / f"{name}.flac", heard.astype(np.int16), 8000, subtype="PCM_16")


if __name__ == "__main__":
    main()
