"""The sans-I/O state machine of one stream over many connections."""
