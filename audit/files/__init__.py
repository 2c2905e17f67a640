"""Text that may be shown, TOML, Markdown and the paths that results are written to."""
