"""Makes `bookings.arpa` and `bookings.dict`: what callers say to a restaurant's phone agent.

Sentences are drawn from the templates and counted into a trigram model; the dictionary is
the part of CMUdict that these words need. Run it after a change of the templates:

    python -m pulse_plugins.local.models.make_bookings
"""

from __future__ import annotations

import random
import re
from pathlib import Path

import pocketsphinx
from pocketsphinx.lm import ArpaBoLM

from pulse_plugins.local.models.bookings_templates import SLOTS

SENTENCES = 12_000
SEED = 7

_OPTIONAL = re.compile(r"\[([^][]*)\]")
_SLOT = re.compile(r"\{(\w+)\}")


def draw(template: str, rng: random.Random) -> str:
    """One sentence of a template, with its slots and optional parts decided by `rng`."""
    while "[" in template or "{" in template:
        template = _OPTIONAL.sub(lambda m: m[1] if rng.random() < 0.5 else "", template)
        template = _SLOT.sub(lambda m: rng.choice(SLOTS[m[1]]), template)
    return " ".join(template.split())


def sentences(count: int = SENTENCES, seed: int = SEED) -> list[str]:
    """That many sentences; the same for the same seed."""
    rng = random.Random(seed)
    return [draw("{sentence}", rng) for _ in range(count)]


def write(folder: Path) -> None:
    """Write `bookings.arpa` and `bookings.dict` into the folder."""
    corpus = sentences()
    # With sentence marks, or the decoder does not start; some of the mass is left for what was
    # not drawn.
    model = ArpaBoLM(
        text="".join(f"{sentence}\n" for sentence in corpus), add_start=True, discount_mass=0.3
    )
    model.compute()
    model.write_file(str(folder / "bookings.arpa"))
    words = {word for sentence in corpus for word in sentence.split()}
    lines = []
    whole = Path(pocketsphinx.get_model_path("en-us/cmudict-en-us.dict"))
    for line in whole.read_text().splitlines(keepends=True):
        word = line.split(maxsplit=1)[0]
        if re.sub(r"\(\d+\)$", "", word) in words:
            lines.append(line)
    missing = words - {line.split(maxsplit=1)[0] for line in lines}
    if missing:
        raise SystemExit(f"no pronunciation for: {', '.join(sorted(missing))}")
    (folder / "bookings.dict").write_text("".join(lines))


if __name__ == "__main__":
    write(Path(__file__).parent)
