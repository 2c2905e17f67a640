"""The command ``vestige``. A command's module is imported when that command is called or its own help is shown."""

import gc
import shlex
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import click

from vestige.audit.cli.exit_codes import PASS
from vestige.audit.cli.options import PATH, exposed_ids_option, plan_option


class _Place(NamedTuple):
    """Where a command is defined, and the first sentence of its help."""

    module: str
    attribute: str
    short_help: str


COMMANDS = {
    name: _Place(*place)
    for name, place in {
        "attack": (
            "attack",
            "attack",
            "Run every attack that the evidence allows on candidates, or on an outputs file.",
        ),
        "attacks": ("listing", "attacks", "List the attacks and signals, or explain NAME."),
        "audit": ("audit", "audit_command", "Judge one candidate, and write a report."),
        "calibrate": ("calibrate", "calibrate", "Measure how often the verdict errs, on synthetic scores or retrains."),
        "canaries": ("canaries", "canaries", "Plant canaries in a training of your own, and bound epsilon afterwards."),
        "compare": ("gate", "compare", "Compare two reports: what got better, worse or undecidable from OLD to NEW."),
        "demo": ("demo", "demo", "Audit every unlearning method on embedded data, with two controls; about a minute."),
        "export-outputs": (
            "export",
            "export_outputs",
            "Run checkpoints on the data and write their outputs, so that the audit can run elsewhere.",
        ),
        "gate": ("gate", "gate", "Verify reports and exit with their worst verdict."),
        "init": ("listing", "init", "Write a commented audit file to PATH (audit.toml)."),
        "methods": ("methods", "methods", "List the unlearning methods, or explain NAME with its parameters."),
        "plan": ("plan", "plan", "Show what an audit could certify and find, before a candidate is scored."),
        "quality": ("quality", "quality", "Forgetting quality as in the NeurIPS 2023 unlearning competition."),
        "report": ("report", "report_command", "Render report.json again and print its table."),
        "retrain": (
            "retrain",
            "retrain",
            "Make retrains with your own training function, on the retain examples only.",
        ),
        "run": ("main", "run", "Do a whole audit from AUDIT_FILE: train, unlearn, judge, report."),
        "shadows": ("shadows", "shadows", "Train shadow models for AUDIT_FILE, each on half of the audited data."),
        "study": (
            "study",
            "study",
            "Run every audit of AUDIT_FILES with several seeds, and write one page of results.",
        ),
        "swap": ("swap", "swap", "The SWAP test of a method: forget and unseen examples change places."),
        "unlearn": ("unlearn", "unlearn", "Apply METHOD to a checkpoint and write the candidate."),
    }.items()
}
"""The commands by name, modules without the package."""


class LazyGroup(click.Group):
    """A group that knows its commands by ``COMMANDS`` and imports the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, sorted."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command; None for a name that is none of them."""
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        gc.disable()  # imports make many objects and next to no garbage
        try:
            command: click.Command = getattr(import_module(f"vestige.audit.cli.{place.module}"), place.attribute)
        finally:
            gc.enable()
            gc.freeze()
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in the help, from ``COMMANDS`` alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name].short_help) for name in self.list_commands(ctx)])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="vestige", prog_name="vestige")
def cli() -> None:
    """Does this checkpoint still remember the data it was asked to forget?

    Exit codes: 0 PASS, 1 FAIL, 2 usage error, 3 INCONCLUSIVE, 4 bad or inconsistent data.
    """


@click.command()
@click.argument("audit_file", type=PATH)
@click.option("--workspace", type=PATH, help="Folder for models, outputs and report  [default: vestige-NAME]")
@click.option("--report", "report_folder", type=PATH, help="Folder for the report  [default: WORKSPACE/report]")
@click.option("--seed", type=click.IntRange(0, 9999), help="Instead of the file's seed.")
@plan_option
@click.option(
    "--reference-only", is_flag=True, help="Train original and retrains and stop, as vestige plan needs them."
)
@exposed_ids_option
@click.option(
    "--until-decided",
    is_flag=True,
    help="Add retrains to those of the file, and judge again, until every verdict is reached.",
)
@click.option("--max", "most", type=click.IntRange(3, 20), help="Most retrains of --until-decided  [default: 20]")
def run(
    audit_file: Path,
    workspace: Path | None,
    report_folder: Path | None,
    seed: int | None,
    plan_path: Path | None,
    reference_only: bool,
    exposed_ids: Path | None,
    until_decided: bool,
    most: int | None,
) -> int:
    """Do a whole audit from AUDIT_FILE: train, unlearn, judge, report. What exists already is not made again.

    The exit code is that of the worst verdict, the controls no_op and fresh_retrain aside. Under --plan, a file without
    [policy] is judged with the plan's.
    """
    from vestige.audit.cli import console
    from vestige.audit.cli.finish import exit_code, finish
    from vestige.audit.config.config import read_config
    from vestige.audit.files.output_paths import check_output_path
    from vestige.audit.models.workspace import Workspace
    from vestige.audit.planning.plan_file import read_plan
    from vestige.audit.workflows.demo import control_problems
    from vestige.audit.workflows.request import Terms
    from vestige.audit.workflows.run import make_reference, run_audit, run_until_decided

    if until_decided and (reference_only or plan_path):
        raise click.UsageError("--until-decided: a plan, and --reference-only, have a number of retrains; leave it out")
    if most is not None and not until_decided:
        raise click.UsageError("--max goes with --until-decided")
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
    command += "" if not until_decided else " --until-decided" + (f" --max {most}" if most else "")
    terms = Terms(policy=config.policy, folder=place.root, plan=plan_file, exposed_ids=exposed_ids, reproduce=command)
    with console.watching() as watch:
        if until_decided:
            report = run_until_decided(config, place, terms, most or 20, base=audit_file.parent, watch=watch)
        else:
            report = run_audit(config, place, terms, base=audit_file.parent, watch=watch)
    _, page = finish(report, report_folder or place.root / "report", plan_file)
    console.complain(control_problems(report.audits, only_present=True))
    if until_decided:
        click.echo(f"Judged with {report.audits[0].reference.retrains} retrains, of {most or 20} at most.")
    click.echo(f"Report: {page}")
    return exit_code(report)
