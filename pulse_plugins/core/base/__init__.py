"""Errors, events, languages and text: what every other package of the engine may use."""
