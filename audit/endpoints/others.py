"""V: the outputs of the other classes."""

from collections.abc import Iterator

from vestige.audit.endpoints.scores import Scores
from vestige.audit.endpoints.statistic import Statistic, absent, null_auc
from vestige.audit.policy import Policy

LEAST_RETRAINS = 2


def others(scores: Scores, policy: Policy) -> Iterator[Statistic]:
    """V: AUC of the closeness of the other classes' outputs to the mean of the references', forget against unseen.

    Sees what phi does not: outputs that were copied, permuted or smoothed on the forget set alone."""
    f, _, u = scores.sizes
    if scores.distance is None or scores.retrains < LEAST_RETRAINS:
        few = scores.retrains < LEAST_RETRAINS
        need = f"at least {LEAST_RETRAINS} retrains, got {scores.retrains}" if few else "at least three classes"
        yield absent(f"needs {need}", f, u)
        return
    forget, _, unseen = scores.parts(-scores.distance)
    yield null_auc(forget, unseen, scores.retrains)
