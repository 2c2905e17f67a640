"""The command ``vestige swap``."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from vestige.audit.cli.console import print_json, print_table, watching
from vestige.audit.cli.exit_codes import PASS
from vestige.audit.cli.options import AuditFile, audit_file_options, json_option

if TYPE_CHECKING:
    from vestige.audit.studies.methods.swap import SwapTest


@click.command()
@audit_file_options()
@click.option("--candidate", required=True, help="Candidate of the audit file whose method is run.")
@click.option("--pairs", type=click.IntRange(1, 1000), default=1, show_default=True, help="Pairs of split and swap.")
@json_option
def swap(audit: AuditFile, candidate: str, pairs: int, as_json: bool) -> int:
    """The SWAP test of a method: forget and unseen examples change places.

    For each pair a model that forgets F and never saw T is compared with one that forgets T and never saw F; two
    originals, two retrains and two runs of the method. An adversary's advantage over Retrain is then 0 in expectation,
    whatever the examples, so what is left is the method's. Needs forget.random in AUDIT_FILE. From four pairs on the
    interval counts seeds. Report only: does not affect the exit code, a verdict or a grade.
    """
    from vestige.audit.studies.methods.swap import swap_test

    config = audit.config()
    with watching() as watch:
        result = swap_test(config, audit.place, candidate=candidate, pairs=pairs, base=audit.base, watch=watch)
    if as_json:
        print_json(asdict(result))
    else:
        _print(result, candidate)
    return PASS


def _print(result: "SwapTest", candidate: str) -> None:
    from vestige.audit.studies.methods.swap_scores import LEAST_PAIRS

    rows = []
    for place, adversary in enumerate(result.models[0].advantages):
        advantages = [model.advantages[place] for model in result.models]
        cells = ("{:+.3f}  [{:.3f}, {:.3f}]".format(advantage.signed, *advantage.interval) for advantage in advantages)
        rows.append((adversary.adversary, *cells))
    qualities = [model.quality for model in result.models]
    cells = ("{:.3f}   [{:.3f}, {:.3f}]".format(quality.value, *quality.interval) for quality in qualities)
    rows.append(("Q = 1 - the largest advantage", *cells))
    pairs = "1 pair" if result.pairs == 1 else f"{result.pairs} pairs"
    click.echo(f"SWAP test of {candidate} ({result.method}): {pairs} of models, {result.forget} examples a side")
    print_table(("adversary calls what has", *(model.model for model in result.models)), rows)
    seeds = result.pairs >= LEAST_PAIRS
    over = "over pairs, seeds included" if seeds else f"over examples, seeds left out (--pairs {LEAST_PAIRS} or more)"
    click.echo(f"In brackets: the advantage without its sign, {100 * result.level:g} %, simultaneous; {over}.")
    click.echo(f"The other side: {result.origin}.")
    click.echo("Retrain shows what seeds alone do: its expectation is 0 whatever the adversary.")
    if result.epsilon is None or result.epsilon > 0:
        least = "any finite value" if result.epsilon is None else f"{result.epsilon:.2f}"
        kind = "implied by the lower end of the interval" if seeds else "descriptive: seeds are left out"
        click.echo(f"Not (epsilon, delta)-close to Retrain below epsilon {least} at delta {result.delta:g} ({kind}).")
    else:
        click.echo("No epsilon above 0 is implied: these adversaries do not show the candidate to differ from Retrain.")
    click.echo("Report only: does not affect the verdict or the grade.")
