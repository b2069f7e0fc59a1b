"""`python -m tests.fuzz --minutes 10`: all targets in turn, with seeds that nobody chose."""

from __future__ import annotations

import argparse
import secrets
import sys
import time
import traceback
from collections import Counter

from hypothesis import HealthCheck, given, seed, settings

from tests.fuzz.server import Door
from tests.fuzz.targets import Target, targets

_ROUND = {"parse": 1000, "session": 100, "streams": 100, "requests": 100}


def _run(target: Target, counts: Counter[str]) -> str | None:
    """One round; what failed, smallest example included, or None."""

    def check(example: object) -> None:
        counts[target.name] += 1
        target.check(example)

    chosen = secrets.randbits(64)
    profile = settings(
        max_examples=_ROUND[target.name],
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    try:
        seed(chosen)(profile(given(target.examples)(check)))()
    except Exception:
        return f"{target.name}, seed {chosen}:\n{traceback.format_exc()}"
    return None


def main() -> int:
    """Fuzz for so long; 1 when anything failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    ends = time.monotonic() + 60 * parser.parse_args().minutes
    counts: Counter[str] = Counter()
    failures: dict[str, str] = {}
    with Door() as door:
        while time.monotonic() < ends:
            for target in targets(door):
                if target.name not in failures and time.monotonic() < ends:
                    failed = _run(target, counts)
                    if failed is not None:
                        failures[target.name] = failed
                        sys.stdout.write(f"{failed}\n")
            door.check_healthy()
    for name, count in counts.items():
        verdict = "FAILED" if name in failures else "nothing found"
        sys.stdout.write(f"{name}: {count} examples, {verdict}\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
