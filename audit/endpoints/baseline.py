"""The second baseline: the candidate against data that nobody trained on."""

import numpy as np

from vestige.attacks.metrics import distributions as stats
from vestige.attacks.metrics.roc import auc_rows, delong_variance, placements
from vestige.audit.endpoints.scores import MIN_RETRAINS, Scores
from vestige.audit.policy import Policy
from vestige.audit.results.evidence import Baseline
from vestige.audit.statistics import intervals


def baseline(scores: Scores, policy: Policy) -> Baseline:
    """AUC of phi, forget against evaluation unseen, on the candidate and on the mean retrain.

    Without retrains there is only the candidate's. It contradicts a PASS only where the retrains themselves show forget
    and unseen data to be exchangeable (E1) and the candidate's interval lies wholly beyond the margin plus the
    half-width of the retrains' own interval.
    """
    forget, _, unseen = scores.rows(scores.phi[: scores.retrains + 1])
    pairs = [placements(*model) for model in zip(forget, unseen, strict=True)]
    v10, v01 = np.stack([pair[0] for pair in pairs]), np.stack([pair[1] for pair in pairs])
    sizes, alpha, k = (v10.shape[1], v01.shape[1]), policy.alpha, scores.retrains
    enough = min(sizes) > 1
    values = auc_rows(forget, unseen)
    auc, values = float(values[k]), values[:k]
    own_variance = delong_variance(v10[k], v01[k]) if enough else 0.0
    interval = intervals.auc_interval(auc, own_variance, *sizes, alpha)
    if not k:
        return Baseline(auc, interval, None, None, exchangeable=False, disagrees=False)
    mean = float(values.mean())
    mean_variance = delong_variance(v10[:k].mean(axis=0), v01[:k].mean(axis=0)) if enough else 0.0
    low, high = intervals.auc_interval(mean, mean_variance, *sizes, alpha)
    if k >= MIN_RETRAINS:
        seed = float(stats.t.ppf(1 - alpha, k - 1) * np.std(values, ddof=1) / np.sqrt(k))
        low, high = min(low, mean - seed), max(high, mean + seed)
    margin = policy.margin_auc
    exchangeable = bool(low > 0.5 - margin and high < 0.5 + margin)
    allowed = margin + (high - low) / 2
    beyond = interval[0] > 0.5 + allowed or interval[1] < 0.5 - allowed
    return Baseline(
        auc=auc,
        interval=interval,
        retrain_auc=mean,
        retrain_interval=(low, high),
        exchangeable=exchangeable,
        disagrees=bool(exchangeable and beyond),
    )
