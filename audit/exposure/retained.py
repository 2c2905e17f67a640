"""Did unlearning expose those who stayed? R-LiRA on retain examples, against unseen ones and against the retrains.

Retain examples are members on the candidate and on every retrain, so that their AUC is above one half on all of them
where a network memorises; what unlearning has done to them shows in the gap. Report only.
Source: Hayes et al. 2024 (arXiv 2403.01218), on harm to the retain set; verdict.md, section 8.3.
"""

import numpy as np

from vestige.attacks.metrics.roc import auc_rows, threshold_at_fpr
from vestige.attacks.outputs.outputs import Outputs
from vestige.attacks.scores.rlira import LEAST_RETRAINS, rlira
from vestige.audit.endpoints.readings import judged_rows
from vestige.audit.endpoints.scores import Scores
from vestige.audit.policy import Policy
from vestige.audit.results.exposure import RetainComparison, RetainExposure
from vestige.audit.statistics import intervals
from vestige.learners.arrays import Floats

WORDS = {
    "auc_z": "AUC of z, retain against unseen",
    "auc_abs_z": "AUC of |z|, retain against unseen",
    "tpr_z": "TPR at FPR {fpr} of z, retain against unseen",
}


def retain_exposure(outputs: Outputs, kept: tuple[int, ...], scores: Scores, policy: Policy) -> RetainExposure:
    """Candidate and retrains ``kept`` on the retain rows of ``outputs``; ``scores``: of the same models, on forget and
    unseen rows, whose division of the unseen rows is used. Rows of one person count as so many."""
    rows = np.flatnonzero(outputs.where("retain"))
    if why := _why_not(scores, len(rows), len(kept)):
        return RetainExposure(why, len(rows), ())
    judged = judged_rows(outputs, scores.setting)
    calibration, evaluation = (
        mask if scores.people is None else mask[scores.people.unit] for mask in (scores.calibration, scores.evaluation)
    )
    everything = np.concatenate([rows, judged[calibration], judged[evaluation]])
    phi = outputs.signals("logit")["logit"][[*kept, len(outputs.retrain)]].take(everything, axis=1)
    place = np.repeat([0, 1, 2], [len(rows), calibration.sum(), evaluation.sum()])
    scores_z = rlira(phi[:-1], phi[-1:], place == 1)
    z = np.concatenate([scores_z.retrains, scores_z.others])
    retained, cut, unseen = (z.compress(place == part, axis=1) for part in range(3))
    values = {
        "auc_z": auc_rows(retained, unseen),
        "auc_abs_z": auc_rows(np.abs(retained), np.abs(unseen)),
        "tpr_z": _tpr(retained, cut, policy.fpr),
    }
    comparisons = tuple(compare(name, of_models, len(rows), policy) for name, of_models in values.items())
    return RetainExposure("", len(rows), comparisons)


def _why_not(scores: Scores, rows: int, retrains: int) -> str:
    if not rows:
        return "no retain rows were given"
    if scores.setting.of_class:
        return "retain and unseen rows are of different classes"
    return "" if retrains >= LEAST_RETRAINS else f"needs at least {LEAST_RETRAINS} retrains"


def _tpr(members: Floats, calibration: Floats, fpr: float) -> Floats:
    cuts = np.array([threshold_at_fpr(negatives, fpr) for negatives in calibration])[:, None]
    caught: Floats = (members > cuts).mean(axis=1)
    return caught


def compare(name: str, values: Floats, examples: int, policy: Policy) -> RetainComparison:
    """Statistic ``name`` from its ``values [K + 1]`` on the retrains and, last, the candidate."""
    retrains = values[:-1]
    gap = float(values[-1] - retrains.mean())
    spread = intervals.spread_of(retrains, 1 / examples)
    error = intervals.gap_error(0.0, spread, 1 + 1 / len(retrains), len(retrains), 0.0)
    width = error.half_width(policy.level / len(WORDS))
    return RetainComparison(
        name=name,
        statistic=WORDS[name].format(fpr=f"{policy.fpr:g}"),
        candidate=float(values[-1]),
        retrains=tuple(float(value) for value in retrains),
        gap=gap,
        interval=(gap - width, gap + width),
    )
