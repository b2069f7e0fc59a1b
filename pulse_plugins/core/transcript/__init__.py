"""From wire messages to events: placement of words, delivered words, finalize requests."""
