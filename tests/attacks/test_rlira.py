"""R-LiRA: RL-01 to RL-05, and the faults seen elsewhere that concern it (P2, P8, P18, P19)."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from vestige.attacks.arrays import NotEstimable
from vestige.attacks.metrics.roc import auc, delong_variance, placements, tpr_at_fpr
from vestige.attacks.scores.rlira import rlira
from vestige.learners.errors import DataError


def table(seed, forget, unseen, retrains, others, theta=0.0, tau=0.0):
    """The synthetic score table of the verdict cases: difficulty, noise, a seed effect and a shift on forget."""
    random = np.random.default_rng(seed)
    n = forget + unseen
    difficulty = random.normal(0, 1.5, n)
    member = np.arange(n) < forget
    phi = difficulty + random.normal(size=(retrains + others, n))
    phi += member * random.normal(0, tau, (retrains + others, 1))
    phi[retrains:, member] += theta
    calibration = np.zeros(n, bool)
    calibration[forget : forget + unseen // 5] = True
    return phi[:retrains], phi[retrains:], calibration, member, ~member & ~calibration


def slow_z(phi, references, calibration, sigma):
    z = [(p - np.mean([r[x] for r in references])) / sigma for x, p in enumerate(phi)]
    centre = np.median([v for v, c in zip(z, calibration, strict=True) if c])
    return [v - centre for v in z]


def test_equal_to_the_definition_by_loops():
    retrains, others, calibration, *_ = table(0, 12, 20, 4, 2)
    scores = rlira(retrains, others, calibration)
    sigma = math.sqrt(np.mean([np.var(column) for column in retrains.T]))
    assert scores.sigma == pytest.approx(sigma, rel=1e-12)
    assert scores.others.shape == (2, 32) and scores.retrains.shape == (4, 32)
    for p in range(2):
        assert scores.others[p] == pytest.approx(slow_z(others[p], retrains, calibration, sigma), abs=1e-9)
    for k in range(4):
        rest = [r for j, r in enumerate(retrains) if j != k]
        assert scores.retrains[k] == pytest.approx(slow_z(retrains[k], rest, calibration, sigma), abs=1e-9)


def test_rl_01_p8_a_retrain_is_scored_without_itself():
    retrains, others, calibration, member, _ = table(1, 30, 60, 5, 1)
    scores = rlira(retrains, others, calibration)
    mu = retrains[2] - scores.retrains[2] * scores.sigma
    changed = retrains.copy()
    changed[2, member] += np.linspace(-40, 40, 30)
    again = rlira(changed, others, calibration)
    # What is subtracted from retrain 2 (mu and its own centre on calibration examples) is as before.
    assert changed[2] - again.retrains[2] * again.sigma == pytest.approx(mu, abs=1e-9)
    # A model that took part in its own reference would be drawn towards it by 1 / K.
    moved = (again.retrains[2] * again.sigma - scores.retrains[2] * scores.sigma)[member]
    assert moved == pytest.approx(np.linspace(-40, 40, 30), abs=1e-9)


def test_rl_01_the_own_scores_never_enter_even_by_rounding():
    retrains, others, calibration, *_ = table(2, 10, 20, 3, 0)
    retrains[0] = 1e30
    scores = rlira(retrains, others, calibration)
    assert (scores.retrains[0] == 0).all()
    expected = retrains[1] - (retrains[0] + retrains[2]) / 2
    expected = (expected - np.median(expected[calibration])) / scores.sigma
    assert scores.retrains[1] == pytest.approx(expected)


@pytest.mark.parametrize("constant", [-9.0, 0.5, 300.0])
def test_rl_02_a_constant_on_one_model_leaves_its_z_unchanged(constant):
    retrains, others, calibration, *_ = table(3, 30, 60, 5, 2)
    scores = rlira(retrains, others, calibration)
    shifted = others.copy()
    shifted[1] += constant
    assert rlira(retrains, shifted, calibration).others == pytest.approx(scores.others, abs=1e-9)
    moved = retrains.copy()
    moved[3] += constant
    again = rlira(moved, others, calibration)
    # The pooled sigma sees the shift of a retrain; ranks and z in units of phi do not.
    assert again.retrains * again.sigma == pytest.approx(scores.retrains * scores.sigma, abs=1e-9)
    assert again.others * again.sigma == pytest.approx(scores.others * scores.sigma, abs=1e-9)


@pytest.mark.parametrize("factor", [0.25, 8.0])
def test_rl_03_sigma_changes_no_endpoint(factor):
    retrains, others, calibration, member, evaluation = table(4, 300, 1500, 5, 1, theta=0.7)
    z = rlira(retrains, others, calibration).others[0]
    for score in (np.abs, np.positive):
        own, scaled = score(z), score(z * factor)
        assert auc(own[member], own[evaluation]) == auc(scaled[member], scaled[evaluation])
        assert tpr_at_fpr(own[member], own[evaluation], 0.01) == tpr_at_fpr(scaled[member], scaled[evaluation], 0.01)


@pytest.mark.parametrize("seed", range(4))
def test_rl_04_a_fresh_retrain_scores_half(seed):
    retrains, others, calibration, member, evaluation = table(seed, 2000, 10_000, 10, 1)
    scores = rlira(retrains, others, calibration)
    for z in (scores.others[0], scores.retrains[0], scores.retrains[9]):
        for score in (z, np.abs(z)):
            error = math.sqrt(delong_variance(*placements(score[member], score[evaluation])))
            assert abs(auc(score[member], score[evaluation]) - 0.5) < 3 * error


@pytest.mark.parametrize(
    ("theta", "auc_phi", "auc_z_10", "auc_z_5"),
    [
        (0.13, 0.5203319, 0.5349139, 0.5334316),
        (0.15, 0.5234565, 0.5402682, 0.5385599),
        (0.40, 0.5623311, 0.6062755, 0.6018546),
        (0.75, 0.6156798, 0.6934125, 0.6858185),
        (1.5, 0.7218371, 0.8440140, 0.8334938),
    ],
)
def test_rl_05_expected_auc_of_a_shift(theta, auc_phi, auc_z_10, auc_z_5):
    tau = 0.03
    assert norm.cdf(theta / math.sqrt(6.5 + tau**2)) == pytest.approx(auc_phi, abs=1e-7)
    for k, expected in ((10, auc_z_10), (5, auc_z_5)):
        assert norm.cdf(theta / math.sqrt(2 * (1 + 1 / k) + tau**2)) == pytest.approx(expected, abs=1e-7)
        retrains, others, calibration, member, evaluation = table(5, 20_000, 20_000, k, 6, theta, tau)
        z = rlira(retrains, others, calibration).others
        found = np.mean([auc(row[member], row[evaluation]) for row in z])
        assert found == pytest.approx(expected, abs=0.01)
    assert auc(others[0][member], others[0][evaluation]) == pytest.approx(auc_phi, abs=0.012)


def test_p2_sigma_comes_from_the_out_models_alone():
    random = np.random.default_rng(6)
    retrains = random.normal(0, 3, (9, 20_000))
    candidate = random.normal(0, 1, (1, 20_000))
    scores = rlira(retrains, candidate, np.arange(20_000) >= 10_000)
    assert scores.sigma == pytest.approx(3 * math.sqrt(8 / 9), rel=0.01)
    assert scores.others.std() == pytest.approx(math.sqrt(1 + 9 / 9) / scores.sigma, rel=0.02)


def test_p18_p19_over_forgetting_lowers_z_and_raises_abs_z():
    retrains, others, calibration, member, evaluation = table(7, 2000, 5000, 10, 1, theta=-1.5)
    z = rlira(retrains, others, calibration).others[0]
    assert auc(z[member], z[evaluation]) < 0.2
    assert auc(np.abs(z)[member], np.abs(z)[evaluation]) > 0.65
    retrains, others, calibration, member, evaluation = table(7, 2000, 5000, 10, 1, theta=1.5)
    z = rlira(retrains, others, calibration).others[0]
    assert auc(z[member], z[evaluation]) > 0.8
    assert auc(np.abs(z)[member], np.abs(z)[evaluation]) > 0.65


def test_scatter_is_invisible_to_z_and_visible_to_abs_z():
    retrains, others, calibration, member, evaluation = table(8, 2000, 5000, 10, 1)
    others[0, :1000] += 1.5
    others[0, 1000:2000] -= 1.5
    z = rlira(retrains, others, calibration).others[0]
    assert abs(auc(z[member], z[evaluation]) - 0.5) < 0.03
    assert auc(np.abs(z)[member], np.abs(z)[evaluation]) > 0.65


def test_identical_retrains_give_sigma_zero_and_finite_scores():
    retrains = np.tile(np.linspace(0, 1, 10), (4, 1))
    scores = rlira(retrains, retrains[:1] + 1, np.arange(10) > 4)
    assert scores.sigma == 0
    assert (scores.retrains == 0).all() and np.isfinite(scores.others).all()


def test_no_others_and_an_input_that_stays_as_it_is():
    retrains, others, calibration, *_ = table(9, 5, 10, 3, 1)
    for array in (retrains, others, calibration):
        array.flags.writeable = False
    assert rlira(retrains, np.empty((0, 15)), calibration).others.shape == (0, 15)
    assert np.array_equal(rlira(retrains, others, calibration).others, rlira(retrains, others, calibration).others)


@pytest.mark.parametrize("k", [1, 2])
def test_fewer_than_three_retrains_are_not_enough(k):
    with pytest.raises(NotEstimable, match=f"expected at least 3 retrains, got {k}"):
        rlira(np.zeros((k, 4)), np.zeros((1, 4)), np.ones(4, bool))


@pytest.mark.parametrize(
    ("retrains", "others", "calibration", "part"),
    [
        (np.zeros((3, 4)), np.zeros((1, 5)), np.ones(4, bool), "phi_other: expected scores of the 4 examples"),
        (np.zeros((3, 4)), np.zeros(4), np.ones(4, bool), "phi_other: expected scores of shape"),
        (np.zeros((3, 4)), np.zeros((1, 4)), np.zeros(4, bool), "calibration: expected at least one"),
        (np.zeros((3, 4)), np.zeros((1, 4)), np.ones(3, bool), "calibration: expected a boolean mask"),
        (np.full((3, 4), np.nan), np.zeros((1, 4)), np.ones(4, bool), "phi_retrains: expected numbers, got 12 NaN"),
    ],
)
def test_bad_arguments_are_refused(retrains, others, calibration, part):
    with pytest.raises(DataError, match=part):
        rlira(retrains, others, calibration)


def test_retrains_identical_to_the_last_bit_leave_z_undivided_whatever_the_rounding() -> None:
    random = np.random.default_rng(0)
    one, other = random.normal(0, 3, (2, 500))
    calibration = np.arange(500) < 100
    scores = rlira(np.repeat(one[None], 5, axis=0), other[None], calibration)
    assert scores.sigma == 0 and np.abs(scores.others).max() < 30
