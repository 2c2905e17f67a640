"""The exit codes of the command ``vestige``: nothing else leaves it."""

PASS, FAIL, USAGE, INCONCLUSIVE, BROKEN = 0, 1, 2, 3, 4
