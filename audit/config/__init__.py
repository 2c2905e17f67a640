"""The audit file, ``audit.toml``: its tables, its data and its validation."""
