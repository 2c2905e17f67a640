"""Warnings of the hygiene checks on the screen, after the table."""

import click
from rich.text import Text

from vestige.audit.cli import console
from vestige.audit.files.text import one_line
from vestige.audit.report.hygiene import warnings as hygiene_warnings
from vestige.audit.results.data_checks import Hygiene
from vestige.audit.results.report import Report

BEFORE = "  WARNING, data and models: "


def print_hygiene(report: Report) -> None:
    """A line for each warning; notes stand in the report."""
    for sentence in hygiene_warnings(report):
        console.console().print(Text(f"{BEFORE}{sentence}", "bold yellow"), soft_wrap=True)


def warn_of_data(hygiene: Hygiene, file: str) -> None:
    """The same on standard error, where no report is made: what was found in data of which ``file`` holds no image."""
    for one in hygiene.warnings:
        click.secho(f"{BEFORE}{one_line(one.sentence, 2000)}", fg="yellow", bold=True, err=True)
    if hygiene.warnings:
        click.echo(
            f"  {one_line(file)} cannot carry all of this: it holds no image and at most some of the retain examples, "
            "so that an audit of it may not find it again. Mend the data, or tell whoever reads its report.",
            err=True,
        )
