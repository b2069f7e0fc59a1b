"""How long a test on the real clock waits before it says that nothing more will come."""

from __future__ import annotations

# Seconds. An idle machine needs five for the longest of these waits. With sixteen busy processes on
# its two cores, it needed a minute, and no test may fail for that. The deadline is only for a
# program that hangs; `timeout` in pyproject.toml is longer.
PATIENCE = 300.0
