"""Why before-and-after is no endpoint of the verdict: it fails candidates that are draws from the retrains' own law."""

from dataclasses import replace

import numpy as np
import pytest

from vestige.attacks.metrics.roc import auc_rows
from vestige.attacks.scores.before_after import before_after
from vestige.audit.endpoints.decisions import fail_tests
from vestige.audit.endpoints.endpoints import BY_NAME, Measured, measure
from vestige.audit.endpoints.readings import read
from vestige.audit.endpoints.scores import score
from vestige.audit.endpoints.simulation import World, memorised
from vestige.audit.endpoints.statistic import Statistic
from vestige.audit.policy import Policy
from vestige.audit.results.setting import CHOSEN
from vestige.audit.statistics.intervals import clopper_pearson, null_error

POLICY = Policy()
WORLD = World(forget=800, unseen=3000, retrains=8, classes=1, seed_effect=0.0, level=0.0)
K = WORLD.retrains


def outside(shared: float, kept: float, seed: int) -> tuple[bool, bool, float]:
    """Whether the rule fails the candidate, whether before-and-after would, and its gap there.

    shared: correlation of the candidate's noise with the original's, 0 for a retrain. kept: share of what the original
    memorised. However much is shared, a candidate with ``kept`` 0 is, seen alone, exactly distributed as a retrain.
    """
    random = np.random.default_rng(seed)
    n = WORLD.forget + WORLD.unseen
    noise = random.normal(size=(K + 2, n))
    noise[K] = shared * noise[-1] + np.sqrt(1 - shared**2) * noise[K]
    phi = random.normal(0, 1.5, n) + noise
    memory = memorised(1.5)(random, WORLD.forget)
    phi[-1, : WORLD.forget] += memory
    phi[K, : WORLD.forget] += kept * memory
    outputs = replace(WORLD.draw(0), phi=phi).outputs()
    scores = score(read(outputs, CHOSEN, range(K), 0.2))
    rule = measure(scores, POLICY)
    moved = before_after(phi[-1], phi)
    values = auc_rows(moved[:, scores.forget], moved[:, scores.evaluation])
    assert values[-1] == 0.5  # on the original itself it is degenerate
    f, _, u = scores.sizes
    errors = np.full(2, null_error(f, u))
    more = Measured(replace(BY_NAME["M"], name="X"), Statistic(values, f, u, errors), K, CHOSEN)
    own = any(p.holm <= POLICY.alpha for p in fail_tests(rule, 0, POLICY).values())
    return own, fail_tests([*rule, more], 0, POLICY)["X"].holm <= POLICY.alpha, more.gap(0)


def count(shared: float, kept: float, runs: int = 15) -> tuple[int, int, float]:
    """FAILs of the rule and of before-and-after, and its mean gap."""
    found = [outside(shared, kept, seed) for seed in range(runs)]
    return sum(run[0] for run in found), sum(run[1] for run in found), float(np.mean([run[2] for run in found]))


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
