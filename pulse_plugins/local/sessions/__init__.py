"""Recorded sessions: a proxy that writes them, and a server that answers from them."""
