"""What ``vestige unlearn`` prints: the candidate, its bill, the search before it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from pydantic_core import to_jsonable_python

from vestige.audit.cli.console import print_table
from vestige.audit.models.tuning import Trial, Tuning
from vestige.audit.models.unlearning import Unlearned

ROLES = ("forget", "retain", "validation", "synthetic")


def unlearned_record(made: Unlearned) -> dict[str, Any]:
    """The candidate as values that JSON can hold; ``tuning`` is null without a search."""
    header, bill = made.header, dict(made.header.cost or {})
    record = {
        "candidate": str(made.path),
        "weights": made.weights,
        "method": header.method,
        "parameters": header.parameters,
        "seed": header.seed,
        "stop": bill.pop("stop"),
        "notes": bill.pop("notes"),
        "cost": {**bill, "share_of_retrain": made.cost.share_of_retrain, "retrain_flops": made.retrain_flops},
        "tuning_record": None if made.tuning_path is None else str(made.tuning_path),
        "tuning": None if made.tuning is None else made.tuning.record(),
    }
    plain: dict[str, Any] = to_jsonable_python(record)
    return plain


def print_unlearned(made: Unlearned, checkpoint: Path, as_json: bool) -> None:
    """A few lines and tables, or one JSON object."""
    if as_json:
        click.echo(json.dumps(unlearned_record(made), indent=2, allow_nan=False))
        return
    header, bill = made.header, dict(made.header.cost or {})
    if made.tuning is not None:
        _print_tuning(made.tuning, made.retrain_flops)
    click.echo(f"{made.path}: {checkpoint.name} after {header.method}, seed {header.seed}")
    click.echo(f"with {_pairs(header.parameters or {}) or 'no hyper-parameters'}")
    click.echo(f"It stopped: {bill['stop']}.")
    share = made.cost.share_of_retrain
    flops = f"{bill['flops']:.3g} FLOPs" + ("" if share is None else f", {share:.3f} of a retrain's")
    click.echo(f"Cost: {flops}; {bill['seconds']:.1f} seconds.")
    rows = [
        (role, str(bill[f"forward_examples_{role}"]), str(bill.get(f"backward_examples_{role}", 0)))
        for role in ROLES
        if bill[f"forward_examples_{role}"] or bill.get(f"backward_examples_{role}", 0)
    ]
    if rows:
        print_table(("images", "forward passes", "backward passes"), rows)
    for note in bill["notes"]:
        click.echo(f"Note: {note}.")
    if made.tuning_path is not None:
        click.echo(f"The search is recorded in {made.tuning_path}.")


def _print_tuning(tuning: Tuning, retrain_flops: int) -> None:
    click.echo(f"Blind search, smallest wanted: {tuning.objective}; tolerance {tuning.tolerance:g}.")
    click.echo(
        f"Scored on {tuning.validation_score} validation examples, where the original's accuracy is "
        f"{tuning.original_accuracy:.3f}; {tuning.validation_rule} others are for stopping rules and class medians."
    )
    header = (*tuning.space, "score", "AUC", "forget acc.", "validation acc.", "cost (retrain = 1)", "")
    print_table(
        header,
        [
            (*map(_value, trial.tried.values()), *_measured(trial, retrain_flops), _remark(trial, place, tuning))
            for place, trial in enumerate(tuning.trials)
        ],
    )


def _measured(trial: Trial, retrain_flops: int) -> tuple[str, ...]:
    if trial.measured is None or trial.cost is None:
        return ("-",) * 5
    one = trial.measured
    area = "-" if one.auc is None else f"{one.auc:.3f}"
    score = f"{one.score:.3f} +- {one.standard_error:.3f}"
    share = f"{trial.cost.flops / retrain_flops:.3f}"
    return score, area, f"{one.forget_accuracy:.3f}", f"{one.validation_accuracy:.3f}", share


def _remark(trial: Trial, place: int, tuning: Tuning) -> str:
    if trial.refused is not None:
        return f"refused: {trial.refused}"
    return ", ".join(["defaults"] * (place == 0) + ["chosen"] * (place == tuning.chosen))


def _pairs(parameters: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {_value(value)}" for key, value in parameters.items())


def _value(value: Any) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(to_jsonable_python(value))
