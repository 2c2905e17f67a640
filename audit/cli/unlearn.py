"""The command ``vestige unlearn``: writes a candidate, and prints it with its cost and the search before it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource
from pydantic_core import to_jsonable_python

from vestige.audit.cli.console import number, print_json, print_table, watching
from vestige.audit.cli.exit_codes import PASS
from vestige.audit.cli.options import PATH, bundled, json_option, option

if TYPE_CHECKING:
    from vestige.audit.models.tuning import Trial, Tuning
    from vestige.audit.models.unlearning import Unlearned

ROLES = ("forget", "retain", "validation", "synthetic")


@dataclass(frozen=True)
class Search:
    """Whether hyper-parameters that are not set are searched first, and in how many runs."""

    tuned: bool = option("--tune", is_flag=True, help="First search the hyper-parameters that are not set, blindly.")
    trials: int = option(type=click.IntRange(2, 1000), default=8, show_default=True, help="Runs of that search.")

    @property
    def runs(self) -> int | None:
        """Runs of the search; None without one. UsageError for --trials alone."""
        source = click.get_current_context().get_parameter_source("trials")
        if not self.tuned and source is ParameterSource.COMMANDLINE:
            raise click.UsageError("--trials goes with --tune")
        return self.trials if self.tuned else None


@click.command()
@click.argument("method")
@click.option("--checkpoint", type=PATH, required=True, help="The original: trained on forget and retain examples.")
@click.option("--config", "config_path", type=PATH, required=True, help="Audit file that names data and split.")
@click.option("--output", type=PATH, required=True, help="Checkpoint to write.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A hyper-parameter, in TOML; repeatable.")
@click.option("--seed", type=click.IntRange(0), help="Of the run  [default: an audit's for a candidate of this name]")
@click.option(
    "--ledger", type=PATH, help="Training ledger of the original, for amnesiac: a folder of WORKSPACE/ledgers."
)
@click.option("--force", is_flag=True, help="Overwrite an existing output.")
@bundled("search", Search)
@json_option
def unlearn(
    method: str,
    checkpoint: Path,
    config_path: Path,
    output: Path,
    settings: tuple[str, ...],
    seed: int | None,
    ledger: Path | None,
    force: bool,
    search: Search,
    as_json: bool,
) -> int:
    """Apply METHOD to a checkpoint and write the candidate.

    vestige audit --candidate judges it. Data and split are the audit file's; its [unlearners] are not read. --tune
    scores its trials on forget and validation examples; it reads neither a retrain nor an unseen example.
    """
    from vestige.audit.config.config import read_config
    from vestige.audit.config.overrides import read_settings
    from vestige.audit.models.unlearning import unlearn_checkpoint

    trials, parameters = search.runs, read_settings(settings)
    config = read_config(config_path)
    with watching() as watch:
        unlearned = unlearn_checkpoint(
            config,
            method,
            checkpoint,
            output,
            parameters=parameters,
            seed=seed,
            ledger=ledger,
            trials=trials,
            force=force,
            base=config_path.parent,
            watch=watch,
        )
    if as_json:
        print_json(unlearned_record(unlearned))
    else:
        _print_unlearned(unlearned, checkpoint)
    return PASS


def unlearned_record(unlearned: "Unlearned") -> dict[str, Any]:
    """The candidate as values that JSON can hold; ``tuning`` is null without a search."""
    header, cost = unlearned.header, dict(unlearned.header.cost or {})
    share = unlearned.cost.share_of_retrain
    record = {
        "candidate": str(unlearned.path),
        "weights": unlearned.weights,
        "method": header.method,
        "parameters": header.parameters,
        "seed": header.seed,
        "stop": cost.pop("stop"),
        "notes": cost.pop("notes"),
        "cost": {**cost, "share_of_retrain": share, "retrain_flops": unlearned.retrain_flops},
        "tuning_record": None if unlearned.tuning_path is None else str(unlearned.tuning_path),
        "tuning": None if unlearned.tuning is None else unlearned.tuning.record(),
    }
    plain: dict[str, Any] = to_jsonable_python(record)
    return plain


def _print_unlearned(unlearned: "Unlearned", checkpoint: Path) -> None:
    header, cost = unlearned.header, dict(unlearned.header.cost or {})
    if unlearned.tuning is not None:
        _print_tuning(unlearned.tuning, unlearned.retrain_flops)
    click.echo(f"{unlearned.path}: {checkpoint.name} after {header.method}, seed {header.seed}")
    click.echo(f"with {_pairs(header.parameters or {}) or 'no hyper-parameters'}")
    click.echo(f"It stopped: {cost['stop']}.")
    share = unlearned.cost.share_of_retrain
    flops = f"{cost['flops']:.3g} FLOPs" + ("" if share is None else f", {share:.3f} of a retrain's")
    click.echo(f"Cost: {flops}; {cost['seconds']:.1f} seconds.")
    passes = [(role, cost[f"forward_examples_{role}"], cost.get(f"backward_examples_{role}", 0)) for role in ROLES]
    rows = [(role, str(forward), str(backward)) for role, forward, backward in passes if forward or backward]
    if rows:
        print_table(("images", "forward passes", "backward passes"), rows)
    for note in cost["notes"]:
        click.echo(f"Note: {note}.")
    if unlearned.tuning_path is not None:
        click.echo(f"The search is recorded in {unlearned.tuning_path}.")


def _print_tuning(tuning: "Tuning", retrain_flops: int) -> None:
    click.echo(f"Blind search, smallest wanted: {tuning.objective}; tolerance {tuning.tolerance:g}.")
    click.echo(
        f"Scored on {tuning.validation_score} validation examples, where the original's accuracy is "
        f"{tuning.original_accuracy:.3f}; {tuning.validation_rule} others are for stopping rules and class medians."
    )
    header = (*tuning.space, "score", "AUC", "forget acc.", "validation acc.", "cost (retrain = 1)", "")
    rows = [
        (*map(_value, trial.tried.values()), *_measures(trial, retrain_flops), _remark(trial, place, tuning))
        for place, trial in enumerate(tuning.trials)
    ]
    print_table(header, rows)


def _measures(trial: "Trial", retrain_flops: int) -> tuple[str, ...]:
    measured = trial.measured
    if measured is None or trial.cost is None:
        return ("-",) * 5
    score = f"{measured.score:.3f} +- {measured.standard_error:.3f}"
    accuracies = (number(measured.forget_accuracy), number(measured.validation_accuracy))
    return (score, number(measured.auc), *accuracies, f"{trial.cost.flops / retrain_flops:.3f}")


def _remark(trial: "Trial", place: int, tuning: "Tuning") -> str:
    if trial.refused is not None:
        return f"refused: {trial.refused}"
    return ", ".join(["defaults"] * (place == 0) + ["chosen"] * (place == tuning.chosen))


def _pairs(parameters: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {_value(value)}" for key, value in parameters.items())


def _value(value: Any) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(to_jsonable_python(value))
