"""The command ``vestige calibrate``."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

import click

from vestige.audit.cli import console
from vestige.audit.cli.console import print_table
from vestige.audit.cli.exit_codes import PASS
from vestige.audit.cli.options import PATH
from vestige.audit.config.config import AuditConfig, read_config
from vestige.audit.files.markdown import notes_of
from vestige.audit.files.output_paths import check_output_path, shown
from vestige.audit.models.workspace import Workspace
from vestige.audit.policy import Policy
from vestige.audit.studies.calibration.trials import Calibration
from vestige.learners.engine.jobs import available_workers
from vestige.learners.files.io import write_atomically

Settings = list[tuple[Mapping[str, str], Calibration]]


@click.command()
@click.argument("audit_file", type=PATH, required=False)
@click.option(
    "--policy",
    "policy_file",
    type=PATH,
    help="Policy to try  [default: the file's, or standard of grade C]",
)
@click.option("--runs", type=click.IntRange(10), default=200, show_default=True, help="Synthetic trials of a setting.")
@click.option("--models", type=click.IntRange(4, 1000), default=60, show_default=True, help="Retrains of AUDIT_FILE.")
@click.option("--retrains", multiple=True, type=int, help="With AUDIT_FILE: K of a trial; repeatable  [default: 5 10]")
@click.option("--sets", type=click.IntRange(1, 1000), default=5, show_default=True, help="Sets of K for each model.")
@click.option("--exchangeable", is_flag=True, help="With AUDIT_FILE: calibrate the verdict over examples instead.")
@click.option("--workspace", type=PATH, help="Where the models go  [default: vestige-NAME]")
@click.option("--workers", type=click.IntRange(1), help="Processes side by side  [default: one per core]")
@click.option("--seed", type=click.IntRange(0, 9999), help="Of all draws  [default: the file's, or 0]")
@click.option("--page", type=PATH, help="Markdown page to write; its hand-written notes are kept.")
@click.option("--title", help="Title of the page.")
@click.option("--json", "as_json", is_flag=True, help="Print all numbers as JSON.")
def calibrate(
    audit_file: Path | None,
    policy_file: Path | None,
    runs: int,
    models: int,
    retrains: tuple[int, ...],
    sets: int,
    exchangeable: bool,
    workspace: Path | None,
    workers: int | None,
    seed: int | None,
    page: Path | None,
    title: str | None,
    as_json: bool,
) -> int:
    """How often does the rule of the verdict err: on synthetic scores, or on the retrains of AUDIT_FILE?

    A model that never saw the forget set must not fail; a leak beyond the margin must not pass. With AUDIT_FILE many
    retrains are trained (what the workspace holds is not made again), and each is judged as the candidate against
    random sets of the others; with --exchangeable against one, two or none, over examples that are exchangeable and
    over such as are not. The exit code does not depend on what is found.
    """
    notes = None
    if page is not None:
        check_output_path(page)
        notes = notes_of(page)  # refuses somebody's own file before hours of work
    elif title is not None:
        raise click.UsageError("--title goes with --page")
    config = None if audit_file is None else read_config(audit_file, seed=seed)
    # Without a file of grade C, because the rule itself is on trial, not what a profile demands besides.
    policy = Policy(min_evidence="C") if config is None else config.policy
    policy = policy if policy_file is None else Policy.read(policy_file)
    words = ["vestige", "calibrate", *([] if audit_file is None else [shown(audit_file)])]
    words += [] if policy_file is None else ["--policy", shown(policy_file)]
    words += [] if seed is None else ["--seed", str(seed)]
    side_by_side = workers or available_workers()
    if exchangeable:
        if audit_file is None or config is None or retrains:
            raise click.UsageError("--exchangeable goes with AUDIT_FILE, and without --retrains")
        words += ["--exchangeable", "--models", str(models), "--sets", str(sets)]
        words += [] if workspace is None else ["--workspace", shown(workspace)]
        place = Workspace(workspace or Path(f"vestige-{audit_file.stem}"))
        return _over_examples(
            replace(config, policy=policy),
            audit_file,
            place,
            models,
            sets,
            side_by_side,
            words,
            page,
            title,
            notes,
            as_json,
        )
    if audit_file is None or config is None:
        if retrains or workspace is not None:
            raise click.UsageError("--retrains and --workspace go with AUDIT_FILE")
        settings, about = _worlds(policy, runs, seed or 0, side_by_side)
        words += ["--runs", str(runs)]
    else:
        chosen = retrains or (5, 10)
        settings, about = _networks(config, policy, audit_file, models, chosen, sets, workspace, side_by_side)
        words += ["--models", str(models), *(word for k in chosen for word in ("--retrains", str(k)))]
        words += ["--sets", str(sets), *([] if workspace is None else ["--workspace", shown(workspace)])]
    if page is not None and notes is not None:
        from vestige.audit.studies.calibration.page import render

        words += ["--page", shown(page), *(("--title", title) if title else ())]
        named = title or f"Calibration of the verdict: {'synthetic scores' if audit_file is None else audit_file.stem}"
        text = render(
            settings,
            policy,
            title=named,
            about=about,
            command=shlex.join(words),
            version=version("vestige"),
            notes=notes,
        )
        write_atomically(page, text.encode())
    if as_json:
        click.echo(
            json.dumps([{"setting": dict(said), **asdict(one)} for said, one in settings], indent=2, allow_nan=False)
        )
        return PASS
    _print(settings)
    if page is not None:
        click.echo(f"Page: {page}")
    return PASS


def _over_examples(
    config: AuditConfig,
    audit_file: Path,
    workspace: Workspace,
    models: int,
    sets: int,
    workers: int,
    words: list[str],
    page: Path | None,
    title: str | None,
    notes: str | None,
    as_json: bool,
) -> int:
    from vestige.audit.studies.calibration.exchangeable import calibrate_exchangeable
    from vestige.audit.studies.calibration.exchangeable_page import rate_rows, render

    with console.watching() as watch:
        found, about = calibrate_exchangeable(
            config, workspace, base=audit_file.parent, models=models, sets=sets, workers=workers, watch=watch
        )
    if page is not None and notes is not None:
        words += ["--page", shown(page), *(("--title", title) if title else ())]
        text = render(
            found,
            config.policy,
            title=title or f"Calibration of the verdict over examples: {audit_file.stem}",
            about=about,
            command=shlex.join(words),
            version=version("vestige"),
            notes=notes,
        )
        write_atomically(page, text.encode())
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], indent=2, allow_nan=False))
        return PASS
    print_table(*rate_rows(found))
    if page is not None:
        click.echo(f"Page: {page}")
    return PASS


def _worlds(policy: Policy, runs: int, seed: int, workers: int) -> tuple[Settings, str]:
    from vestige.audit.studies.calibration.sources import GRID, calibrate_worlds

    settings: Settings = []
    with console.watching() as watch:
        for world, one in calibrate_worlds(GRID, policy, runs=runs, seed=seed, workers=workers, watch=watch):
            said = {
                "forget": f"{world.forget:,}",
                "unseen": f"{world.unseen:,}",
                "K": str(world.retrains),
                "seed effect": f"{world.seed_effect:g}",
                "noise": "normal" if world.tails is None else f"t{world.tails:g}",
                "classes": f"{world.classes}" + (f" (± {world.class_effect:g})" if world.class_effect else ""),
            }
            settings.append((said, one))
    about = (
        "Synthetic scores: an example's difficulty, noise of every model and example, a seed effect of every model on "
        "the forget set (standard deviation in units of the noise), an effect of every model on a class; the original "
        "adds exponential shifts of mean 1.5. Every trial draws all of it anew."
    )
    return settings, about


def _networks(
    config: AuditConfig,
    policy: Policy,
    audit_file: Path,
    models: int,
    retrains: Sequence[int],
    sets: int,
    workspace: Path | None,
    workers: int,
) -> tuple[Settings, str]:
    from vestige.audit.studies.calibration.sources import calibrate_networks

    place = Workspace(workspace or Path(f"vestige-{audit_file.stem}"))
    with console.watching() as watch:
        found = calibrate_networks(
            replace(config, policy=policy),
            place,
            base=audit_file.parent,
            models=models,
            retrains=retrains,
            sets=sets,
            workers=workers,
            watch=watch,
        )
    mean, deviation = found.accuracy_unseen
    about = (
        f"Real networks: `{found.data}`, {found.forget:,} forget and {found.unseen:,} unseen examples; "
        f"{found.models} retrains, each the candidate {found.sets} times against K others drawn at random; accuracy on "
        f"unseen data {mean:.3f} ± {deviation:.3f}. All trials share the examples and the original, and two of them "
        "most often share retrains."
    )
    return [({"K": str(k)}, one) for k, one in found.by_retrains.items()], about


def _print(settings: Settings) -> None:
    columns = list(settings[0][0])
    header = (*columns, "fresh: PASS", "fresh: FAIL", "edge: PASS", "original: PASS")
    rows = [
        (
            *said.values(),
            str(one.passed),
            str(one.false_fail),
            "-" if one.edge is None else str(one.edge.passed),
            str(one.original_passed),
        )
        for said, one in settings
    ]
    print_table(header, rows)
    click.echo("Edge: the smallest planted leak that is beyond the margin. In brackets: 95 % intervals.")
