"""ROC statistics: ROC-01 to ROC-15 and the faults seen elsewhere (P7, P19, P20, P25)."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from vestige.attacks.arrays import NotEstimable
from vestige.attacks.metrics.roc import (
    auc,
    auc_rows,
    delong_variance,
    estimable,
    placements,
    roc_curve,
    thin,
    threshold_at_fpr,
    tpr_at_fpr,
)
from vestige.learners.errors import ConfigError, DataError

POSITIVE, NEGATIVE = [0.1, 0.4, 0.35, 0.8], [0.2, 0.3, 0.35]
POSITIVE_2, NEGATIVE_2 = [0.3, 0.2, 0.6, 0.7], [0.1, 0.35, 0.2]
TIED, TIED_NEGATIVE = [5, 4, 3, 3, 1], [4, 3, 3, 2, 2, 1, 1, 0, 0, 0]

scores = st.lists(st.integers(-4, 4), min_size=1, max_size=25)
rates = st.floats(0, 1)


def slow_auc(positive, negative):
    return sum((p > q) + 0.5 * (p == q) for p in positive for q in negative) / (len(positive) * len(negative))


def slow_tpr(positive, negative, fpr):
    """Largest TPR over every cut between, above and below the observed scores."""
    cuts = [-math.inf, *negative, *positive]
    rates = [(np.mean([q > t for q in negative]), np.mean([p > t for p in positive])) for t in cuts]
    return max((tpr for false, tpr in rates if false <= fpr), default=0.0)


def test_roc_01_auc_counts_half_for_ties():
    assert auc(POSITIVE, NEGATIVE) == pytest.approx(0.7083333333, abs=1e-9)


def test_roc_02_delong_variance():
    assert delong_variance(*placements(POSITIVE, NEGATIVE)) == pytest.approx(0.0590277778, abs=1e-9)


def test_roc_03_placements():
    v10, v01 = placements(POSITIVE, NEGATIVE)
    assert v10 == pytest.approx([0, 1, 0.8333333333, 1], abs=1e-9)
    assert v01 == pytest.approx([0.75, 0.75, 0.625], abs=1e-9)


def test_roc_04_second_model_and_paired_difference():
    assert auc(POSITIVE_2, NEGATIVE_2) == pytest.approx(0.7916666667, abs=1e-9)
    first, second = placements(POSITIVE, NEGATIVE), placements(POSITIVE_2, NEGATIVE_2)
    difference = delong_variance(second[0] - first[0], second[1] - first[1])
    assert difference == pytest.approx(0.0856481481, abs=1e-9)


def test_roc_05_placements_of_the_second_model():
    v10, v01 = placements(POSITIVE_2, NEGATIVE_2)
    assert v10 == pytest.approx([0.6666666667, 0.5, 1, 1], abs=1e-9)
    assert v01 == pytest.approx([1, 0.5, 0.875], abs=1e-9)


@pytest.mark.parametrize("members", [1, 3, 2000])
def test_roc_06_equal_scores_give_half_and_no_true_positives(members):
    assert auc(np.ones(members), np.ones(1500)) == 0.5
    assert tpr_at_fpr(np.ones(members), np.ones(1500), 0.01) == 0.0


def test_roc_07_ties():
    assert auc(TIED, TIED_NEGATIVE) == pytest.approx(0.79, abs=1e-12)
    assert delong_variance(*placements(TIED, TIED_NEGATIVE)) == pytest.approx(0.0163111111, abs=1e-9)


@pytest.mark.parametrize(("fpr", "tpr"), [(0, 0.2), (0.05, 0.2), (0.1, 0.4), (0.2, 0.4), (0.3, 0.8), (0.5, 0.8)])
def test_roc_08_ties_enter_as_one_block_without_interpolation(fpr, tpr):
    assert tpr_at_fpr(TIED, TIED_NEGATIVE, fpr, least_false_positives=0) == pytest.approx(tpr, abs=1e-12)


def test_roc_09_binary_scores_end_at_one_one():
    assert auc([1, 0], [1, 0]) == 0.5
    fpr, tpr = roc_curve([1, 0], [1, 0])
    assert (fpr[0], tpr[0]) == (0, 0) and (fpr[-1], tpr[-1]) == (1, 1)
    assert fpr.tolist() == tpr.tolist() == [0, 0.5, 1]


@settings(max_examples=80, deadline=None)
@given(scores, scores, rates)
def test_roc_10_increasing_transforms_and_negation(positive, negative, fpr):
    def bend(values):
        return [math.expm1(v) for v in values]

    assert auc(bend(positive), bend(negative)) == auc(positive, negative)
    assert tpr_at_fpr(bend(positive), bend(negative), fpr, least_false_positives=0) == tpr_at_fpr(
        positive, negative, fpr, least_false_positives=0
    )
    assert auc([-v for v in positive], [-v for v in negative]) == pytest.approx(1 - auc(positive, negative), abs=1e-12)


@pytest.mark.parametrize("levels", [2, 5, 20, 100])
def test_roc_11_p7_equal_to_scikit_learn_under_heavy_ties(levels):
    random = np.random.default_rng(levels)
    positive = np.floor(random.beta(2.5, 2, 700) * levels) / levels
    negative = np.floor(random.beta(2, 2, 900) * levels) / levels
    truth = np.r_[np.ones(700), np.zeros(900)]
    expected = roc_auc_score(truth, np.r_[positive, negative])
    assert auc(positive, negative) == pytest.approx(expected, abs=1e-12)
    fpr, tpr = roc_curve(positive, negative)
    assert np.trapezoid(tpr, fpr) == pytest.approx(expected, abs=1e-12)
    # The fault of P7: only the first member of each tie block counts, so the area shrinks with fewer levels.
    order = np.argsort(-np.r_[positive, negative], kind="stable")
    first = np.r_[True, np.diff(np.r_[positive, negative][order]) != 0]
    wrong = np.trapezoid(np.cumsum(truth[order])[first] / 700, np.cumsum(1 - truth[order])[first] / 900)
    assert levels > 20 or expected - wrong > 0.005


@pytest.mark.parametrize(
    ("d", "area", "tpr_1", "tpr_01"),
    [
        (0.1, 0.5282, 0.0130, 0.00139),
        (0.25, 0.5702, 0.0189, 0.00225),
        (0.5, 0.6382, 0.0339, 0.0048),
        (1.0, 0.760250, 0.092362, 0.018298),
        (1.5, 0.8556, 0.2043, 0.05589),
        (2.0, 0.921350, 0.372079, 0.137810),
        (3.0, 0.983053, 0.74973, 0.46405),
    ],
)
def test_roc_12_13_two_gaussians(d, area, tpr_1, tpr_01):
    assert norm.cdf(d / math.sqrt(2)) == pytest.approx(area, abs=6e-5)
    # Quantiles instead of draws: the closed form without sampling noise.
    grid = norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    assert auc(grid + d, grid) == pytest.approx(area, abs=1e-4)
    assert tpr_at_fpr(grid + d, grid, 0.01) == pytest.approx(tpr_1, abs=1e-3)
    assert tpr_at_fpr(grid + d, grid, 0.001) == pytest.approx(tpr_01, abs=3e-3)
    random = np.random.default_rng(13)
    positive, negative = random.normal(d, 1, 10_000), random.normal(0, 1, 10_000)
    assert auc(positive, negative) == pytest.approx(area, abs=0.015)
    assert tpr_at_fpr(positive, negative, 0.01) == pytest.approx(tpr_1, abs=0.02)


@pytest.mark.parametrize(
    ("fpr", "nonmembers", "answer"),
    [(0.01, 999, False), (0.01, 1000, True), (0.001, 9999, False), (0.001, 10_000, True), (0.1, 100, True)],
)
def test_roc_14_p20_an_operating_point_needs_ten_false_positives(fpr, nonmembers, answer):
    assert estimable(fpr, nonmembers) is answer
    values = np.arange(nonmembers)
    if answer:
        assert tpr_at_fpr(values, values, fpr) == pytest.approx(fpr, abs=1 / nonmembers)
    else:
        with pytest.raises(NotEstimable, match=f"expected at least .* non-members, got {nonmembers}"):
            tpr_at_fpr(values, values, fpr)


def test_roc_14_the_message_says_how_many_are_needed_and_zero_fpr_never_is():
    with pytest.raises(NotEstimable, match="at least 10000 non-members, got 200"):
        tpr_at_fpr(np.arange(50), np.arange(200), 0.001)
    with pytest.raises(NotEstimable, match="infinitely many"):
        tpr_at_fpr([1.0], [0.0], 0.0)
    assert issubclass(NotEstimable, DataError)


def test_roc_15_p20_tail_of_two_hundred_null_scores_is_noise():
    random = np.random.default_rng(15)
    found = [
        tpr_at_fpr(random.normal(size=200), random.normal(size=200), 0.001, least_false_positives=0)
        for _ in range(2000)
    ]
    assert np.mean(found) == pytest.approx(0.005, abs=0.0006)
    assert np.quantile(found, 0.95) == pytest.approx(0.02, abs=0.0051)
    assert max(found) >= 0.03  # thirty times chance, from nothing


def test_p19_an_auc_below_half_is_reported_as_it_is():
    random = np.random.default_rng(19)
    assert auc(random.normal(-1, 1, 2000), random.normal(0, 1, 2000)) == pytest.approx(0.24, abs=0.02)


@settings(max_examples=100, deadline=None)
@given(scores, scores, rates)
def test_auc_placements_and_tpr_against_slow_references(positive, negative, fpr):
    assert auc(positive, negative) == pytest.approx(slow_auc(positive, negative), abs=1e-12)
    v10, v01 = placements(positive, negative)
    assert v10 == pytest.approx([slow_auc([p], negative) for p in positive], abs=1e-12)
    assert v01 == pytest.approx([slow_auc(positive, [q]) for q in negative], abs=1e-12)
    assert tpr_at_fpr(positive, negative, fpr, least_false_positives=0) == slow_tpr(positive, negative, fpr)


@settings(max_examples=100, deadline=None)
@given(scores, rates)
def test_threshold_is_the_smallest_that_keeps_the_rate(calibration, fpr):
    values = np.array(calibration)
    t = threshold_at_fpr(values, fpr)
    assert np.mean(values > t) <= fpr
    if t > -math.inf:
        assert t in values and np.mean(values >= t) > fpr


@pytest.mark.parametrize("count", [10, 29, 100, 2900, 10_000])
def test_threshold_rounding_never_loses_a_false_positive(count):
    values = np.arange(count, dtype=float)
    for k in range(1, count, max(1, count // 97)):
        assert (values > threshold_at_fpr(values, k / count)).sum() == k
    assert (np.arange(100) > threshold_at_fpr(np.arange(100), 0.29)).sum() == 29  # 0.29 * 100 = 28.999...


def test_threshold_limits():
    assert threshold_at_fpr([1.0, 2.0], 1.0) == -math.inf
    assert threshold_at_fpr([1.0, 2.0], 0.0) == 2.0
    assert threshold_at_fpr([3.0], 0.01) == 3.0


def test_auc_rows_is_auc_of_each_row():
    random = np.random.default_rng(20)
    positive, negative = random.integers(0, 9, (4, 30)), random.integers(0, 9, (4, 50))
    assert auc_rows(positive, negative).tolist() == [auc(p, q) for p, q in zip(positive, negative, strict=True)]
    assert auc_rows(np.empty((0, 30)), np.empty((0, 50))).shape == (0,)


@pytest.mark.parametrize(("members", "nonmembers"), [(1, 1), (1, 2), (2, 1), (2, 2), (50, 3)])
def test_p25_small_and_uneven_sizes(members, nonmembers):
    positive, negative = np.arange(members) + 0.5, np.arange(nonmembers)
    assert auc(positive, negative) == pytest.approx(slow_auc(positive, negative))
    fpr, tpr = roc_curve(positive, negative)
    assert fpr[-1] == tpr[-1] == 1 and (np.diff(fpr) >= 0).all() and (np.diff(tpr) >= 0).all()
    if min(members, nonmembers) < 2:
        with pytest.raises(NotEstimable, match="at least 2"):
            delong_variance(*placements(positive, negative))
    else:
        assert delong_variance(*placements(positive, negative)) >= 0


def test_p25_the_last_score_counts():
    positive, negative = np.zeros(10), np.zeros(10)
    positive[-1] = 1.0
    assert auc(positive, negative) == 0.55
    negative[-1] = 2.0
    assert auc(positive, negative) == 0.495


@pytest.mark.parametrize("call", [auc, placements, roc_curve])
def test_empty_and_nan_scores_are_refused(call):
    with pytest.raises(DataError, match="members: expected a list of at least one"):
        call([], [1.0])
    with pytest.raises(DataError, match="nonmembers: expected numbers, got 2 NaN of 3"):
        call([1.0], [1.0, math.nan, math.nan])
    with pytest.raises(DataError, match="members"):
        call([[1.0]], [1.0])


@pytest.mark.parametrize("fpr", [-0.01, 1.01, math.nan])
def test_rates_outside_zero_one_are_refused(fpr):
    with pytest.raises(ConfigError, match="fpr: expected a fraction"):
        threshold_at_fpr([1.0], fpr)
    with pytest.raises(ConfigError, match="fpr: expected a fraction"):
        estimable(fpr, 100)


def test_auc_rows_refuses_different_numbers_of_models():
    with pytest.raises(DataError, match="of the same models"):
        auc_rows(np.zeros((2, 3)), np.zeros((3, 3)))


@pytest.mark.parametrize("shift", [0.0, 1.0, 4.0])
@pytest.mark.parametrize("points", [10, 50, 200])
def test_thin_keeps_ends_and_corners_and_only_points_of_the_curve(shift, points):
    random = np.random.default_rng(21)
    fpr, tpr = roc_curve(random.normal(shift, 1, 3000), random.normal(0, 1, 9000))
    x, y = thin(fpr, tpr, points)
    assert len(x) <= points
    curve = set(zip(fpr.tolist(), tpr.tolist(), strict=True))
    assert all(point in curve for point in zip(x.tolist(), y.tolist(), strict=True))
    assert (x[0], y[0]) == (0, 0) and (x[-1], y[-1]) == (1, 1)
    assert (np.diff(x) >= 0).all() and (np.diff(y) >= 0).all()
    assert y[x == 0].max() == tpr[fpr == 0].max()
    assert x[x > 0].min() == fpr[fpr > 0].min()
    if points == 200:
        at = np.geomspace(1e-3, 1, 60)
        full, thinned = np.interp(at, fpr, tpr), np.interp(at, x, y)
        assert np.abs(np.log10(full / thinned)).max() < 0.06


def test_thin_loses_nothing_on_straight_runs_and_handles_the_perfect_and_the_mirrored_attack():
    ones, zeros = np.arange(5000) + 10_000.0, np.arange(5000.0)
    for curve, expected in (
        (roc_curve(ones, zeros), ([0, 0, 1], [0, 1, 1])),
        (roc_curve(zeros, ones), ([0, 1, 1], [0, 0, 1])),
        (roc_curve([1.0], [1.0]), ([0, 1], [0, 1])),
    ):
        x, y = thin(*curve)
        assert (x.tolist(), y.tolist()) == expected
    with pytest.raises(ConfigError, match="points: expected at least 10"):
        thin([0.0, 1.0], [0.0, 1.0], 3)
