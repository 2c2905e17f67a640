"""The bank of an audit under attack: reads it, makes the tables at growing numbers of shadows, writes the page."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.attacks.shadows.checks import bank_problems
from vestige.audit.config.config import AuditConfig
from vestige.audit.endpoints.scores import calibration_rows
from vestige.audit.models.making import plan_models
from vestige.audit.progress import Watch, ignore
from vestige.audit.shadows.bank import found_shadows
from vestige.audit.studies.attacks.bank_study import BankTable, attack_shadows, attack_unlearned, sizes_up_to
from vestige.audit.studies.attacks.table import BASELINE
from vestige.learners.errors import DataError


@dataclass(frozen=True)
class BankStudy:
    """What attacks do to an audit's shadows. data, classes, shape, recipe: of the audit. trained_on: examples of each
    shadow; asked: examples that every model was asked about. accuracy_in, accuracy_out: mean and standard deviation
    over shadows, on the examples that each was trained on and on the others; None where no shadow was asked about any.
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
    sizes: Sequence[int] | None = None,
    against: tuple[str, str] = BASELINE,
    watch: Watch = ignore,
) -> BankStudy:
    """Attack every shadow of the bank that the workspace holds for this audit.

    count: of shadows, None for all that are finished. sizes: of the banks that attack; None for 8, 16, 32 ... and all.
    Raises DataError where there is no bank, or a smaller one: ``vestige shadows`` makes it."""
    watch("loading data", 0, 1)
    plan = plan_models(config, base)
    bank, unlearned = found_shadows(plan, workspace, count)
    if bank is None:
        raise DataError(f"{workspace}: expected shadows of this audit, got none; make them with vestige shadows")
    watch("loading data", 1, 1)
    examples, policy = plan.examples, config.policy
    unseen = np.isin(bank.rows, plan.split.unseen)
    calibration = calibration_rows(bank.labels, unseen, policy.calibration_share, policy.calibration_seed)
    people = None if examples.subjects is None else examples.subjects[bank.rows]
    tables, wanted = [], sizes_up_to(len(bank)) if sizes is None else list(sizes)
    for done, size in enumerate(wanted):
        watch("attacking the shadows", done, len(wanted))
        table = attack_shadows(
            bank,
            calibration,
            signals=config.attacks.signals,
            shadows=size,
            people=people,
            against=against,
        )
        tables.append(table)
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
        unlearned=tuple(attack_unlearned(one, name, people=people) for name, one in unlearned.items()),
        problems=bank_problems(bank),
    )


def _moments(values: NDArray[np.float64]) -> tuple[float, float] | None:
    known = values[np.isfinite(values)]
    return (float(known.mean()), float(known.std(ddof=1))) if len(known) > 1 else None
