"""JSON messages of the service as typed structs; nothing else of the engine knows JSON keys."""
