"""One WebSocket connection of the local server: its rules, its driver and its record."""
