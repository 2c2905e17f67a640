"""The setting of an audit: found in the labels, known of the split, or declared."""

from typing import Literal

import numpy as np

from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.endpoints.readings import is_classless
from vestige.audit.results.setting import CHOSEN, Setting
from vestige.learners.errors import DataError

LEAST_RETAIN = 200
"""Retain rows from which on a class that none of them has was forgotten as a whole."""
Declared = Literal["random", "chosen", "class"]


def setting_of(outputs: Outputs, declared: Declared | None = None, *, known: bool = False) -> Setting:
    """The setting of these outputs. declared: by the user, None where nothing was said. known: vestige sampled the
    forget set at random.

    Whole classes were forgotten where enough retain rows exist and none is of their classes; and where without such
    rows only those classes' unseen rows are at hand, though the models know more classes. DataError where the labels
    contradict what was declared."""
    forgotten = np.unique(outputs.labels[outputs.where("forget")])
    unseen, retain = (np.unique(outputs.labels[outputs.where(role)]) for role in ("unseen", "retain"))
    kept, enough = np.intersect1d(forgotten, retain), int(outputs.where("retain").sum()) >= LEAST_RETAIN
    alone = not len(np.setdiff1d(unseen, forgotten)) and outputs.classes > len(forgotten)
    whole = not len(kept) and (enough or (alone and not is_classless(outputs)))
    if declared == "class":
        if len(kept):
            raise DataError(
                f"setting: whole classes were declared, but retain rows have class {kept[0]} too; declare nothing"
            )
        return Setting("class", "declared")
    if whole and declared is not None:
        raise DataError(
            f"setting: {declared} was declared, but no retain row has a class of the forget rows, so whole classes "
            "were forgotten; declare nothing"
        )
    if declared is not None:
        return Setting(declared, "declared")
    if whole:
        return Setting("class", "detected")
    return Setting("random", "known") if known else CHOSEN
