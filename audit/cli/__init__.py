"""The command ``vestige``: one file a command."""
