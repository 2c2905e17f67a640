"""Warnings of the hygiene checks on the screen, after the table."""

from rich.text import Text

from audit import _console
from audit.report import Report, hygiene_warnings


def print_hygiene(report: Report) -> None:
    """A line for each warning; notes stand in the report."""
    for sentence in hygiene_warnings(report):
        _console.console().print(Text(f"  WARNING, data and models: {sentence}", "bold yellow"), soft_wrap=True)
