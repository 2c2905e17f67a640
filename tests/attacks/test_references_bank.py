"""Reference attacks on every shadow against their namesakes with the pair left out, one target at a time."""

import numpy as np
import pytest

from tests.attacks.gaussian_bank import bank
from vestige.attacks.arrays import NotEstimable
from vestige.attacks.metrics.roc import auc
from vestige.attacks.scores.references import attack_r, difficulty, sablayrolles
from vestige.attacks.scores.references_bank import (
    attack_r_leave_pair_out,
    difficulty_leave_pair_out,
    sablayrolles_leave_pair_out,
)

PAIRS = [
    (difficulty_leave_pair_out, difficulty),
    (sablayrolles_leave_pair_out, sablayrolles),
    (attack_r_leave_pair_out, attack_r),
]


@pytest.mark.parametrize(("everywhere", "one"), PAIRS, ids=lambda function: function.__name__)
@pytest.mark.parametrize("views", [1, 3])
def test_each_target_is_scored_as_by_a_call_without_its_pair(everywhere, one, views):
    values, member, _ = bank(10, 150, 1, shift=1.0, level=5.0)
    more = np.random.default_rng(2).normal(size=(10, views, 150))
    tables = values[:, None] + more.round(1)  # ties, for attack R
    ours = everywhere(list(tables), member)
    for target in range(10):
        rest = np.arange(10) // 2 != target // 2
        plain = one(tables[target : target + 1], tables[rest], member[rest])[0]
        assert ours[target] == pytest.approx(plain, abs=1e-9)


@pytest.mark.parametrize(("everywhere", "_one"), PAIRS, ids=lambda function: function.__name__)
@pytest.mark.parametrize("shadows", [4, 6, 16])
def test_p8_noise_is_at_chance_and_a_leak_is_not(everywhere, _one, shadows):
    noise, member, _ = bank(shadows, 20_000, 3, spread_of_sigma=0.5)
    scores = everywhere(noise, member)
    areas = [auc(row[inside], row[~inside]) for row, inside in zip(scores, member, strict=True)]
    assert np.mean(areas) == pytest.approx(0.5, abs=0.01)
    leak, member, _ = bank(shadows, 5000, 4, shift=1.0)
    scores = everywhere(leak, member)
    assert auc(scores[0, member[0]], scores[0, ~member[0]]) > 0.6


@pytest.mark.parametrize(("everywhere", "_one"), PAIRS, ids=lambda function: function.__name__)
def test_two_shadows_leave_nobody(everywhere, _one):
    values, member, _ = bank(2, 20, 5)
    with pytest.raises(NotEstimable, match="at least 4 shadows"):
        everywhere(values, member)
