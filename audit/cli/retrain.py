"""The command ``vestige retrain``."""

import shlex
from pathlib import Path

import click

from vestige.audit.cli import console
from vestige.audit.cli.exit_codes import PASS
from vestige.audit.cli.model_options import DataOptions, data_options
from vestige.audit.cli.options import PATH, Section, SectionedCommand
from vestige.audit.files.output_paths import check_output_path

_first = Section("Retrains")


@click.command(cls=SectionedCommand)
@_first("--train", "function", required=True, help="package.module:train, called as train(indices, seed).")
@_first("--count", type=click.IntRange(1, 1000), default=5, show_default=True, help="Number of retrains.")
@_first("--out", type=PATH, default=Path("retrains"), show_default=True, help="Folder for the retrains.")
@_first(
    "--workers",
    type=click.IntRange(1),
    help="Retrains at a time, each in a process of one thread; 1: in this process  [default: one per core]",
)
@_first("--preprocess", help="package.module:function from images to the input of a model that is no network.")
@data_options
def retrain(
    function: str, count: int, out: Path, workers: int | None, preprocess: str | None, data: DataOptions
) -> int:
    """Make retrains with your own training function, on the retain examples only.

    \b
    def train(indices, seed):      # in mytraining.py, next to the audit file or in this folder
        ...                        # indices: the training examples to learn from, counted as in the data source
        return model               # a torch network, or anything that gives logits or has predict_proba

    Each retrain has a seed of its own; your function should use it for initialisation and order, or the retrains are
    copies and the audit will say so. What is in the folder already is not made again. A torch network is kept as
    retrain-K.safetensors; of anything else its outputs are kept, as retrain-K.npz, for vestige audit --candidate c.npz.
    """
    from vestige.audit.models.retraining import Training, retrain_models
    from vestige.learners.engine.engines import Processes

    check_output_path(out / "retrain-1.safetensors")
    base = data.base
    loaded = data.load()
    with console.watching() as watch:
        made = retrain_models(
            loaded,
            Training(function=function, preprocess=preprocess, base=base),
            count,
            out,
            engine=Processes(workers=workers, fresh=workers != 1),
            watch=watch,
        )
    for first, second in made.alike:
        why = f"{function} does not use its seed, and equal retrains count as one"
        click.echo(f"note: retrains {first} and {second} are equal: {why}", err=True)
    kinds = sorted({path.suffix for path in made.paths})
    patterns = ", ".join(shlex.quote(f"{out}/retrain-*{kind}") for kind in kinds)
    kept = len(made.paths) - made.made
    now = f" ({made.made} made now, {kept} kept)" if kept else ""
    click.echo(f"{len(made.paths)} retrains on {len(loaded.split.retain):,} retain examples{now}: {patterns}")
    return PASS
