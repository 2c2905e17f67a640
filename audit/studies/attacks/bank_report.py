"""The bank of an audit under attack: tables at growing numbers of shadows, and the page of them, in Markdown."""

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.attacks.shadows.checks import bank_problems
from vestige.audit.config.config import AuditConfig
from vestige.audit.endpoints.calibration import calibration_rows, digests_of
from vestige.audit.files.markdown import marked, table
from vestige.audit.models.reading import load_plan
from vestige.audit.progress import Watch, ignore
from vestige.audit.shadows.bank import found_shadows
from vestige.audit.studies.attacks.bank_study import (
    BankResult,
    BankTable,
    TargetMean,
    attack_shadows,
    attack_unlearned,
    sizes_up_to,
)
from vestige.audit.studies.attacks.table import BASELINE
from vestige.learners.errors import DataError


@dataclass(frozen=True)
class BankStudy:
    """What attacks do to an audit's shadows. data, classes, shape, recipe: of the audit. trained_on: examples of each
    shadow; asked: examples whose outputs every model gave. accuracy_in, accuracy_out: mean and standard deviation
    over shadows, on the examples that each was trained on and on the others; None where there are none.
    seconds, flops: of making all of them, on one worker. tables: at growing numbers of shadows, the last with all of
    them. unlearned: after each candidate's method that ran on them. problems: of the bank."""

    data: str
    classes: int
    shape: tuple[int, int, int]
    recipe: dict[str, Any]
    views: tuple[str, ...]
    trained_on: int
    asked: int
    accuracy_in: tuple[float, float] | None
    accuracy_out: tuple[float, float] | None
    seconds: float
    flops: float
    tables: tuple[BankTable, ...]
    unlearned: tuple[BankTable, ...]
    problems: tuple[str, ...]


def study_bank(
    config: AuditConfig,
    workspace: Path,
    *,
    base: Path = Path("."),
    count: int | None = None,
    against: tuple[str, str] = BASELINE,
    watch: Watch = ignore,
) -> BankStudy:
    """Attack every shadow of the bank that the workspace holds for this audit.

    count: of shadows, None for all that are finished; attacked by banks of 8, 16, 32 ... and all of them.
    Raises DataError where there is no bank, or a smaller one: ``vestige shadows`` makes it."""
    plan = load_plan(config, base, watch)
    bank, unlearned = found_shadows(plan, workspace, count)
    if bank is None:
        raise DataError(f"{workspace}: expected shadows of this audit, got none; make them with vestige shadows")
    examples, policy = plan.examples, config.policy
    unseen = np.isin(bank.rows, plan.split.unseen)
    digests = digests_of(name.encode() for name in examples.names(bank.rows))
    calibration = calibration_rows(digests, bank.labels, unseen, policy.calibration_share)
    people = None if examples.subjects is None else examples.subjects[bank.rows]
    tables, wanted = [], sizes_up_to(len(bank))
    attack = partial(attack_shadows, bank, calibration, signals=config.attacks.signals, people=people, against=against)
    for done, size in enumerate(wanted):
        watch("attacking the shadows", done, len(wanted))
        tables.append(attack(shadows=size))
    watch("attacking the shadows", len(wanted), len(wanted))
    split = plan.split
    return BankStudy(
        data=examples.name,
        classes=examples.classes,
        shape=examples.shape,
        recipe=asdict(config.recipe),
        views=bank.augmentations,
        trained_on=(len(split.forget) + len(split.retain) + len(split.unseen)) // 2,
        asked=len(bank.rows),
        accuracy_in=_moments(bank.accuracy_in),
        accuracy_out=_moments(bank.accuracy_out),
        seconds=float(bank.seconds.sum()),
        flops=float(bank.flops.sum()),
        tables=tuple(tables),
        unlearned=tuple(attack_unlearned(of_method, name, people=people) for name, of_method in unlearned.items()),
        problems=bank_problems(bank),
    )


def _moments(values: NDArray[np.float64]) -> tuple[float, float] | None:
    known = values[np.isfinite(values)]
    return (float(known.mean()), float(known.std(ddof=1))) if len(known) > 1 else None


DEFINITIONS = """\
Every shadow is a target once; it is compared with all others but its complement. AUC and TPR are means over
the targets: which examples did this model train on? Intervals are 95 %, with targets and examples both a sample
(two-way clustered; a pair of shadows counts as one model), for the given references: what other
references would have changed is not in them, which matters most for leads where models differ much. ± in "over targets"
is the standard deviation of the targets' own AUC. TPR at a false-positive rate is taken on each target's non-members
with the cut as given; it is left out where fewer than 10 false positives are expected. *Lead*: AUC minus that of the
attack named in the column, paired.
`lira_online` and `lira_offline` take one variance for all examples below 64 shadows, each example's own from 64 on;
where the banks are smaller than all shadows, these are parted into as many of them as there are, so that all columns
have the same targets. `vestige attacks NAME` explains each attack."""

