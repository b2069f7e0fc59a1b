"""Counters, the event log and hooks that follow a stream without steering it."""
