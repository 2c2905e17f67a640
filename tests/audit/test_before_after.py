"""Why before-and-after is no endpoint of the verdict: it fails candidates that are draws from the retrains' own law."""

import numpy as np
import pytest
from numpy.typing import NDArray

from vestige.attacks.metrics.roc import auc_rows
from vestige.attacks.scores.before_after import before_after
from vestige.audit.endpoints.decisions import fail_test
from vestige.audit.endpoints.endpoints import Definition, Measured, measure
from vestige.audit.endpoints.scores import score_phi
from vestige.audit.policy import Policy
from vestige.audit.statistics.intervals import clopper_pearson

POLICY = Policy()
FORGET, UNSEEN, RETRAINS = 800, 3000, 8
BEFORE_AFTER = Definition("F6", "before_after", False, False, False, "AUC of before and after")


def outside(shared: float, kept: float, seed: int) -> tuple[bool, bool, float]:
    """Whether the battery fails the candidate, whether before-and-after would, and its gap there.

    shared: correlation of the candidate's noise with the original's, 0 for a retrain. kept: share of what the original
    memorised. However much is shared, a candidate with ``kept`` 0 is, seen alone, exactly distributed as a retrain.
    """
    random = np.random.default_rng(seed)
    n = FORGET + UNSEEN
    noise: NDArray[np.float64] = random.normal(size=(RETRAINS + 2, n))
    noise[RETRAINS] = shared * noise[-1] + np.sqrt(1 - shared**2) * noise[RETRAINS]
    phi = random.normal(0, 1.5, n) + noise
    memorised = random.exponential(1.5, FORGET)
    phi[-1, :FORGET] += memorised
    phi[RETRAINS, :FORGET] += kept * memorised
    forget = np.arange(n) < FORGET
    scores = score_phi(phi, RETRAINS, np.zeros(n, np.int64), forget, 0.2, 0)
    battery = measure(scores, POLICY.fpr, paired=False)
    moved = before_after(phi[-1], phi)
    values = auc_rows(moved[:, forget], moved[:, scores.evaluation])
    assert values[-1] == 0.5  # on the original itself it is degenerate
    one = Measured(BEFORE_AFTER, RETRAINS, values, "", float(np.std(values[:RETRAINS], ddof=1)))
    own = any(p.holm <= POLICY.alpha for p in fail_test(battery, 0, POLICY).values())
    return own, fail_test([*battery, one], 0, POLICY)["F6"].holm <= POLICY.alpha, one.gap(0)


def count(shared: float, kept: float, runs: int = 15) -> tuple[int, int, float]:
    found = [outside(shared, kept, seed) for seed in range(runs)]
    return sum(one[0] for one in found), sum(one[1] for one in found), float(np.mean([one[2] for one in found]))


def test_it_leaves_retrains_in_peace() -> None:
    own, more, gap = count(0.0, 0.0)
    assert own == more == 0 and abs(gap) < 0.01


@pytest.mark.parametrize("shared", [0.8, 0.95])
def test_it_fails_what_is_distributed_as_a_retrain_but_made_from_the_original(shared: float) -> None:
    own, more, gap = count(shared, 0.0)
    assert own == 0 and gap > 0.08
    assert clopper_pearson(more, 15)[0] > POLICY.alpha  # P(false FAIL) is far above what the policy allows


def test_its_sign_is_no_direction() -> None:
    """A model that kept half of what the original memorised moved less than a retrain, and yet the gap is above 0."""
    own, _, gap = count(0.95, 0.5)
    assert own == 15 and gap > 0.05
    assert count(0.0, 0.5)[2] < -0.05
