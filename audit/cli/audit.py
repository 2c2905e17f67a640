"""The command ``vestige audit``: one candidate, from outputs, from models made elsewhere, or from checkpoints of this
project."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from vestige.audit.cli import console
from vestige.audit.cli.finish import command_line, exit_code, finish
from vestige.audit.cli.model_options import DataOptions, InferenceOptions, data_options, expand, inference_options
from vestige.audit.cli.options import (
    PATH,
    Section,
    SectionedCommand,
    chosen_policy,
    exposed_ids_option,
    plan_option,
    policy_option,
    profile_option,
)
from vestige.audit.files.output_paths import check_output_path
from vestige.audit.planning.plan_file import PlanFile, read_plan
from vestige.audit.policy import Policy, profile
from vestige.audit.results.report import Report

WHAT = (
    "give --outputs FILE; or --candidate and --retrain as tables of outputs; or --candidate, --original and --retrain "
    "as checkpoints with --data and --forget (and --model for weights), or with --config"
)


@dataclass(frozen=True, kw_only=True)
class _Given:
    """What was given besides the models: how a verdict is reached and where things go."""

    policy: Policy | None
    under: PlanFile | None
    folder: Path
    rest: dict[str, Any]

    @property
    def planned(self) -> Policy | None:
        return None if self.under is None else self.under.applies

    def chosen(self, own: Policy | None = None) -> Policy:
        return self.policy or own or self.planned or profile("standard")


_models, _tables = Section("Models"), Section("Outputs in tables")


@click.command("audit", cls=SectionedCommand)
@_models("--outputs", type=PATH, help="Outputs of all models: .npz, .csv, .parquet (docs/outputs.md).")
@_models("--candidate", type=PATH, help="Model to judge: its outputs, or its checkpoint.")
@_models("--original", type=PATH, help="The same before unlearning.")
@_models("--retrain", "retrains", type=PATH, multiple=True, help="The same of a retrain; repeat it, or 'r-*.pt'.")
@_models("--shadow", "shadows", type=PATH, multiple=True, help="A model that saw neither forget nor unseen.")
@click.option("--report", "report_folder", type=PATH, required=True, help="Folder for report.json and report.html.")
@profile_option
@policy_option
@plan_option
@_tables("--examples", type=PATH, help="Table with label and role (id, group, subject), beside outputs.")
@_tables("--column", "columns", multiple=True, metavar="NAME=COLUMN", help="Name of a column, e.g. label=y.")
@_tables("--role", "roles", multiple=True, metavar="NAME=ROLE", help="What a role is called, e.g. test=unseen.")
@_tables("--probabilities", is_flag=True, help="The outputs are softmax probabilities, not logits.")
@click.option("--name", help="Name of the candidate in the report.")
@click.option(
    "--exchangeable",
    is_flag=True,
    help="Forget and unseen examples were drawn alike: with fewer than three retrains, or none, judge over examples.",
)
@click.option("--inconclusive", type=click.Choice(["fail", "warn"]), help="Whether INCONCLUSIVE exits with 3 or 0.")
@exposed_ids_option
@data_options
@inference_options
def audit_command(
    outputs: Path | None,
    candidate: Path | None,
    original: Path | None,
    retrains: tuple[Path, ...],
    shadows: tuple[Path, ...],
    report_folder: Path,
    profile_name: str | None,
    policy_path: Path | None,
    plan_path: Path | None,
    examples: Path | None,
    columns: tuple[str, ...],
    roles: tuple[str, ...],
    probabilities: bool,
    name: str | None,
    exchangeable: bool,
    inconclusive: str | None,
    exposed_ids: Path | None,
    data: DataOptions,
    asking: InferenceOptions,
) -> int:
    """Judge one candidate, and write a report.

    \b
    From outputs      vestige audit --outputs outputs.npz --report report
                      vestige audit --candidate c.csv --retrain 'r-*.csv' --examples rows.csv --report report
    From checkpoints  vestige audit --model mynet:make --data imagefolder:photos --forget forget.csv
                        --candidate c.pt --original o.pt --retrain 'r-*.pt' --report report
    From this project vestige audit --config audit.toml --candidate c.safetensors ... --report report

    The policy is that of --policy or --profile, else of the audit file's [policy], else the plan's, else standard.
    """
    from vestige.attacks.outputs.tables.kinds import file_kind
    from vestige.attacks.outputs.tables.read import TableFiles
    from vestige.audit.workflows.declaration import unused

    check_output_path(report_folder / "report.json")
    policy = chosen_policy(profile_name, policy_path)
    under = None if plan_path is None else read_plan(plan_path)
    rest = {
        "name": name,
        "reproduce": command_line(),
        "exposed_ids": exposed_ids,
        "under": under,
        "exchangeable": exchangeable,
    }
    given = _Given(policy=policy, under=under, folder=report_folder, rest=rest)
    checkpoints = data.config_path is not None or data.given or asking.given
    if data.seed is not None and not (data.given or asking.given):
        raise click.UsageError("--seed goes with --data, or with --config and --model")
    tables: dict[str, Any] = {"columns": columns, "roles": roles, "probabilities": probabilities}
    if outputs is not None:
        if checkpoints or candidate or original or retrains or shadows:
            raise click.UsageError("give either --outputs, or a file for each model, not both")
        _asks_nobody(asking)
        npz = file_kind(outputs) in ("npz", None)
        if npz and (columns or roles or examples):
            raise click.UsageError("--column, --role and --examples go with tables, an .npz has names of its own")
        report = _from_outputs(outputs if npz else TableFiles(outputs=outputs, examples=examples), given, **tables)
    elif candidate is None:
        raise click.UsageError(WHAT)
    elif file_kind(candidate) is not None:
        if checkpoints:
            raise click.UsageError(f"{candidate.name} holds outputs: --config, --data and --model go with checkpoints")
        _asks_nobody(asking)
        files = TableFiles(
            candidate=candidate,
            original=original,
            retrain=expand(retrains),
            shadow=expand(shadows),
            examples=examples,
        )
        report = _from_outputs(files, given, **tables)
    elif not checkpoints:
        raise click.UsageError(WHAT)
    elif probabilities or columns or roles or examples:
        raise click.UsageError("--probabilities, --column, --role, --examples go with outputs: checkpoints give logits")
    elif data.config_path is not None and not asking.given and not data.given and _own(candidate):
        if original is None or shadows or not (retrains or exchangeable):
            raise click.UsageError("give --candidate, --original and --retrain with --config, and no --shadow")
        if asking.batch_size is not None:
            raise click.UsageError("--batch-size goes with models made elsewhere, not with this project's checkpoints")
        report = _from_own(data.config_path, (candidate, original, expand(retrains)), given, device=asking.device)
    else:
        _point_at_retrains(retrains)
        report = _from_outside(data, asking, (candidate, original, expand(retrains), expand(shadows)), given)
    if note := unused(exchangeable, report.audits[0].reference.retrains):
        click.echo(note, err=True)
    _, page = finish(report, report_folder, under)
    click.echo(f"Report: {page}")
    return exit_code(report, inconclusive)


def _own(candidate: Path) -> bool:
    """Whether a checkpoint is one of this project, whatever its name, or should be one by its name."""
    from vestige.learners.errors import DataError
    from vestige.learners.training.checkpoints import read_header

    if candidate.suffix == ".safetensors":
        return True
    try:
        read_header(candidate)
    except DataError:
        return False
    return True


def _point_at_retrains(retrains: tuple[Path, ...]) -> None:
    """Retrains that ``vestige retrain`` left in its own folder are easily forgotten."""
    made = [] if retrains else sorted(Path("retrains").glob("retrain-1.*"))
    if made:
        pattern = f"retrains/retrain-*{made[0].suffix}"
        click.echo(f"note: no --retrain was given, and there are some: --retrain '{pattern}'", err=True)


def _asks_nobody(asking: InferenceOptions) -> None:
    if asking.asks:
        raise click.UsageError("--device and --batch-size go with checkpoints: outputs are read, no model is asked")


def _from_outputs(source: Any, given: _Given, *, columns: Any, roles: Any, probabilities: bool) -> Report:
    from vestige.attacks.outputs.tables.columns import Columns, RoleNames
    from vestige.audit.workflows.single import audit_outputs

    return audit_outputs(
        source,
        given.chosen(),
        given.folder,
        columns=Columns.parse(columns),
        roles=RoleNames.parse(roles) if roles else None,
        probabilities=probabilities,
        **given.rest,
    )


def _from_own(
    config_path: Path, models: tuple[Path, Path, tuple[Path, ...]], given: _Given, *, device: str | None
) -> Report:
    from vestige.audit.config.config import read_config
    from vestige.audit.workflows.single import audit_checkpoints

    config = read_config(config_path, policy=given.planned)
    config = replace(config, policy=given.policy or config.policy, device=device or config.device)
    return audit_checkpoints(config, *models, given.folder, base=config_path.parent, **given.rest)


def _from_outside(
    data: DataOptions,
    asking: InferenceOptions,
    models: tuple[Path, Path | None, tuple[Path, ...], tuple[Path, ...]],
    given: _Given,
) -> Report:
    from vestige.audit.workflows.external import ModelFiles, audit_external

    candidate, original, retrains, shadows = models
    files = ModelFiles(candidate=candidate, original=original, retrains=retrains, shadows=shadows)
    how = asking.parse(data.base)
    loaded = data.load()
    with console.watching() as watch:
        return audit_external(loaded, files, how, given.chosen(loaded.policy), given.folder, watch=watch, **given.rest)
