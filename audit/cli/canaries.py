"""The commands ``vestige canaries plant`` and ``vestige canaries bound``."""

import secrets
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from vestige.audit.cli.console import print_json
from vestige.audit.cli.exit_codes import PASS
from vestige.audit.cli.options import PATH, json_option
from vestige.audit.results.canaries import MOST
from vestige.learners.errors import DataError

if TYPE_CHECKING:
    from vestige.audit.statistics.one_run import Method

METHODS = ("one_run", "clopper_pearson", "gaussian", "credible")


@click.group()
def canaries() -> None:
    """Plant canaries in a training of your own, and bound epsilon afterwards.

    \b
    vestige canaries plant --count 200 --out planting.json    before training
    vestige canaries bound planting.json scores.csv           after it

    A canary is an example of which a coin decides whether the model is trained on it. Membership that was only observed
    bounds nothing, whatever the attack finds; therefore the coins come first. In an audit file, the table [canaries]
    does all of this.
    """


@canaries.command()
@click.option("--count", type=click.IntRange(1, MOST), required=True, help="Number of canaries, in and out together.")
@click.option("--out", type=PATH, required=True, help="File to write (JSON), readable by you alone.")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    help="Of the coins; reveals the whole assignment  [default: drawn by the system, kept in the file]",
)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def plant(count: int, out: Path, seed: int | None, force: bool) -> int:
    """Toss a coin for each of COUNT canaries and write down which are in.

    Choose the examples yourself, before the coins, from the distribution that you train on, and number them from 0.
    Train on those under "included", on no other canary. Write the digest down where it cannot be changed (a commit, a
    ticket) before you train: it shows that the assignment was not changed afterwards. The file reveals who is in: keep
    it from the people who make the scores.
    """
    from vestige.audit.canaries.planting import write_planting
    from vestige.audit.statistics.epsilon import one_run_epsilon
    from vestige.audit.statistics.one_run import plant as toss

    if out.exists() and not force:
        raise DataError(f"{out}: expected no file there, got one; choose another name or give --force")
    planting = toss(count, secrets.randbelow(2**63) if seed is None else seed)
    write_planting(out, planting)
    most = one_run_epsilon(count, count, count)
    click.echo(f"{out} written: {int(planting.included.sum())} of {count} canaries are in.")
    click.echo(f"Digest, to be written down before training: {planting.digest}")
    click.echo(f"So many canaries can show an epsilon of {most:.2f} at most (one run, 95 %, no guess wrong).")
    return PASS


@canaries.command("bound")
@click.argument("planting_path", metavar="PLANTING", type=PATH)
@click.argument("scores_path", metavar="SCORES", type=PATH)
@click.option("--method", type=click.Choice(METHODS), default="one_run", show_default=True, help="How to bound.")
@click.option("--delta", type=float, default=1e-5, show_default=True, help="Delta at which epsilon is bounded.")
@click.option("--level", type=float, default=0.95, show_default=True, help="Confidence.")
@click.option("--digest", help="What was written down before training; another planting is refused.")
@json_option
def bound_command(
    planting_path: Path,
    scores_path: Path,
    method: "Method",
    delta: float,
    level: float,
    digest: str | None,
    as_json: bool,
) -> int:
    """A lower bound on epsilon from the SCORES of planted canaries (.csv with index and score, or .npy).

    Scores: one for each canary, in and out, higher = more member-like, made without a look at who is in. one_run holds
    for canaries of one training run. The other methods fix a threshold on a random half and judge it on the other; they
    take canaries as independent trials, as when each score comes from a run of its own. credible is no confidence
    bound. The exit code does not depend on what is found.
    """
    from vestige.audit.canaries.planting import read_planting
    from vestige.audit.statistics.canary_scores import read_scores
    from vestige.audit.statistics.one_run import Canaries

    planting = read_planting(planting_path)
    scores = read_scores(scores_path, len(planting.included))
    scored = Canaries.of(planting, scores, planting.digest if digest is None else digest.strip().lower())
    perfect = Canaries.of(planting, planting.included.astype(np.float64), planting.digest)
    if method == "one_run":
        bound, most = scored.bound(delta=delta, level=level), perfect.bound(delta=delta, level=level)
        basis = f"{scored.right_guesses()} of {len(scores)} guesses right, the higher half called in"
    else:
        first, second = scored.halves(planting.seed)
        threshold = first.best_threshold(delta, level)
        bound = second.bound(method, thresholds=[threshold], delta=delta, level=level)
        most = perfect.halves(planting.seed)[1].bound(method, thresholds=[1.0], delta=delta, level=level)
        wrong = second.mistakes(threshold)
        basis = (
            f"threshold {threshold:.6g} of one half; on the other {wrong.false_positives} of {wrong.nonmembers} out "
            f"and {wrong.false_negatives} of {wrong.members} in wrong"
        )
    if as_json:
        print_json({**asdict(bound), "ceiling": most.epsilon, "rests_on": basis, "digest": planting.digest})
        return PASS
    kind = "lower bound" if bound.kind == "bound" else "lower end of a credible interval"
    click.echo(f"epsilon is at least {bound.epsilon:.3f} at delta {delta:g} ({kind}, {100 * level:g} %, {method})")
    click.echo(f"  {basis}")
    click.echo(f"  scores without a mistake would show {most.epsilon:.3f} here")
    for assumption in bound.assumes:
        click.echo(f"  assumes{' that' if bound.kind == 'bound' else ':'} {assumption}")
    if digest is None:
        click.echo("  the digest was not compared with one written down before training (--digest)")
    if bound.epsilon == 0:
        click.echo("  0 means that nothing was shown, not that epsilon is 0")
    return PASS
