"""The command ``vestige quality``."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vestige.audit.cli import console
from vestige.audit.cli.console import print_table
from vestige.audit.cli.exit_codes import PASS
from vestige.audit.cli.options import PATH, json_option

if TYPE_CHECKING:
    from vestige.audit.studies.methods.quality import EpsilonSummary, QualityTest


@click.command()
@click.argument("audit_file", type=PATH)
@click.option("--candidate", "candidates", required=True, multiple=True, help="Of the audit file; repeatable.")
@click.option("--models", type=int, default=32, show_default=True, help="Retrains, and models of each candidate.")
@click.option("--one-original", is_flag=True, help="Unlearn one original with many seeds, as the competition did.")
@click.option("--workspace", type=PATH, help="Where the models go  [default: vestige-NAME]")
@click.option("--seed", type=click.IntRange(0, 9999), help="Instead of the file's seed.")
@json_option
def quality(
    audit_file: Path,
    candidates: tuple[str, ...],
    models: int,
    one_original: bool,
    workspace: Path | None,
    seed: int | None,
    as_json: bool,
) -> int:
    """The forgetting quality of the NeurIPS 2023 unlearning competition, beside what Retrain gets against itself.

    For each forget example the best of many attacks tells the method's models from as many retrains; its rates give
    an epsilon, and F is the mean of a score that halves with every 0.5 of it. Even two sets of retrains do not score
    1, therefore compare a candidate's half with Retrain's. Report only: no verdict and no exit code depends on it.
    """
    from vestige.audit.config.config import read_config
    from vestige.audit.models.workspace import Workspace
    from vestige.audit.studies.methods.quality import quality_test

    config = read_config(audit_file, seed=seed)
    place = Workspace(workspace or Path(f"vestige-{audit_file.stem}"))
    with console.watching() as watch:
        found = quality_test(
            config,
            place,
            candidates=candidates,
            models=models,
            one_original=one_original,
            base=audit_file.parent,
            watch=watch,
        )
    if as_json:
        click.echo(json.dumps(asdict(found), indent=2, allow_nan=False))
    else:
        _print(found)
    return PASS


def _print(found: "QualityTest") -> None:
    names = [f"epsilon {100 * share:g} %" for share in found.shares]
    header = ("models", "of", "against", "F", *names, "perfect", "accuracy over Retrain's")
    rows = []
    for one in found.candidates:
        retain, unseen = one.ratios
        rows.append(_row(one.candidate, "Retrain, all", one.full, f"retain {retain:.3f}, unseen {unseen:.3f}"))
        rows.append(_row(f"{one.candidate}, half", "Retrain, half", one.half, ""))
    rows.append(_row("Retrain, other half", "Retrain, half", found.candidates[0].reference, ""))
    print_table(header, rows)
    source = "one original" if found.one_original else "an original each"
    size = found.candidates[0].full
    click.echo(f"Forgetting quality, report only. {found.forget} forget examples; models of a candidate from {source}.")
    click.echo(
        f"{found.models} models a side show an epsilon of {size.ceiling:.2f} at most, short of perfect separation "
        "(50); compare each half with the last row, F with F and never F with 1."
    )


def _row(of: str, against: str, one: "EpsilonSummary", more: str) -> tuple[str, ...]:
    first, second = one.models
    return (
        f"{first} / {second}",
        of,
        against,
        f"{one.f:.3f}",
        *(f"{value:.2f}" for value in one.quantiles),
        f"{100 * one.perfect:.1f} %",
        more,
    )
