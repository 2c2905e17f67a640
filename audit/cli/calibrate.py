"""The command ``vestige calibrate``."""

from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vestige.audit.cli.console import print_json, print_table, watching
from vestige.audit.cli.exit_codes import PASS
from vestige.audit.cli.options import PATH, AuditFile, audit_file_options, bundled, json_option, option
from vestige.audit.cli.page import Page, page_options
from vestige.audit.files.output_paths import shown

if TYPE_CHECKING:
    from vestige.audit.config.config import AuditConfig
    from vestige.audit.policy import Policy
    from vestige.audit.studies.calibration.page import Settings

EDGE = "Edge: the smallest planted leak that is beyond the margin. In brackets: 95 % intervals."
SYNTHETIC = (
    "Synthetic scores of ten classes: an example's difficulty, noise of every model and example, a seed effect of "
    "every model on the forget set (standard deviation in units of the noise; above 0 the setting random is a false "
    "declaration), an effect of every model on a class; the original adds exponential shifts of mean 1.5. Every trial "
    "draws all of it anew."
)


@dataclass(frozen=True)
class Trials:
    """How much is tried."""

    runs: int = option(type=click.IntRange(10), default=100, show_default=True, help="Synthetic trials of a setting.")
    models: int = option(type=click.IntRange(4, 1000), default=60, show_default=True, help="Retrains of AUDIT_FILE.")
    retrains: tuple[int, ...] = option(
        multiple=True, type=click.IntRange(0), help="K; repeatable  [default: 0 1 2 3 5 10]"
    )
    sets: int = option(type=click.IntRange(1, 1000), default=1, show_default=True, help="Sets of K for each model.")
    workers: int | None = option(type=click.IntRange(1), help="Processes at a time  [default: one per core]")

    def processes(self) -> int:
        """Processes at a time."""
        from vestige.learners.engine.jobs import available_workers

        return self.workers or available_workers()

    def counts(self) -> tuple[int, ...]:
        """K, ascending."""
        from vestige.audit.studies.calibration.sources import RETRAINS

        return tuple(sorted(set(self.retrains or RETRAINS)))

    def words(self) -> list[str]:
        """Options that repeat the choice of K."""
        return [word for k in self.retrains for word in ("--retrains", str(k))]


@dataclass(frozen=True)
class _Rates:
    """What was measured, and what the page says of it; words: options that repeat it."""

    settings: "Settings"
    about: str
    title: str
    words: list[str]


@click.command()
@audit_file_options(required=False, seed_help="For all random draws  [default: the file's, or 0]")
@click.option("--policy", "policy_path", type=PATH, help="Policy to try  [default: the file's, or standard of grade C]")
@bundled("trials", Trials)
@page_options
@json_option
def calibrate(audit: AuditFile, policy_path: Path | None, trials: Trials, page: Page, as_json: bool) -> int:
    """Measure how often the verdict errs, on synthetic scores or retrains.

    A model that never saw the forget set must not fail; a leak beyond the margin must not pass. With AUDIT_FILE many
    retrains are trained (what the workspace holds is not made again), and each is judged as the candidate against
    random sets of the others. The exit code does not depend on what is found.
    """
    from vestige.audit.policy import Policy
    from vestige.audit.studies.calibration.page import rate_rows, render

    page.check()
    config = None if audit.audit_file is None else audit.config()
    # Without a file of grade C, because the rule itself is on trial, not what a profile also requires.
    policy = Policy(min_evidence="C") if config is None else config.policy
    policy = policy if policy_path is None else Policy.read(policy_path)
    if config is None and audit.workspace is not None:
        raise click.UsageError("--workspace goes with AUDIT_FILE")
    if config is None:
        rates = _synthetic(policy, trials, audit.seed or 0)
    else:
        rates = _networks(replace(config, policy=policy), audit, trials)
    words = ["vestige", "calibrate", *([] if audit.audit_file is None else [shown(audit.audit_file)])]
    words += [] if policy_path is None else ["--policy", shown(policy_path)]
    words += [] if audit.seed is None else ["--seed", str(audit.seed)]
    words += [*rates.words, *trials.words()]
    words += [] if audit.workspace is None else ["--workspace", shown(audit.workspace)]
    page.write(partial(render, rates.settings, policy, about=rates.about), rates.title, words)
    if as_json:
        records = [
            {"setting": {**columns, **cell._asdict()}, **asdict(found)}
            for columns, calibrated in rates.settings
            for cell, found in calibrated.cells.items()
        ]
        print_json(records)
        return PASS
    print_table(*rate_rows(rates.settings))
    click.echo(EDGE)
    page.say()
    return PASS


def _synthetic(policy: "Policy", trials: Trials, seed: int) -> _Rates:
    from vestige.audit.studies.calibration.sources import GRID, calibrate_worlds

    with watching() as watch:
        found = calibrate_worlds(
            GRID,
            policy,
            retrains=trials.counts(),
            runs=trials.runs,
            seed=seed,
            workers=trials.processes(),
            watch=watch,
        )
        settings = [
            (
                {
                    "forget": f"{world.forget:,}",
                    "unseen": f"{world.unseen:,}",
                    "seed effect": f"{world.seed_effect:g}",
                    "noise": "normal" if world.tails is None else f"t{world.tails:g}",
                    "class effect": f"{world.class_effect:g}",
                },
                calibrated,
            )
            for world, calibrated in found
        ]
    return _Rates(settings, SYNTHETIC, "Calibration of the verdict: synthetic scores", ["--runs", str(trials.runs)])


def _networks(config: "AuditConfig", audit: AuditFile, trials: Trials) -> _Rates:
    from vestige.audit.studies.calibration.sources import calibrate_networks

    with watching() as watch:
        rates = calibrate_networks(
            config,
            audit.place,
            base=audit.base,
            models=trials.models,
            retrains=trials.counts(),
            sets=trials.sets,
            workers=trials.processes(),
            watch=watch,
        )
    mean, deviation = rates.accuracy_unseen
    about = (
        f"Real networks: `{rates.data}`, {rates.forget:,} forget and {rates.unseen:,} unseen examples; "
        f"{rates.models} retrains, each the candidate {trials.sets} times against K others drawn at random; accuracy "
        f"on unseen data {mean:.3f} ± {deviation:.3f}. All trials share the examples and the original, and two of them "
        "most often share retrains."
    )
    words = ["--models", str(trials.models), "--sets", str(trials.sets)]
    return _Rates([({}, rates.found)], about, f"Calibration of the verdict: {audit.path.stem}", words)
