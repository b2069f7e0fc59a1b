"""The asyncio side: sockets, tasks, timers, HTTP uploads and the public classes."""
