"""The command ``vestige audit``: one candidate, from outputs, from models made elsewhere, or from checkpoints of this
project."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from vestige.audit.cli import console
from vestige.audit.cli.finish import command_line, exit_code, finish
from vestige.audit.cli.model_options import DataOptions, InferenceOptions, data_options, expand, inference_options
from vestige.audit.cli.options import (
    EXPOSED_IDS_HELP,
    PATH,
    PROFILE_NAMES,
    SectionedCommand,
    bundled,
    chosen_policy,
    option,
)
from vestige.audit.files.output_paths import check_output_path
from vestige.audit.planning.plan_file import PlanFile, read_plan
from vestige.audit.policy import Policy, profile
from vestige.audit.results.report import Report

if TYPE_CHECKING:
    from vestige.attacks.outputs.tables.read import TableFiles
    from vestige.audit.endpoints.setting import Declared
    from vestige.audit.workflows.request import ModelFiles, Terms

EXPECTED = (
    "give --outputs FILE; or --candidate and --retrain as tables of outputs; or --candidate, --original and --retrain "
    "as checkpoints with --data and --forget (and --model for weights), or with --config"
)


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Which models, and the file of each or of all."""

    outputs: Path | None = option(type=PATH, help="Outputs of all models: .npz, .csv, .parquet (docs/outputs.md).")
    candidate: Path | None = option(type=PATH, help="Model to judge: its outputs, or its checkpoint.")
    original: Path | None = option(type=PATH, help="The same before unlearning.")
    retrains: tuple[Path, ...] = option(
        "--retrain", type=PATH, multiple=True, help="The same of a retrain; repeat it, or 'r-*.pt'."
    )
    shadows: tuple[Path, ...] = option(
        "--shadow", type=PATH, multiple=True, help="A model that saw neither forget nor unseen."
    )

    def files(self, candidate: Path) -> "ModelFiles":
        """One checkpoint for each model."""
        from vestige.audit.workflows.request import ModelFiles

        return ModelFiles(
            candidate=candidate,
            original=self.original,
            retrains=expand(self.retrains),
            shadows=expand(self.shadows),
        )


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """How tables of outputs are read."""

    examples: Path | None = option(type=PATH, help="Table with label and role (id, group, subject), next to outputs.")
    columns: tuple[str, ...] = option(
        "--column", multiple=True, metavar="NAME=COLUMN", help="Name of a column, e.g. label=y."
    )
    roles: tuple[str, ...] = option(
        "--role", multiple=True, metavar="NAME=ROLE", help="What a role is called, e.g. test=unseen."
    )
    probabilities: bool = option(is_flag=True, help="The outputs are softmax probabilities, not logits.")


@dataclass(frozen=True, kw_only=True)
class TermsOptions:
    """How the verdict is reached, and where results go."""

    folder: Path = option("--report", type=PATH, required=True, help="Folder for report.json and report.html.")
    profile_name: str | None = option("--profile", type=click.Choice(PROFILE_NAMES), help="Ready policy.")
    policy_path: Path | None = option("--policy", type=PATH, help="Policy file (TOML).")
    plan_path: Path | None = option("--plan", type=PATH, help="Plan file of vestige plan that the audit must keep.")
    name: str | None = option(help="Name of the candidate in the report.")
    setting: str | None = option(
        type=click.Choice(["random", "chosen", "class"]), help="What the forget set is (docs/verdict.md), if declared."
    )
    random: bool = option(
        "--random", is_flag=True, help="The same as --setting random: a random draw, which needs fewer retrains."
    )
    exchangeable: bool = option(is_flag=True, hidden=True)
    exposed_ids: Path | None = option(type=PATH, help=EXPOSED_IDS_HELP)

    @property
    def declared(self) -> "Declared | None":
        """The declared setting; UsageError for two that differ."""
        random = self.random or self.exchangeable  # the older name of the same
        if random and self.setting not in (None, "random"):
            raise click.UsageError(f"give either --random or --setting {self.setting}, not both")
        return "random" if random else cast("Declared | None", self.setting)

    def read(self) -> "Given":
        """The files behind the options, before anything slow. DataError where the report cannot be written."""
        check_output_path(self.folder / "report.json")
        policy = chosen_policy(self.profile_name, self.policy_path)
        return Given(self, policy, None if self.plan_path is None else read_plan(self.plan_path))


@dataclass(frozen=True)
class Given:
    """The options, with policy and plan file read."""

    options: TermsOptions
    policy: Policy | None
    plan: PlanFile | None

    @property
    def planned(self) -> Policy | None:
        """The plan's policy."""
        return None if self.plan is None else self.plan.applies

    def terms(self, of_file: Policy | None = None) -> "Terms":
        """The audit's terms; ``of_file``: the policy of its audit file."""
        from vestige.audit.workflows.request import Terms

        return Terms(
            policy=self.policy or of_file or self.planned or profile("standard"),
            folder=self.options.folder,
            plan=self.plan,
            declared=self.options.declared,
            name=self.options.name,
            exposed_ids=self.options.exposed_ids,
            reproduce=command_line(),
        )


