"""REF-01 to REF-03, UL-14: difficulty, Sablayrolles, attack R, population, before and after, votes."""

import numpy as np
import pytest

from tests.attacks.gaussian_bank import bank
from vestige.attacks.arrays import NotEstimable
from vestige.attacks.metrics.roc import auc, threshold_at_fpr
from vestige.attacks.scores.before_after import before_after
from vestige.attacks.scores.label_only import augmentation_vote
from vestige.attacks.scores.population import population
from vestige.attacks.scores.references import attack_r, difficulty, sablayrolles
from vestige.learners.errors import DataError


def by_hand(name, target, values, member):
    """One example after the other."""
    scores = []
    for i, own in enumerate(target):
        inside, outside = values[member[:, i], i], values[~member[:, i], i]
        if name == "difficulty":
            scores.append(own - outside.mean())
        elif name == "sablayrolles":
            scores.append(own - (inside.mean() + outside.mean()) / 2)
        else:
            scores.append((outside <= own).mean())
    return np.array(scores)


@pytest.mark.parametrize("attack", [difficulty, sablayrolles, attack_r])
def test_each_equals_its_loop_and_tells_members(attack):
    values, member, _ = bank(16, 4000, 1, shift=1.5)
    values = np.round(values, 1)  # ties
    scores = attack(values[-2:], values[:-2], member[:-2])
    for row, target, inside in zip(scores, values[-2:], member[-2:], strict=True):
        assert np.allclose(row, by_hand(attack.__name__, target, values[:-2], member[:-2]))
        assert auc(row[inside], row[~inside]) > 0.7
    null, member, _ = bank(16, 4000, 2)
    row = attack(null[-2:], null[:-2], member[:-2])[0]
    assert auc(row[member[-2]], row[~member[-2]]) == pytest.approx(0.5, abs=0.03)


def test_ref_01_attack_r_moves_in_steps_of_one_shadow():
    values, member, _ = bank(8, 50, 3)
    scores = attack_r(np.random.default_rng(4).normal(size=(1, 50)), values, member)
    assert np.allclose(scores * 4, np.round(scores * 4)) and scores.min() >= 0 and scores.max() <= 1


def test_ref_02_difficulty_is_zero_on_average_over_out_models():
    values, member, _ = bank(8, 50, 5)
    mean = np.mean([[values[k, i] for k in np.flatnonzero(~member[:, i])] for i in range(50)], axis=1)
    assert difficulty(mean[None], values, member) == pytest.approx(np.zeros((1, 50)), abs=1e-9)


@pytest.mark.parametrize("attack", [difficulty, sablayrolles, attack_r])
def test_an_example_without_references_is_refused(attack):
    values, member, _ = bank(8, 20, 6)
    member[:, 3] = True
    with pytest.raises(NotEstimable, match="expected an OUT shadow for each example, got none for 1"):
        attack(np.zeros((1, 20)), values, member)
    with pytest.raises(DataError, match="equal to shadow 2"):
        attack(values[2:3], values, member)


@pytest.mark.parametrize("fpr", [0.01, 0.1, 0.37])
def test_ref_03_the_cut_of_the_population_attack_holds_on_its_population(fpr):
    random = np.random.default_rng(7)
    scores = np.round(random.normal(size=2000), 1)
    calibration = np.arange(2000) < 1000
    share = population(scores, np.zeros(2000, int), calibration)
    above = share >= 1 - fpr
    assert above[calibration].mean() <= fpr + 1e-3
    assert np.array_equal(above[calibration] | (share[calibration] == 1), above[calibration])
    cut = threshold_at_fpr(scores[calibration], fpr)
    assert not above[scores < cut].any()


def test_population_by_class_ranks_within_the_class():
    random = np.random.default_rng(8)
    labels = random.integers(0, 3, 300)
    labels[0] = 7  # nobody of this class is in the population
    scores = random.normal(size=(2, 300)) + 5 * labels
    calibration = np.arange(300) >= 150
    ours = population(scores, labels, calibration, per_class=True)
    for model in range(2):
        for i in range(300):
            peers = scores[model, calibration & (labels == labels[i])] if i else scores[model, calibration]
            assert ours[model, i] == pytest.approx((peers < scores[model, i]).mean())
    with pytest.raises(DataError, match=r"expected scores \[..., n\] and labels \[n\]"):
        population(scores, labels[:5], calibration)


def test_ul_14_before_and_after_is_the_loss_of_confidence_also_of_a_retrain():
    random = np.random.default_rng(9)
    member = np.arange(2000) < 1000
    base = random.normal(size=2000)
    original = base + 2.0 * member
    scores = before_after(original, np.stack([base, original]))
    assert auc(scores[0, member], scores[0, ~member]) > 0.9  # an exact retrain leaks here as well
    assert auc(scores[1, member], scores[1, ~member]) == 0.5
    with pytest.raises(DataError, match=r"original: expected phi of 2000 examples, got \[3\]"):
        before_after(np.zeros(3), np.zeros((1, 2000)))


def test_votes_read_decisions_only():
    decisions = np.array([[[0, 1, 2], [0, 0, 2]], [[1, 1, 1], [1, 1, 1]]])
    assert augmentation_vote(decisions, [0, 1, 2]).tolist() == [[1.0, 0.5, 1.0], [0.0, 1.0, 0.0]]
    with pytest.raises(DataError, match="integer decisions"):
        augmentation_vote(decisions * 1.0, [0, 1, 2])
