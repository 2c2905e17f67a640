"""How a command that judges ends: report, table, exit code."""

import shlex
from pathlib import Path

import click
from click.core import ParameterSource

from vestige.audit.cli import console
from vestige.audit.cli.data_checks import print_hygiene
from vestige.audit.cli.exit_codes import FAIL, INCONCLUSIVE, PASS
from vestige.audit.config.config import CONTROLS
from vestige.audit.config.source_names import without_folders
from vestige.audit.planning.plan_file import PlanFile, keep_plan
from vestige.audit.report.html import write_report
from vestige.audit.results.report import Report

# Options whose text may be a path; those that are one are a Path.
_PATHS = ("source", "forget", "unseen", "retain")


def finish(report: Report, folder: Path, under: PlanFile | None = None) -> tuple[Path, Path]:
    paths = write_report(report, folder)
    if under is not None:
        keep_plan(under, folder)
    console.print_audits(report.audits)
    console.print_data(report.data)
    print_hygiene(report)
    return paths


def command_line() -> str:
    """The command as it was given, with files by their names alone."""
    context = click.get_current_context()
    words = ["vestige", str(context.info_name)]
    for parameter in context.command.params:
        if context.get_parameter_source(str(parameter.name)) is not ParameterSource.COMMANDLINE:
            continue
        value = context.params[str(parameter.name)]
        for one in value if isinstance(value, tuple) else (value,):
            words.append(parameter.opts[0])
            if one is not True:
                own = without_folders(str(one)) if parameter.name in _PATHS else str(one)
                words.append(one.name if isinstance(one, Path) else own)
    return shlex.join(words)


def exit_code(report: Report, inconclusive: str | None = None) -> int:
    """Of the worst verdict, the controls no_op and fresh_retrain left out where there are other candidates."""
    judged = [audit for audit in report.audits if audit.method is None or audit.method.name not in CONTROLS]
    outcomes = {audit.verdict.outcome for audit in judged or report.audits}
    if "FAIL" in outcomes:
        return FAIL
    warn = (inconclusive or report.policy.inconclusive) == "warn"
    return INCONCLUSIVE if "INCONCLUSIVE" in outcomes and not warn else PASS
