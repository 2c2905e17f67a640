"""The setting of an audit: found in the labels, known of the split, or declared."""

from typing import Literal

import numpy as np

from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.endpoints.readings import is_classless
from vestige.audit.results.setting import CHOSEN, Setting
from vestige.learners.arrays import Labels
from vestige.learners.errors import DataError

LEAST_RETAIN = 200
"""Retain rows from which on a class that none of them has was forgotten as a whole."""
KNOWN, UNKNOWN = 0.5, 0.05
"""Share of right answers on a class above which a model knows it, and below which it does not."""
Declared = Literal["random", "chosen", "class"]


def setting_of(outputs: Outputs, declared: Declared | None = None, *, known: bool = False) -> Setting:
    """The setting of these outputs. declared: by the user, None where nothing was said. known: vestige sampled the
    forget set at random.

    Whole classes were forgotten where enough retain rows exist and none is of their classes; where without such rows
    only those classes' unseen rows are at hand, though the models know more classes; and where the original knows the
    classes and no retrain does, whatever the rows. DataError where the labels contradict what was declared."""
    forgotten = np.unique(outputs.labels[outputs.where("forget")])
    unseen, retain = (np.unique(outputs.labels[outputs.where(role)]) for role in ("unseen", "retain"))
    kept, enough = np.intersect1d(forgotten, retain), int(outputs.where("retain").sum()) >= LEAST_RETAIN
    alone = not len(np.setdiff1d(unseen, forgotten)) and outputs.classes > len(forgotten)
    unlearnt = _unlearnt(outputs, forgotten)
    whole = unlearnt or (not len(kept) and (enough or (alone and not is_classless(outputs))))
    if declared == "class":
        if len(kept) and not unlearnt:
            raise DataError(
                f"setting: whole classes were declared, but retain rows have class {kept[0]} too; declare nothing"
            )
        return Setting("class", "declared")
    if whole and declared is not None:
        raise DataError(
            f"setting: {declared} was declared, but no retain row has a class of the forget rows, or no retrain knows "
            "them, so whole classes were forgotten; declare nothing"
        )
    if declared is not None:
        return Setting(declared, "declared")
    if whole:
        return Setting("class", "detected")
    return Setting("random", "known") if known else CHOSEN


def _unlearnt(outputs: Outputs, forgotten: Labels) -> bool:
    """Whether the original knows every one of the ``forgotten`` classes, and no retrain any of them, by their unseen
    rows. Without an original or retrains nothing is known."""
    k = len(outputs.retrain)
    if not k or outputs.original is None or outputs.classes < 3:
        return False
    for label in forgotten:
        of_class = (outputs.labels == label) & outputs.where("unseen")
        if not of_class.any():
            return False
        right = (outputs.predictions[:, of_class] == label).mean(axis=1)
        if right[:k].max() >= UNKNOWN or right[-1] <= KNOWN:
            return False
    return True
