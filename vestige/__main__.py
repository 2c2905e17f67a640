"""``python -m vestige``: the command."""

from vestige.audit.cli.entry import main

main()
