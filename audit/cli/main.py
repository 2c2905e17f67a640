"""The command ``vestige``: parse, call one library function, print."""

import shlex
from pathlib import Path

import click

from vestige.audit.cli import console, listing
from vestige.audit.cli.attack import attack, shadows
from vestige.audit.cli.audit import audit_command
from vestige.audit.cli.calibrate import calibrate
from vestige.audit.cli.canaries import canaries
from vestige.audit.cli.data_checks import print_hygiene
from vestige.audit.cli.exit_codes import BROKEN, PASS
from vestige.audit.cli.export import export_outputs
from vestige.audit.cli.finish import exit_code, finish
from vestige.audit.cli.gate import compare, gate
from vestige.audit.cli.options import PATH, exposed_ids_option, json_option, plan_option
from vestige.audit.cli.plan import plan
from vestige.audit.cli.quality import quality
from vestige.audit.cli.retrain import retrain
from vestige.audit.cli.study import study
from vestige.audit.cli.swap import swap
from vestige.audit.cli.unlearn import methods, unlearn
from vestige.audit.files.output_paths import check_output_path
from vestige.audit.models.workspace import Workspace
from vestige.audit.planning.plan_file import read_plan
from vestige.learners.errors import DataError
from vestige.learners.files.io import write_atomically


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="vestige", prog_name="vestige")
def cli() -> None:
    """Does this checkpoint still remember the data it was asked to forget?

    Exit codes: 0 PASS, 1 FAIL, 2 usage error, 3 INCONCLUSIVE, 4 bad or inconsistent data.
    """


@cli.command()
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
        click.echo("The controls are right: no_op fails as NOOP and LEAK, fresh_retrain does not fail.")
    click.echo(f"Report: {page}")
    return BROKEN if problems else PASS


@cli.command()
@click.argument("path", type=PATH, default=Path("audit.toml"))
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def init(path: Path, force: bool) -> int:
    """Write a commented audit file to PATH (audit.toml)."""
    if path.exists() and not force:
        raise DataError(f"{path}: expected no file there, got one; choose another name or give --force")
    write_atomically(path, listing.template().encode())
    click.echo(f"{path} written; edit it, then: vestige run {path}")
    return PASS


@cli.command()
@click.argument("audit_file", type=PATH)
@click.option("--workspace", type=PATH, help="Folder for models, outputs and report  [default: vestige-NAME]")
@click.option("--report", "report_folder", type=PATH, help="Folder for the report  [default: WORKSPACE/report]")
@click.option("--seed", type=click.IntRange(0, 9999), help="Instead of the file's seed.")
@plan_option
@click.option(
    "--reference-only", is_flag=True, help="Train original and retrains and stop, as vestige plan needs them."
)
@exposed_ids_option
def run(
    audit_file: Path,
    workspace: Path | None,
    report_folder: Path | None,
    seed: int | None,
    plan_path: Path | None,
    reference_only: bool,
    exposed_ids: Path | None,
) -> int:
    """Do a whole audit from AUDIT_FILE: train, unlearn, judge, report. What exists already is not made again.

    The exit code is that of the worst verdict, the controls no_op and fresh_retrain aside. Under --plan, a file without
    [policy] is judged with the plan's.
    """
    from vestige.audit.config.config import read_config
    from vestige.audit.workflows.demo import control_problems
    from vestige.audit.workflows.request import Terms
    from vestige.audit.workflows.run import make_reference, run_audit

    if report_folder is not None:  # before hours of work
        check_output_path(report_folder / "report.json")
    plan_file = None if plan_path is None else read_plan(plan_path)
    config = read_config(audit_file, seed=seed, policy=None if plan_file is None else plan_file.applies)
    place = Workspace(workspace or Path(f"vestige-{audit_file.stem}"))
    if reference_only:
        if report_folder or plan_file or exposed_ids:
            raise click.UsageError("--reference-only judges nothing: leave --report, --plan and --exposed-ids out")
        with console.watching() as watch:
            make_reference(config, place, base=audit_file.parent, watch=watch)
        click.echo(f"Original and {config.retrains.count} retrains are in {place.root}; now: vestige plan {audit_file}")
        return PASS
    command = f"vestige run {audit_file.name}" + ("" if seed is None else f" --seed {seed}")
    command += "" if plan_path is None else f" --plan {shlex.quote(plan_path.name)}"
    terms = Terms(policy=config.policy, folder=place.root, plan=plan_file, exposed_ids=exposed_ids, reproduce=command)
    with console.watching() as watch:
        report = run_audit(config, place, terms, base=audit_file.parent, watch=watch)
    _, page = finish(report, report_folder or place.root / "report", plan_file)
    console.complain(control_problems(report.audits, only_present=True))
    click.echo(f"Report: {page}")
    return exit_code(report)


cli.add_command(audit_command)
cli.add_command(export_outputs)
cli.add_command(retrain)
cli.add_command(methods)
cli.add_command(unlearn)
cli.add_command(study)
cli.add_command(calibrate)
cli.add_command(plan)
cli.add_command(gate)
cli.add_command(compare)
cli.add_command(shadows)
cli.add_command(attack)
cli.add_command(canaries)
cli.add_command(swap)
cli.add_command(quality)


@cli.command()
@click.argument("name", required=False)
@json_option
def attacks(name: str | None, as_json: bool) -> int:
    """List the attacks and signals, or explain NAME."""
    listing.print_attacks(name, as_json)
    return PASS


@cli.command("report")
@click.argument("path", type=PATH)
@click.option("--html", "html_path", type=PATH, help="Write the page here  [default: report.html beside it]")
@click.option("--figures", type=PATH, help="Also write figures (PDF and PNG) into this folder.")
def report_command(path: Path, html_path: Path | None, figures: Path | None) -> int:
    """Render report.json at PATH (a file or its folder) again, and print its table."""
    from vestige.audit.report.html import render_html
    from vestige.audit.results.json import read_report

    report = read_report(path)
    folder = path if path.is_dir() else path.parent
    page = html_path or folder / "report.html"
    write_atomically(page, render_html(report).encode())
    console.print_audits(report.audits)
    print_hygiene(report)
    click.echo(f"Report: {page}")
    if figures is not None:
        from vestige.audit.report.paper_figures import write_figures

        for figure in write_figures(report, figures):
            click.echo(f"Figure: {figure}")
    return PASS
