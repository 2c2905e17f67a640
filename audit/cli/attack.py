"""The commands ``vestige shadows`` and ``vestige attack``."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from vestige.attacks.shadows.bank import ShadowBank
from vestige.attacks.shadows.checks import bank_problems
from vestige.audit.cli import console
from vestige.audit.cli.console import print_table
from vestige.audit.cli.exit_codes import PASS
from vestige.audit.cli.options import PATH, json_option
from vestige.audit.files.text import one_line
from vestige.audit.results.attacks import AttackRow, AttackTable, NumberResult
from vestige.learners.engine.engines import Engine, Processes
from vestige.learners.engine.ray import RayEngine
from vestige.learners.errors import ConfigError

workspace_option = click.option("--workspace", type=PATH, help="Folder of models and shadows  [default: vestige-NAME]")
seed_option = click.option("--seed", type=click.IntRange(0, 9999), help="Instead of the file's seed.")


@click.command()
@click.argument("audit_file", type=PATH)
@click.option("--count", type=int, help="Shadow models, an even number  [default: the file's, or 16]")
@workspace_option
@seed_option
@click.option("--engine", "engine_name", type=click.Choice(["processes", "ray"]), help="Where they are trained.")
@click.option("--workers", type=click.IntRange(1), help="Processes side by side  [default: one per core]")
@click.option("--gpu", "gpus", type=click.IntRange(0), multiple=True, help="CUDA device to share out; repeatable.")
@click.option("--ray-address", help="Of a running cluster  [default: RAY_ADDRESS, or a cluster of this machine]")
@click.option("--job-cpus", type=float, default=1.0, show_default=True, help="Cores of a job on Ray.")
@click.option("--job-gpus", type=float, default=0.0, show_default=True, help="GPUs of a job on Ray, e.g. 0.25.")
@click.option("--keep-weights", is_flag=True, help="Keep the weights too, for methods to run on them later.")
@click.option("--unlearn", multiple=True, metavar="CANDIDATE", help="Also run its method on each; repeatable.")
@json_option
def shadows(
    audit_file: Path,
    count: int | None,
    workspace: Path | None,
    seed: int | None,
    engine_name: str | None,
    workers: int | None,
    gpus: tuple[int, ...],
    ray_address: str | None,
    job_cpus: float,
    job_gpus: float,
    keep_weights: bool,
    unlearn: tuple[str, ...],
    as_json: bool,
) -> int:
    """Train shadow models for AUDIT_FILE: each on half of the audited data, under the audit's recipe.

    What exists already is kept: kill it anywhere and start it again, or ask for more later. With --unlearn each shadow
    is also told to forget its own half of the forget set and of as many unseen examples, which is what U-LiRA reads.
    """
    from vestige.audit.config.config import read_config
    from vestige.audit.shadows.bank import run_shadows

    engine = _engine(engine_name, workers, gpus, ray_address, job_cpus, job_gpus)
    config = read_config(audit_file, seed=seed)
    place = workspace or Path(f"vestige-{audit_file.stem}")
    with console.watching() as watch:
        bank, unlearned = run_shadows(
            config,
            place,
            base=audit_file.parent,
            count=count,
            engine=engine,
            keep_weights=keep_weights,
            unlearn=unlearn,
            watch=watch,
        )
    records = [_record("trained", bank), *(_record(f"unlearned by {name}", one) for name, one in unlearned.items())]
    if as_json:
        click.echo(json.dumps(records, indent=2, allow_nan=False))
        return PASS
    header = ("shadows", "number", "views", "accuracy in", "accuracy out", "seconds", "PFLOPs")
    print_table(header, [_row(one) for one in records])
    click.echo(f"Bank: {one_line(str(bank.folder), 4096)}")
    _problems(list(dict.fromkeys(sum((bank_problems(one) for one in (bank, *unlearned.values())), ()))))
    return PASS


@click.command()
@click.argument("audit_file", type=PATH, required=False)
@click.option("--outputs", type=PATH, help="Outputs file (.npz) in place of an audit file.")
@click.option("--probabilities", is_flag=True, help="The outputs are softmax probabilities, not logits.")
@click.option("--candidate", "names", multiple=True, help="Candidate to attack; repeatable  [default: all of the file]")
@click.option("--shadows", "count", type=int, help="Use so many of the shadows only  [default: all that are finished]")
@click.option("--against", metavar="ATTACK[:SIGNAL]", help="Compare with this attack  [default: threshold:logit]")
@click.option("--on-shadows", is_flag=True, help="Attack every shadow in turn in place of the candidates.")
@click.option("--page", type=PATH, help="With --on-shadows: Markdown page to write; hand-written notes are kept.")
@click.option("--title", help="Of the page  [default: from the file's name]")
@workspace_option
@seed_option
@json_option
def attack(
    audit_file: Path | None,
    outputs: Path | None,
    probabilities: bool,
    names: tuple[str, ...],
    count: int | None,
    against: str | None,
    on_shadows: bool,
    page: Path | None,
    title: str | None,
    workspace: Path | None,
    seed: int | None,
    as_json: bool,
) -> int:
    """Make every attack that the evidence allows on the candidates of AUDIT_FILE, or on an outputs file.

    Models that the workspace lacks are made first, as vestige run would; shadows come from vestige shadows. The attacks
    tell how much an attacker could; the verdict is that of vestige run or audit. The exit code does not depend on them.

    With --on-shadows the targets are the shadows themselves, each held against the others without its pair: how strong
    is each attack on models like these, and what do more shadows buy?
    """
    from vestige.attacks.signals.signals import SIGNALS
    from vestige.audit.config.config import read_config
    from vestige.audit.models.workspace import Workspace
    from vestige.audit.policy import profile
    from vestige.audit.studies.attacks.candidates import attack_candidates, attack_outputs
    from vestige.audit.studies.attacks.table import BASELINE, comparison

    if (audit_file is None) == (outputs is None):
        raise click.UsageError("give either an audit file or --outputs")
    if (page is not None or title is not None) and not on_shadows:
        raise click.UsageError("--page and --title go with --on-shadows")
    if title is not None and page is None:
        raise click.UsageError("--title goes with --page")
    compared = BASELINE if against is None else comparison(*against.split(":", 1))
    if on_shadows:
        if audit_file is None or probabilities or names:
            raise click.UsageError(
                "--on-shadows needs an audit file, and goes with neither --candidate nor --probabilities"
            )
        from vestige.audit.cli.bank import attack_bank

        config = read_config(audit_file, seed=seed)
        return attack_bank(config, audit_file, workspace, count, compared, page, title, seed, as_json)
    if outputs is not None:
        if names or workspace or seed is not None or count is not None:
            raise click.UsageError("--candidate, --shadows, --workspace and --seed go with an audit file")
        policy = profile("standard")
        tables = [attack_outputs(outputs, policy, signals=list(SIGNALS), probabilities=probabilities, against=compared)]
    else:
        assert audit_file is not None
        if probabilities:
            raise click.UsageError("--probabilities goes with --outputs: checkpoints give logits")
        config = read_config(audit_file, seed=seed)
        place = Workspace(workspace or Path(f"vestige-{audit_file.stem}"))
        with console.watching() as watch:
            tables = attack_candidates(
                config, place, base=audit_file.parent, names=names, count=count, against=compared, watch=watch
            )
    if as_json:
        click.echo(json.dumps([asdict(table) for table in tables], indent=2, allow_nan=False))
        return PASS
    for table in tables:
        _print(table)
    return PASS


def _engine(
    name: str | None,
    workers: int | None,
    gpus: tuple[int, ...],
    address: str | None,
    job_cpus: float,
    job_gpus: float,
) -> Engine | None:
    if name == "ray" or address is not None:
        if name == "processes" or workers is not None or gpus:
            raise click.UsageError("--workers and --gpu go with processes, --ray-address and --job-gpus with Ray")
        return RayEngine(address=address, cpus=job_cpus, gpus=job_gpus)
    if job_gpus or job_cpus != 1.0:
        raise click.UsageError("--job-cpus and --job-gpus go with --engine ray")
    if workers is None and not gpus:
        return None
    if gpus and workers is not None and workers < len(gpus):
        raise ConfigError(f"workers: expected at least one for each of {len(gpus)} GPUs, got {workers}")
    return Processes(workers=workers if workers is not None else len(gpus) or None, gpus=gpus)


def _record(name: str, bank: ShadowBank) -> dict[str, object]:
    def moments(values: NDArray[np.float64]) -> dict[str, float] | None:
        known = values[np.isfinite(values)]
        if not len(known):
            return None
        return {"mean": float(known.mean()), "deviation": float(known.std(ddof=1)) if len(known) > 1 else 0.0}

    return {
        "shadows": name,
        "number": len(bank),
        "views": list(bank.augmentations),
        "accuracy_in": moments(bank.accuracy_in),
        "accuracy_out": moments(bank.accuracy_out),
        "seconds": float(bank.seconds.sum()),
        "flops": float(bank.flops.sum()),
        "folder": str(bank.folder),
        "problems": list(bank_problems(bank)),
    }


def _row(record: dict[str, object]) -> tuple[str, ...]:
    def spread(value: object) -> str:
        return f"{value['mean']:.3f} +- {value['deviation']:.3f}" if isinstance(value, dict) else "-"

    views, seconds, flops = record["views"], record["seconds"], record["flops"]
    assert isinstance(views, list) and isinstance(seconds, float) and isinstance(flops, float)
    numbers = (spread(record["accuracy_in"]), spread(record["accuracy_out"]), f"{seconds:.1f}", f"{flops / 1e15:.3g}")
    return (str(record["shadows"]), str(record["number"]), ", ".join(views), *numbers)


def _print(table: AttackTable) -> None:
    from vestige.audit.studies.attacks.table import BASELINE

    first = table.results[0]
    click.echo(f"\n{one_line(table.candidate)}: {first.members} forget against {first.nonmembers} unseen examples.")
    header = (
        "attack",
        "signal",
        "AUC",
        "retrains",
        "gap",
        "original",
        "efficacy",
        "TPR 10 %",
        "TPR 1 %",
        "TPR 0.1 %",
        "over phi" if table.against == BASELINE else f"over {table.against[0]}",
        "",
    )
    print_table(header, [_line(one, first.members) for one in table.results])
    click.echo(
        f"AUC and its lead over {table.against[0]} on {table.against[1]} with 95 % intervals (DeLong, paired); "
        "gap: to the mean of the retrains; "
        "efficacy: AUC of its forget examples against the retrains'."
    )
    few = [f"{100 * point.fpr:g} %" for point in first.points if point.tpr is None]
    if few:
        click.echo(
            f"TPR at {' and '.join(few)}: not estimable from {first.nonmembers} unseen examples (10 / FPR are needed)."
        )
    if table.numbers:
        columns = ("number of the literature, percent", "candidate", "retrains", "original", "desired")
        print_table(columns, [_number(one) for one in table.numbers])
    missing: dict[str, list[str]] = {}
    for name, needs in table.absent.items():
        missing.setdefault(needs, []).append(name)
    for needs, attacks in missing.items():
        click.echo(f"Not made: {', '.join(attacks)}; needs {needs}.")
    _problems(table.problems)


def _line(one: AttackRow, members: int) -> tuple[str, ...]:
    over = "-" if one.lead is None else f"{one.lead[0]:+.3f} +- {_half(one.lead[1:])}"
    remark = one.remark if one.members == members else f"{one.remark}, {one.members} forget examples".strip(", ")
    return (
        one.attack,
        one.signal,
        f"{one.auc:.3f} +- {_half(one.interval)}",
        _figure(one.retrains),
        _figure(one.gap, "+"),
        _figure(one.original),
        _figure(one.efficacy),
        *(_figure(point.tpr) for point in one.points),
        over,
        remark,
    )


def _number(one: NumberResult) -> tuple[str, ...]:
    values = (f"{one.candidate:.1f}", *("-" if v is None else f"{v:.1f}" for v in (one.retrains, one.original)))
    return (one.name, *values, one.desired)


def _half(interval: Sequence[float]) -> str:
    return f"{(interval[1] - interval[0]) / 2:.3f}"


def _figure(value: float | None, sign: str = "") -> str:
    return "-" if value is None else f"{value:{sign}.3f}"


def _problems(problems: Sequence[str]) -> None:
    for problem in problems:
        click.secho(f"Note: {one_line(problem, 1000)}.", fg="yellow", err=True)
