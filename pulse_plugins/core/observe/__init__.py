"""Counters, the event log and hooks, which follow a stream without changing it."""
