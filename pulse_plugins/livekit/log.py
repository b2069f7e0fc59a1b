"""The adapter's logger; what a caller said goes only into fields marked `lk.pii.`."""

from __future__ import annotations

import logging

logger = logging.getLogger("livekit.plugins.pulse")
