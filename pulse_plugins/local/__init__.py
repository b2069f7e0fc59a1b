"""A Pulse server on this machine, with a real recognizer."""
