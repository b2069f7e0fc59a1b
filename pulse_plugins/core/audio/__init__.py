"""Formats, conversion, packets, the replay buffer, clocks and energy of the caller's audio."""
