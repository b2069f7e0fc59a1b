"""The streaming engine: framework-free, one file a concern; see CONTRIBUTING.md for the floors."""
