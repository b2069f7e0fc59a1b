"""The wire of the local server: parameters, messages, encodings and HTTP bodies.

The package shares no code with the client's `pulse_plugins.core.wire`, because a shared codec would
hide a misreading from every test.
"""
