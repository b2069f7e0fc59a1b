"""The pre-recorded endpoint of the local server: one upload, one answer."""
