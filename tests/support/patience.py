"""How long a test on the real clock waits before it says that nothing more will come."""

from __future__ import annotations

# Seconds. An idle machine needs one or two for the longest of these waits. A machine with sixteen
# busy processes on two cores needs up to ten times as long, and no test may fail for that. The
# deadline is only for a program that hangs; `timeout` in pyproject.toml is longer.
PATIENCE = 150.0
