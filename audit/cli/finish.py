"""How a command that judges ends: report, table, exit code."""

import shlex
from pathlib import Path

import click
from click.core import ParameterSource

from vestige.audit.cli import console
from vestige.audit.cli.exit_codes import FAIL, INCONCLUSIVE, PASS
from vestige.audit.config.config import CONTROLS
from vestige.audit.config.source_names import without_folders
from vestige.audit.files.text import one_line
from vestige.audit.planning.plan_file import PlanFile, keep_plan
from vestige.audit.report.html import write_report
from vestige.audit.report.hygiene import warnings as hygiene_warnings
from vestige.audit.results.data_checks import Hygiene
from vestige.audit.results.report import Report

BEFORE = "  WARNING, data and models: "

# Options whose text may be a path; a Path is one anyway.
_PATHS = ("source", "forget", "unseen", "retain")


def finish(report: Report, folder: Path, under: PlanFile | None = None) -> tuple[Path, Path]:
    """Write report.json, report.html and the plan into ``folder`` and print the report; gives the two paths."""
    paths = write_report(report, folder)
    if under is not None:
        keep_plan(under, folder)
    console.print_audits(report.audits)
    console.print_data(report.data)
    print_hygiene(report)
    return paths


def print_hygiene(report: Report) -> None:
    """A line for each warning about data and models; notes stand in the report."""
    for sentence in hygiene_warnings(report):
        console.say(f"{BEFORE}{sentence}", "bold yellow")


def warn_of_data(hygiene: Hygiene, file: str) -> None:
    """The same on standard error, where no report is made: what was found in data of which ``file`` holds no image."""
    for warning in hygiene.warnings:
        click.secho(f"{BEFORE}{one_line(warning.sentence, 2000)}", fg="yellow", bold=True, err=True)
    if hygiene.warnings:
        click.echo(
            f"  {one_line(file)} cannot carry all of this: it holds no image and at most some of the retain examples, "
            "so an audit of it may not find these problems again. Fix the data, or inform the readers of its report.",
            err=True,
        )


def command_line() -> str:
    """The command as it was given, with files by their names alone."""
    context = click.get_current_context()
    words = ["vestige", str(context.info_name)]
    for parameter in context.command.params:
        if context.get_parameter_source(str(parameter.name)) is not ParameterSource.COMMANDLINE:
            continue
        value = context.params[str(parameter.name)]
        for word in value if isinstance(value, tuple) else (value,):
            words.append(parameter.opts[0])
            if word is not True:
                text = without_folders(str(word)) if parameter.name in _PATHS else str(word)
                words.append(word.name if isinstance(word, Path) else text)
    return shlex.join(words)


def exit_code(report: Report, inconclusive: str | None = None) -> int:
    """Of the worst verdict, the controls no_op and fresh_retrain left out where there are other candidates."""
    judged = [audit for audit in report.audits if audit.method is None or audit.method.name not in CONTROLS]
    outcomes = {audit.verdict.outcome for audit in judged or report.audits}
    if "FAIL" in outcomes:
        return FAIL
    warn = (inconclusive or report.policy.inconclusive) == "warn"
    return INCONCLUSIVE if "INCONCLUSIVE" in outcomes and not warn else PASS
