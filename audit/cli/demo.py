"""The command ``vestige demo``."""

from pathlib import Path

import click

from vestige.audit.cli import console
from vestige.audit.cli.exit_codes import BROKEN, PASS
from vestige.audit.cli.finish import finish
from vestige.audit.cli.options import PATH
from vestige.audit.models.workspace import Workspace


@click.command()
@click.option("--seed", type=click.IntRange(0, 9999), default=0, show_default=True, help="Determines everything.")
@click.option("--workspace", type=PATH, default=Path("vestige-demo"), show_default=True, help="Where results go.")
def demo(seed: int, workspace: Path) -> int:
    """Audit every unlearning method on embedded data, with two controls; about a minute."""
    from vestige.audit.workflows.demo import control_problems, run_demo

    place = Workspace(workspace / f"seed-{seed}")
    with console.watching() as watch:
        report = run_demo(place, seed=seed, watch=watch)
    _, page = finish(report, place.root / "report")
    problems = console.complain(control_problems(report.audits))
    if not problems:
        click.echo("The controls are right: no_op fails as NOOP, fresh_retrain does not fail.")
    click.echo(f"Report: {page}")
    return BROKEN if problems else PASS
