"""The command ``vestige quality``."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from vestige.audit.cli.console import print_json, print_table, watching
from vestige.audit.cli.exit_codes import PASS
from vestige.audit.cli.options import AuditFile, audit_file_options, json_option

if TYPE_CHECKING:
    from vestige.audit.studies.methods.quality import EpsilonSummary, QualityTest


@click.command()
@audit_file_options()
@click.option("--candidate", "candidates", required=True, multiple=True, help="Of the audit file; repeatable.")
@click.option("--models", type=int, default=32, show_default=True, help="Retrains, and models of each candidate.")
@click.option("--one-original", is_flag=True, help="Unlearn one original with many seeds, as the competition did.")
@json_option
def quality(audit: AuditFile, candidates: tuple[str, ...], models: int, one_original: bool, as_json: bool) -> int:
    """Forgetting quality as in the NeurIPS 2023 unlearning competition.

    For each forget example the best of many attacks separates the method's models from as many retrains; its rates
    give an epsilon, and F is the mean of a score that halves with every 0.5 of it. Even two sets of retrains do not
    score 1, so compare a candidate's half with Retrain's. Report only: does not affect the exit code or a verdict.
    """
    from vestige.audit.studies.methods.quality import quality_test

    config = audit.config()
    with watching() as watch:
        result = quality_test(
            config,
            audit.place,
            candidates=candidates,
            models=models,
            one_original=one_original,
            base=audit.base,
            watch=watch,
        )
    if as_json:
        print_json(asdict(result))
    else:
        _print(result)
    return PASS


def _print(result: "QualityTest") -> None:
    names = [f"epsilon {100 * share:g} %" for share in result.shares]
    header = ("models", "of", "against", "F", *names, "perfect", "accuracy over Retrain's")
    rows = []
    for candidate in result.candidates:
        name, ratios = candidate.candidate, "retain {:.3f}, unseen {:.3f}".format(*candidate.ratios)
        rows.append(_row(name, "Retrain, all", candidate.full, ratios))
        rows.append(_row(f"{name}, half", "Retrain, half", candidate.half, ""))
    rows.append(_row("Retrain, other half", "Retrain, half", result.candidates[0].reference, ""))
    print_table(header, rows)
    source = "one original" if result.one_original else "an original each"
    ceiling = result.candidates[0].full.ceiling
    click.echo(
        f"Forgetting quality, report only. {result.forget} forget examples; models of a candidate from {source}."
    )
    click.echo(
        f"{result.models} models a side show an epsilon of {ceiling:.2f} at most, short of perfect separation "
        "(50); compare each half with the last row, F with F and never F with 1."
    )


def _row(of: str, against: str, summary: "EpsilonSummary", more: str) -> tuple[str, ...]:
    quantiles = (f"{value:.2f}" for value in summary.quantiles)
    perfect = f"{100 * summary.perfect:.1f} %"
    return ("{} / {}".format(*summary.models), of, against, f"{summary.f:.3f}", *quantiles, perfect, more)
