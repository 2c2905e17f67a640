"""The command ``vestige shadows``."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from vestige.audit.cli.console import print_json, print_table, warn, watching
from vestige.audit.cli.exit_codes import PASS
from vestige.audit.cli.options import AuditFile, audit_file_options, bundled, json_option, option
from vestige.audit.files.text import one_line
from vestige.learners.arrays import Floats
from vestige.learners.errors import ConfigError

if TYPE_CHECKING:
    from vestige.attacks.shadows.bank import ShadowBank
    from vestige.learners.engine.engines import Engine


@dataclass(frozen=True)
class EngineOptions:
    """Where shadow models are trained, and with how much."""

    engine_name: str | None = option(
        "--engine", type=click.Choice(["processes", "ray"]), help="Where they are trained."
    )
    workers: int | None = option(type=click.IntRange(1), help="Processes at a time  [default: one per core]")
    gpus: tuple[int, ...] = option(
        "--gpu", type=click.IntRange(0), multiple=True, help="CUDA device to use; repeatable."
    )
    ray_address: str | None = option(help="Of a running cluster  [default: RAY_ADDRESS, or a cluster of this machine]")
    job_cpus: float = option(type=float, default=1.0, show_default=True, help="Cores of a job on Ray.")
    job_gpus: float = option(type=float, default=0.0, show_default=True, help="GPUs of a job on Ray, e.g. 0.25.")

    def engine(self) -> "Engine | None":
        """The engine; None for the default. UsageError for a mixture, ConfigError for too few workers."""
        from vestige.learners.engine.engines import Processes
        from vestige.learners.engine.ray import RayEngine

        if self.engine_name == "ray" or self.ray_address is not None:
            if self.engine_name == "processes" or self.workers is not None or self.gpus:
                raise click.UsageError("--workers and --gpu go with processes, --ray-address and --job-gpus with Ray")
            return RayEngine(address=self.ray_address, cpus=self.job_cpus, gpus=self.job_gpus)
        if self.job_gpus or self.job_cpus != 1.0:
            raise click.UsageError("--job-cpus and --job-gpus go with --engine ray")
        if self.workers is None and not self.gpus:
            return None
        if self.gpus and self.workers is not None and self.workers < len(self.gpus):
            raise ConfigError(f"workers: expected at least one for each of {len(self.gpus)} GPUs, got {self.workers}")
        return Processes(workers=self.workers if self.workers is not None else len(self.gpus) or None, gpus=self.gpus)


@click.command()
@audit_file_options()
@click.option("--count", type=int, help="Shadow models, an even number  [default: the file's, or 16]")
@bundled("engine", EngineOptions)
@click.option("--keep-weights", is_flag=True, help="Keep the weights too, for methods to run on them later.")
@click.option("--unlearn", multiple=True, metavar="CANDIDATE", help="Also run its method on each; repeatable.")
@json_option
def shadows(
    audit: AuditFile,
    count: int | None,
    engine: EngineOptions,
    keep_weights: bool,
    unlearn: tuple[str, ...],
    as_json: bool,
) -> int:
    """Train shadow models for AUDIT_FILE, each on half of the audited data.

    They have the audit's recipe. What exists already is kept: kill it anywhere and start it again, or ask for more
    later. With --unlearn each shadow then forgets its own half of the forget set and of as many unseen examples, which
    U-LiRA needs.
    """
    from vestige.attacks.shadows.checks import bank_problems
    from vestige.audit.shadows.bank import run_shadows

    trained_by, config = engine.engine(), audit.config()
    with watching() as watch:
        bank, unlearned = run_shadows(
            config,
            audit.folder,
            base=audit.base,
            count=count,
            engine=trained_by,
            keep_weights=keep_weights,
            unlearn=unlearn,
            watch=watch,
        )
    banks = {"trained": bank, **{f"unlearned by {name}": changed for name, changed in unlearned.items()}}
    problems = {name: list(bank_problems(models)) for name, models in banks.items()}
    if as_json:
        print_json([{**_record(name, models), "problems": problems[name]} for name, models in banks.items()])
        return PASS
    header = ("shadows", "number", "augmentations", "accuracy in", "accuracy out", "seconds", "PFLOPs")
    print_table(header, [_row(_record(name, models)) for name, models in banks.items()])
    click.echo(f"Bank: {one_line(str(bank.folder), 4096)}")
    warn(dict.fromkeys(problem for named in problems.values() for problem in named))
    return PASS


def _record(name: str, bank: "ShadowBank") -> dict[str, Any]:
    return {
        "shadows": name,
        "number": len(bank),
        "views": list(bank.augmentations),
        "accuracy_in": _moments(bank.accuracy_in),
        "accuracy_out": _moments(bank.accuracy_out),
        "seconds": float(bank.seconds.sum()),
        "flops": float(bank.flops.sum()),
        "folder": str(bank.folder),
    }


def _moments(values: Floats) -> dict[str, float] | None:
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    return {"mean": float(known.mean()), "deviation": float(known.std(ddof=1)) if len(known) > 1 else 0.0}


def _row(record: dict[str, Any]) -> tuple[str, ...]:
    accuracies = (
        "-" if moments is None else f"{moments['mean']:.3f} +- {moments['deviation']:.3f}"
        for moments in (record["accuracy_in"], record["accuracy_out"])
    )
    cost = (f"{record['seconds']:.1f}", f"{record['flops'] / 1e15:.3g}")
    return (record["shadows"], str(record["number"]), ", ".join(record["views"]), *accuracies, *cost)
