"""A4, T4, F4, F5: attacks that read shadow models, where there is a bank."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from vestige.attacks.metrics.roc import LEAST_FALSE_POSITIVES, estimable
from vestige.audit.endpoints.scores import Scores
from vestige.audit.endpoints.statistic import Statistic, absent, paired_auc
from vestige.audit.endpoints.tail import tpr
from vestige.audit.policy import Policy
from vestige.audit.results.shadows import ULIRA, why_absent

Compute = Callable[[Scores, Policy], Iterator[Statistic]]


def auc_of(score: str) -> Compute:
    """AUC of a score against shadows. All models meet the same shadows, so that no retrain has to be left out."""

    def compute(scores: Scores, policy: Policy) -> Iterator[Statistic]:
        missing, tables = _missing(score, scores), _parts(score, scores)
        if missing or tables is None:
            yield absent(missing)
            return
        statistic = paired_auc(tables[0], tables[2], scores.retrains, random=False)
        # U-LiRA judges as many unseen examples as there are forget examples: more unseen ones would not help it.
        yield replace(statistic, unseen_share=0.0) if score == ULIRA else statistic

    return compute


def tail_of(score: str) -> Compute:
    """TPR of a score against shadows at the policy's FPR."""

    def compute(scores: Scores, policy: Policy) -> Iterator[Statistic]:
        missing, tables = _missing(score, scores), _parts(score, scores)
        if missing or tables is None or scores.shadows is None:
            yield absent(missing)
            return
        f, u = tables[0].shape[1], scores.shadows.unseen_evaluation
        if not estimable(policy.fpr, u):
            least = int(np.ceil(LEAST_FALSE_POSITIVES / policy.fpr))
            yield absent(f"needs at least {least} unseen examples for evaluation, got {u}", f, u)
            return
        yield replace(tpr(tables[0], tables[1], scores.retrains, policy, random=False), in_force=True)

    return compute


def _missing(score: str, scores: Scores) -> str:
    return "needs retrains, and there is none" if scores.retrains < 2 else why_absent(score, scores.shadows)


def _parts(score: str, scores: Scores) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """The score's table in parts; of U-LiRA on the units on which it is defined."""
    shadowed = scores.shadowed
    if shadowed is None or score not in shadowed.tables:
        return None
    return scores.parts(shadowed.tables[score], shadowed.judged if score == ULIRA else True)
