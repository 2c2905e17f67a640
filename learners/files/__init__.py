"""Files: whole or absent, bounded when they come from others, named by their content."""
