"""How a command that judges ends: report, table, exit code."""

import re
import shlex
from pathlib import Path

import click
from click.core import ParameterSource

from audit import _console
from audit._entry import FAIL, INCONCLUSIVE, PASS
from audit._hygiene_console import print_hygiene
from audit.config import CONTROLS
from audit.plan_file import PlanFile, keep_plan
from audit.report import Report, write_report

_PATHS = ("source", "forget", "unseen", "retain")
_SOURCE = re.compile(r"torchvision:\w+:|[a-z-]{2,}:")  # a kind of source, and no drive letter


def finish(report: Report, folder: Path, under: PlanFile | None = None) -> tuple[Path, Path]:
    paths = write_report(report, folder)
    if under is not None:
        keep_plan(under, folder)
    _console.print_audits(report.audits)
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
                words.append(one.name if isinstance(one, Path) else _without_folders(str(parameter.name), str(one)))
    return shlex.join(words)


def _without_folders(option: str, text: str) -> str:
    """The text of an option; where it may be a path, or a source with one, by the file's name alone."""
    if option not in _PATHS:
        return text
    start = _SOURCE.match(text)
    kind = "" if start is None else start.group()
    return kind + (Path(text[len(kind) :]).name or text[len(kind) :])


def exit_code(report: Report, inconclusive: str | None = None) -> int:
    """Of the worst verdict, the controls no_op and fresh_retrain left out where there are other candidates."""
    judged = [audit for audit in report.audits if audit.method is None or audit.method.name not in CONTROLS]
    outcomes = {audit.verdict.outcome for audit in judged or report.audits}
    if "FAIL" in outcomes:
        return FAIL
    warn = (inconclusive or report.policy.inconclusive) == "warn"
    return INCONCLUSIVE if "INCONCLUSIVE" in outcomes and not warn else PASS
