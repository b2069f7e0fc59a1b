"""What the local server does to recognized words: formatting, redaction, simulated features."""
