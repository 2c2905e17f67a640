"""The command ``vestige swap``."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from vestige.audit.cli import console
from vestige.audit.cli.console import print_table
from vestige.audit.cli.exit_codes import PASS
from vestige.audit.cli.options import PATH, json_option
from vestige.audit.studies.methods.swap_scores import LEAST_PAIRS


@click.command()
@click.argument("audit_file", type=PATH)
@click.option("--candidate", required=True, help="Candidate of the audit file whose method is run.")
@click.option("--pairs", type=click.IntRange(1, 1000), default=1, show_default=True, help="Pairs of split and swap.")
@click.option("--workspace", type=PATH, help="Where the models go  [default: vestige-NAME]")
@click.option("--seed", type=click.IntRange(0, 9999), help="Instead of the file's seed.")
@json_option
def swap(audit_file: Path, candidate: str, pairs: int, workspace: Path | None, seed: int | None, as_json: bool) -> int:
    """The SWAP test of an unlearning method: forget and unseen examples change places.

    For each pair a model that forgets F and never saw T is compared with one that forgets T and never saw F; two
    originals, two retrains and two runs of the method. An adversary's advantage over Retrain is then 0 in expectation,
    whatever the examples, so what is left is the method's. Needs forget.random in AUDIT_FILE. From four pairs on the
    interval counts seeds. The exit code does not depend on what is found; no verdict depends on it.
    """
    from vestige.audit.config.config import read_config
    from vestige.audit.models.workspace import Workspace
    from vestige.audit.studies.methods.swap import swap_test

    config = read_config(audit_file, seed=seed)
    place = Workspace(workspace or Path(f"vestige-{audit_file.stem}"))
    with console.watching() as watch:
        found = swap_test(config, place, candidate=candidate, pairs=pairs, base=audit_file.parent, watch=watch)
    if as_json:
        click.echo(json.dumps(asdict(found), indent=2, allow_nan=False))
        return PASS
    names = [one.adversary for one in found.models[0].advantages]
    rows = []
    for place_, name in enumerate(names):
        own = [model.advantages[place_] for model in found.models]
        rows.append((name, *(f"{one.signed:+.3f}  [{one.interval[0]:.3f}, {one.interval[1]:.3f}]" for one in own)))
    rows.append(
        (
            "Q = 1 - the largest advantage",
            *(
                f"{one.quality.value:.3f}   [{one.quality.interval[0]:.3f}, {one.quality.interval[1]:.3f}]"
                for one in found.models
            ),
        )
    )
    pairs_ = "1 pair" if found.pairs == 1 else f"{found.pairs} pairs"
    click.echo(f"SWAP test of {candidate} ({found.method}): {pairs_} of models, {found.forget} examples a side")
    print_table(("adversary calls what has", *(model.model for model in found.models)), rows)
    seeds = found.pairs >= LEAST_PAIRS
    over = "over pairs, seeds included" if seeds else f"over examples, seeds left out (--pairs {LEAST_PAIRS} or more)"
    click.echo(f"In brackets: the advantage without its sign, {100 * found.level:g} %, simultaneous; {over}.")
    click.echo(f"The other side: {found.origin}.")
    click.echo("Retrain beside it shows what seeds alone do: its expectation is 0 whatever the adversary.")
    if found.epsilon is None or found.epsilon > 0:
        least = "any finite value" if found.epsilon is None else f"{found.epsilon:.2f}"
        kind = "implied by the lower end of the interval" if seeds else "descriptive: seeds are left out"
        click.echo(f"Not (epsilon, delta)-close to Retrain below epsilon {least} at delta {found.delta:g} ({kind}).")
    else:
        click.echo("No epsilon above 0 is implied: these adversaries do not show the candidate to differ from Retrain.")
    click.echo("Beside a verdict it adds a comparison whose null is exact; it changes no verdict and no grade.")
    return PASS