RATES = ("TPR at 10 %", "TPR at 1 %", "TPR at 0.1 %")


def render(study: BankStudy, *, title: str, command: str, version: str, notes: str) -> str:
    """The whole page; ``notes`` go between their marks as they are."""
    whole = study.tables[-1]
    parts = [
        f"# {title}",
        f"```\n{command}\n```",
        f"Written by the last command (vestige {version}), apart from the notes.",
        _facts(study),
        f"## {whole.shadows} shadows",
        f"{whole.targets} targets; each trained on {whole.members:,.0f} of the judged examples and not on "
        f"{whole.nonmembers:,.0f}, on average.",
        *_results(whole),
    ]
    for unlearned in study.unlearned:
        parts += [
            f"## After `{unlearned.unlearned}`",
            f"{unlearned.targets} shadows after the method ran on each: {unlearned.members:,.0f} examples that it had "
            f"to forget against {unlearned.nonmembers:,.0f} of the same requests that it never saw, on average.",
            *_results(unlearned),
        ]
    if len(study.tables) > 1:
        known = [place for place, value in enumerate(whole.results[0].tpr) if value is not None]
        parts += ["## What more shadows buy", _growth(study, None), *(_growth(study, place) for place in known[-1:])]
    parts += [f"Note: {problem}." for problem in study.problems]
    parts += ["## Notes", marked(notes), "## What the columns mean", DEFINITIONS]
    return "\n\n".join(parts) + "\n"


def _facts(study: BankStudy) -> str:
    recipe = study.recipe
    network = f"`{recipe['architecture']}`" + ("" if recipe["width"] is None else f", width {recipe['width']}")
    kept = ("epochs", "batch_size", "learning_rate", "momentum", "weight_decay", "schedule", "augmentation")
    cost = f"{study.seconds / 60:,.0f} minutes of one worker, {study.flops / 1e15:.3g} PFLOP"
    rows = [
        ("data", f"`{study.data}`, {study.classes} classes, images {' x '.join(map(str, study.shape))}"),
        ("network", network),
        ("recipe", ", ".join(f"{name} {recipe[name]}" for name in kept)),
        ("shadows", f"{study.tables[-1].shadows}, in pairs that halve the pool; {study.trained_on:,} examples each"),
        ("examples", f"{study.asked:,} under the augmentations {', '.join(study.views)}"),
        ("accuracy in", _spread(study.accuracy_in)),
        ("accuracy out", _spread(study.accuracy_out)),
        ("cost", cost),
    ]
    return table(("", ""), rows)


def _spread(moments: tuple[float, float] | None) -> str:
    return "-" if moments is None else f"{moments[0]:.3f} ± {moments[1]:.3f}"


def _results(whole: BankTable) -> list[str]:
    lead = f"lead over {whole.against[0]} on {whole.against[1]}"
    head = ("attack", "signal", "AUC", "over targets", *RATES, lead)
    missing = [f"Not made: `{name}`: {why}" for name, why in whole.absent.items()]
    return [table(head, [_row(result) for result in whole.results]), *missing]


def _row(result: BankResult) -> tuple[str, ...]:
    return (
        f"`{result.attack}`",
        result.signal,
        _figure(result.auc),
        f"± {result.deviation:.4f}",
        *(_figure(value) for value in result.tpr),
        "-" if result.lead is None else _figure(result.lead, "+"),
    )


def _growth(study: BankStudy, place: int | None) -> str:
    """AUC (None) or the TPR at a place of ``RATES`` at each number of shadows, of attacks that read them."""
    by_name = [{(result.attack, result.signal): result for result in each.results} for each in study.tables]
    rows = []
    for name, signal in by_name[-1]:
        found = [results.get((name, signal)) for results in by_name]
        values = [None if result is None else result.auc if place is None else result.tpr[place] for result in found]
        rows.append((f"`{name}`", signal, *map(_figure, values)))
    head = ("AUC" if place is None else RATES[place], "signal", *(f"{each.shadows} shadows" for each in study.tables))
    return table(head, [row for row in rows if len(set(row[2:])) > 1])


def _figure(value: TargetMean | None, sign: str = "") -> str:
    if value is None:
        return "-"
    return f"{value.mean:{sign}.4f} ± {(value.interval[1] - value.interval[0]) / 2:.4f}"