@click.command("audit", cls=SectionedCommand)
@bundled("models", ModelOptions, section="Models")
@bundled("terms", TermsOptions)
@bundled("tables", TableOptions, section="Outputs in tables")
@click.option("--inconclusive", type=click.Choice(["fail", "warn"]), help="Whether INCONCLUSIVE exits with 3 or 0.")
@data_options
@inference_options
def audit_command(
    models: ModelOptions,
    terms: TermsOptions,
    tables: TableOptions,
    inconclusive: str | None,
    data: DataOptions,
    inference: InferenceOptions,
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
    given = terms.read()
    report = _report(given, models, tables, data, inference)
    _, page = finish(report, terms.folder, given.plan)
    click.echo(f"Report: {page}")
    return exit_code(report, inconclusive)


def _report(
    given: Given, models: ModelOptions, tables: TableOptions, data: DataOptions, inference: InferenceOptions
) -> Report:
    """The report by the one way that the options describe; UsageError for a mixture."""
    from vestige.attacks.outputs.tables.kinds import file_kind

    candidate = models.candidate
    checkpoints = data.config_path is not None or data.given or inference.given
    if data.seed is not None and not (data.given or inference.given):
        raise click.UsageError("--seed goes with --data, or with --config and --model")
    if models.outputs is not None:
        if checkpoints or candidate or models.original or models.retrains or models.shadows:
            raise click.UsageError("give either --outputs, or a file for each model, not both")
        _check_no_inference(inference)
        return _of_outputs(given, _one_file(models.outputs, tables), tables)
    if candidate is None:
        raise click.UsageError(EXPECTED)
    if file_kind(candidate) is not None:
        if checkpoints:
            raise click.UsageError(f"{candidate.name} holds outputs: --config, --data and --model go with checkpoints")
        _check_no_inference(inference)
        return _of_outputs(given, _a_file_each(models, candidate, tables), tables)
    if not checkpoints:
        raise click.UsageError(EXPECTED)
    if tables.probabilities or tables.columns or tables.roles or tables.examples:
        raise click.UsageError("--probabilities, --column, --role, --examples go with outputs: checkpoints give logits")
    if data.config_path is not None and not inference.given and not data.given and _of_this_project(candidate):
        if models.original is None or models.shadows or not (models.retrains or given.options.declared):
            raise click.UsageError("give --candidate, --original and --retrain with --config, and no --shadow")
        if inference.batch_size is not None:
            raise click.UsageError("--batch-size goes with models made elsewhere, not with this project's checkpoints")
        return _of_checkpoints(given, models.files(candidate), data.config_path, inference.device)
    _point_at_retrains(models.retrains)
    return _of_external(given, models.files(candidate), data, inference)


def _one_file(outputs: Path, tables: TableOptions) -> "Path | TableFiles":
    from vestige.attacks.outputs.tables.kinds import file_kind
    from vestige.attacks.outputs.tables.read import TableFiles

    if file_kind(outputs) not in ("npz", None):
        return TableFiles(outputs=outputs, examples=tables.examples)
    if tables.columns or tables.roles or tables.examples:
        raise click.UsageError("--column, --role and --examples go with tables, an .npz has names of its own")
    return outputs


def _a_file_each(models: ModelOptions, candidate: Path, tables: TableOptions) -> "TableFiles":
    from vestige.attacks.outputs.tables.read import TableFiles

    return TableFiles(
        candidate=candidate,
        original=models.original,
        retrain=expand(models.retrains),
        shadow=expand(models.shadows),
        examples=tables.examples,
    )


def _check_no_inference(inference: InferenceOptions) -> None:
    if inference.needs_models:
        raise click.UsageError("--device and --batch-size go with checkpoints: outputs are read, no model is run")


def _of_outputs(given: Given, source: "Path | TableFiles", tables: TableOptions) -> Report:
    from vestige.attacks.outputs.tables.columns import Columns, RoleNames
    from vestige.audit.workflows.outputs import audit_outputs

    return audit_outputs(
        source,
        given.terms(),
        columns=Columns.parse(tables.columns),
        roles=RoleNames.parse(tables.roles) if tables.roles else None,
        probabilities=tables.probabilities,
    )


def _of_checkpoints(given: Given, files: "ModelFiles", config_path: Path, device: str | None) -> Report:
    from vestige.audit.config.config import read_config
    from vestige.audit.workflows.checkpoints import audit_checkpoints

    config = read_config(config_path, policy=given.planned)
    config = replace(config, policy=given.policy or config.policy, device=device or config.device)
    return audit_checkpoints(config, files, given.terms(config.policy), base=config_path.parent)


def _of_external(given: Given, files: "ModelFiles", data: DataOptions, inference: InferenceOptions) -> Report:
    from vestige.audit.workflows.external import audit_external

    settings = inference.parse(data.base)
    loaded = data.load()
    terms = given.terms(loaded.policy)
    with console.watching() as watch:
        return audit_external(loaded, files, settings, terms, watch=watch)


def _of_this_project(candidate: Path) -> bool:
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
    present = [] if retrains else sorted(Path("retrains").glob("retrain-1.*"))
    if present:
        pattern = f"retrains/retrain-*{present[0].suffix}"
        click.echo(f"note: no --retrain was given, and there are some: --retrain '{pattern}'", err=True)
