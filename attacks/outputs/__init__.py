"""What models said about the audited examples: the noun, its files and its checks."""
