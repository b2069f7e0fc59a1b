"""Times for finals without word times, estimated from the length of their text.

A recording is sent faster than it was spoken. So the moment at which a final arrives says nothing
of its place in the recording, and only the order of the finals is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from pulse_plugins.core.base.events import Final


def has_times(final: Final) -> bool:
    """Whether the service said when the final was spoken."""
    return bool(final.words or final.utterances)


def spread(finals: Sequence[Final], length: float) -> list[Final]:
    """Give each final without times a share of the audio between its neighbours.

    Args:
        finals: In the order of the speech.
        length: Seconds of audio that were sent.

    Returns:
        The finals; those with times are unchanged.
    """
    runs = [(timed, list(run)) for timed, run in groupby(finals, has_times)]
    placed: list[Final] = []
    for at, (timed, run) in enumerate(runs):
        if timed:
            placed += run
            continue
        start = runs[at - 1][1][-1].end if at else 0.0
        end = runs[at + 1][1][0].start if at + 1 < len(runs) else length
        each_letter = max(end - start, 0.0) / sum(len(final.text) for final in run)
        for final in run:
            stop = start + each_letter * len(final.text)
            placed.append(replace(final, start=start, end=stop))
            start = stop
    return placed
