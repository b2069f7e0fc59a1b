"""The streaming engine. It knows no framework; docs/architecture.md describes its packages."""
