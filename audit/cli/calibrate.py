"""The command ``vestige calibrate``."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vestige.audit.cli.console import print_json, print_table, watching
from vestige.audit.cli.exit_codes import PASS
from vestige.audit.cli.options import PATH, AuditFile, audit_file_options, bundled, json_option, option
from vestige.audit.cli.page import Page, page_options
from vestige.audit.files.output_paths import shown

if TYPE_CHECKING:
    from vestige.audit.config.config import AuditConfig
    from vestige.audit.policy import Policy
    from vestige.audit.studies.calibration.trials import Calibration

EDGE = "Edge: the smallest planted leak that is beyond the margin. In brackets: 95 % intervals."
SYNTHETIC = (
    "Synthetic scores: an example's difficulty, noise of every model and example, a seed effect of every model on "
    "the forget set (standard deviation in units of the noise), an effect of every model on a class; the original "
    "adds exponential shifts of mean 1.5. Every trial draws all of it anew."
)


@dataclass(frozen=True)
class Trials:
    """How much is tried."""

    runs: int = option(type=click.IntRange(10), default=200, show_default=True, help="Synthetic trials of a setting.")
    models: int = option(type=click.IntRange(4, 1000), default=60, show_default=True, help="Retrains of AUDIT_FILE.")
    retrains: tuple[int, ...] = option(multiple=True, type=int, help="With AUDIT_FILE: K; repeatable  [default: 5 10]")
    sets: int = option(type=click.IntRange(1, 1000), default=5, show_default=True, help="Sets of K for each model.")
    workers: int | None = option(type=click.IntRange(1), help="Processes at a time  [default: one per core]")

    def processes(self) -> int:
        """Processes at a time."""
        from vestige.learners.engine.jobs import available_workers

        return self.workers or available_workers()


@dataclass(frozen=True)
class _Rates:
    """What was measured: as JSON, as rows under a header, as a page, and the words that repeat it."""

    records: list[dict[str, Any]]
    table: tuple[Sequence[str], list[tuple[str, ...]]]
    render: Callable[..., str]
    title: str
    words: list[str]
    note: str = ""


@click.command()
@audit_file_options(required=False, seed_help="For all random draws  [default: the file's, or 0]")
@click.option("--policy", "policy_path", type=PATH, help="Policy to try  [default: the file's, or standard of grade C]")
@bundled("trials", Trials)
@click.option("--exchangeable", is_flag=True, help="With AUDIT_FILE: calibrate the verdict over examples instead.")
@page_options
@json_option
def calibrate(
    audit: AuditFile, policy_path: Path | None, trials: Trials, exchangeable: bool, page: Page, as_json: bool
) -> int:
    """Measure how often the verdict errs, on synthetic scores or retrains.

    A model that never saw the forget set must not fail; a leak beyond the margin must not pass. With AUDIT_FILE many
    retrains are trained (what the workspace holds is not made again), and each is judged as the candidate against
    random sets of the others; with --exchangeable against one, two or none, over examples that are exchangeable and
    over such as are not. The exit code does not depend on what is found.
    """
    from vestige.audit.policy import Policy

    page.check()
    config = None if audit.audit_file is None else audit.config()
    # Without a file of grade C, because the rule itself is on trial, not what a profile also requires.
    policy = Policy(min_evidence="C") if config is None else config.policy
    policy = policy if policy_path is None else Policy.read(policy_path)
    if exchangeable and (config is None or trials.retrains):
        raise click.UsageError("--exchangeable goes with AUDIT_FILE, and without --retrains")
    if config is None:
        if trials.retrains or audit.workspace is not None:
            raise click.UsageError("--retrains and --workspace go with AUDIT_FILE")
        rates = _synthetic(policy, trials, audit.seed or 0)
    else:
        measure = _over_examples if exchangeable else _networks
        rates = measure(replace(config, policy=policy), audit, trials)
        rates.words.extend([] if audit.workspace is None else ["--workspace", shown(audit.workspace)])
    words = ["vestige", "calibrate", *([] if audit.audit_file is None else [shown(audit.audit_file)])]
    words += [] if policy_path is None else ["--policy", shown(policy_path)]
    words += [] if audit.seed is None else ["--seed", str(audit.seed)]
    page.write(partial(rates.render, policy=policy), rates.title, [*words, *rates.words])
    if as_json:
        print_json(rates.records)
        return PASS
    print_table(*rates.table)
    if rates.note:
        click.echo(rates.note)
    page.say()
    return PASS


def _over_examples(config: "AuditConfig", audit: AuditFile, trials: Trials) -> _Rates:
    from vestige.audit.studies.calibration.exchangeable import calibrate_exchangeable
    from vestige.audit.studies.calibration.exchangeable_page import rate_rows, render

    workers = trials.processes()
    with watching() as watch:
        rates, about = calibrate_exchangeable(
            config,
            audit.place,
            base=audit.base,
            models=trials.models,
            sets=trials.sets,
            workers=workers,
            watch=watch,
        )
    return _Rates(
        records=[asdict(rate) for rate in rates],
        table=rate_rows(rates),
        render=partial(render, rates, about=about),
        title=f"Calibration of the verdict over examples: {audit.path.stem}",
        words=["--exchangeable", "--models", str(trials.models), "--sets", str(trials.sets)],
    )


def _synthetic(policy: "Policy", trials: Trials, seed: int) -> _Rates:
    from vestige.audit.studies.calibration.sources import GRID, calibrate_worlds

    settings: list[tuple[Mapping[str, str], Calibration]] = []
    workers = trials.processes()
    with watching() as watch:
        for setting, rates in calibrate_worlds(GRID, policy, runs=trials.runs, seed=seed, workers=workers, watch=watch):
            columns = {
                "forget": f"{setting.forget:,}",
                "unseen": f"{setting.unseen:,}",
                "K": str(setting.retrains),
                "seed effect": f"{setting.seed_effect:g}",
                "noise": "normal" if setting.tails is None else f"t{setting.tails:g}",
                "classes": f"{setting.classes}" + (f" (± {setting.class_effect:g})" if setting.class_effect else ""),
            }
            settings.append((columns, rates))
    return _of_settings(settings, SYNTHETIC, "synthetic scores", ["--runs", str(trials.runs)])


def _networks(config: "AuditConfig", audit: AuditFile, trials: Trials) -> _Rates:
    from vestige.audit.studies.calibration.sources import calibrate_networks

    retrains, workers = trials.retrains or (5, 10), trials.processes()
    with watching() as watch:
        rates = calibrate_networks(
            config,
            audit.place,
            base=audit.base,
            models=trials.models,
            retrains=retrains,
            sets=trials.sets,
            workers=workers,
            watch=watch,
        )
    mean, deviation = rates.accuracy_unseen
    about = (
        f"Real networks: `{rates.data}`, {rates.forget:,} forget and {rates.unseen:,} unseen examples; "
        f"{rates.models} retrains, each the candidate {rates.sets} times against K others drawn at random; accuracy on "
        f"unseen data {mean:.3f} ± {deviation:.3f}. All trials share the examples and the original, and two of them "
        "most often share retrains."
    )
    words = ["--models", str(trials.models), *(word for k in retrains for word in ("--retrains", str(k)))]
    settings = [({"K": str(k)}, calibration) for k, calibration in rates.by_retrains.items()]
    return _of_settings(settings, about, audit.path.stem, [*words, "--sets", str(trials.sets)])


def _of_settings(
    settings: "Sequence[tuple[Mapping[str, str], Calibration]]", about: str, of: str, words: list[str]
) -> _Rates:
    from vestige.audit.studies.calibration.page import render

    rows = [
        (
            *columns.values(),
            str(rates.passed),
            str(rates.false_fail),
            "-" if rates.edge is None else str(rates.edge.passed),
            str(rates.original_passed),
        )
        for columns, rates in settings
    ]
    return _Rates(
        records=[{"setting": dict(columns), **asdict(rates)} for columns, rates in settings],
        table=((*settings[0][0], "fresh: PASS", "fresh: FAIL", "edge: PASS", "original: PASS"), rows),
        render=partial(render, settings, about=about),
        title=f"Calibration of the verdict: {of}",
        words=words,
        note=EDGE,
    )
