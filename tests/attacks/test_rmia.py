"""RMIA: RMIA-01 to RMIA-08 and the top-k fault (P23)."""

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit
from scipy.stats import rankdata

from vestige.attacks.arrays import NotEstimable
from vestige.attacks.metrics.roc import auc
from vestige.attacks.scores.rmia import expected_probability, likelihood_ratio, out_mean, population_share, rmia
from vestige.learners.errors import ConfigError, DataError

probability = st.floats(0, 1)


@pytest.mark.parametrize(("a", "expected", "ratio"), [(0.0, 0.8, 1.125), (0.3, 0.74, 1.2162162162), (1.0, 0.6, 1.5)])
def test_rmia_01_02_offline_p_and_ratio(a, expected, ratio):
    assert expected_probability([0.6], a)[0] == pytest.approx(expected, abs=1e-12)
    assert likelihood_ratio([0.9], expected_probability([0.6], a))[0] == pytest.approx(ratio, abs=1e-9)


@pytest.mark.parametrize(("gamma", "score"), [(1.0, 0.5), (1.2, 0.25), (2.0, 0.0)])
def test_rmia_03_strict_inequality(gamma, score):
    assert population_share([1.2], [0.8, 1.0, 1.2, 1.5], gamma)[0] == score


@settings(max_examples=50, deadline=None)
@given(st.lists(probability, min_size=1, max_size=20))
def test_rmia_04_limits_of_a(p_out):
    assert expected_probability(p_out, 1.0) == pytest.approx(p_out, abs=1e-15)
    assert expected_probability(p_out, 0.0) == pytest.approx((np.array(p_out) + 1) / 2, abs=1e-15)


def test_rmia_04_constant_reference_ranks_by_confidence():
    random = np.random.default_rng(4)
    candidate = random.normal(size=(1, 200))
    calibration = np.arange(200) >= 150
    scores = rmia(np.full((3, 200), 0.4), candidate, calibration).others[0]
    ranked = np.searchsorted(np.sort(candidate[0, calibration]), candidate[0], side="left") / 50
    assert np.array_equal(rankdata(scores, method="dense"), rankdata(ranked, method="dense"))


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_rmia_05_scores_are_shares_and_nothing_divides_by_zero(data):
    n = data.draw(st.integers(2, 12))
    phi = st.lists(st.floats(-2000, 2000), min_size=n, max_size=n)
    retrains = np.array(data.draw(st.lists(phi, min_size=2, max_size=4)))
    others = np.array(data.draw(st.lists(phi, min_size=1, max_size=2)))
    a = data.draw(st.sampled_from([0.0, 0.3, 1.0]))
    scores = rmia(retrains, others, np.arange(n) % 2 == 0, a=a)
    for values in (scores.retrains, scores.others):
        assert ((values >= 0) & (values <= 1)).all()


def test_rmia_05_zero_reference_with_a_one_is_guarded():
    ratio = likelihood_ratio([0.5, 0.0], expected_probability([0.0, 0.0], 1.0))
    assert np.isfinite(ratio).all() and ratio[0] > 1e300 and ratio[1] == 0


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.integers(0, 8), min_size=1, max_size=20),
    st.lists(st.integers(0, 8), min_size=1, max_size=20),
    st.sampled_from([0.5, 1.0, 2.0, 4.0]),
)
def test_rmia_06_sorted_form_equals_the_outer_comparison(ratio, population, gamma):
    x, z = np.array(ratio) / 8, np.array(population) / 8
    outer = (x[:, None] > gamma * z[None, :]).mean(1)
    assert np.array_equal(population_share(x, z, gamma), outer)


def test_rmia_07_p23_out_mean_uses_a_mask():
    random = np.random.default_rng(7)
    p = random.beta(5, 2, (32, 4000))
    out = random.random((32, 4000)) < 0.5
    truth = np.array([np.mean([p[k, x] for k in range(32) if out[k, x]]) for x in range(4000)])
    assert out_mean(p, out) == pytest.approx(truth, abs=1e-12)
    k = 16
    trick = np.sort(p * out, axis=0)[-k:].mean(0)
    assert truth.mean() == pytest.approx(0.716, abs=0.005)
    assert trick.mean() < truth.mean() - 0.02
    assert np.abs(trick - truth).mean() > 0.03


def test_rmia_07_an_example_without_out_reference_is_refused():
    with pytest.raises(DataError, match="got none for 1"):
        out_mean([[0.5, 0.5]], [[True, False]])
    with pytest.raises(DataError, match="out: expected a boolean mask"):
        out_mean([[0.5, 0.5]], [[1, 1]])


@pytest.mark.parametrize("a", [np.array([0.3]), lambda scores: 0.3, "0.3", None, True, -0.1, 1.1, float("nan")])
def test_rmia_08_a_is_a_number_fixed_beforehand(a):
    with pytest.raises(ConfigError, match="a: expected a number in"):
        rmia(np.zeros((2, 4)), np.zeros((1, 4)), np.ones(4, bool), a=a)


def test_rmia_08_nothing_in_the_signature_could_be_tuned_from_scores():
    parameters = inspect.signature(rmia).parameters
    assert parameters["a"].kind is parameters["gamma"].kind is inspect.Parameter.KEYWORD_ONLY
    assert (parameters["a"].default, parameters["gamma"].default) == (0.3, 1.0)
    # The same candidate beside another model, or alone, gets the same scores: nothing is fitted to what is scored.
    random = np.random.default_rng(8)
    retrains, others = random.normal(size=(4, 60)), random.normal(size=(2, 60))
    calibration = np.arange(60) > 40
    both, alone = (rmia(retrains, o, calibration).others[0] for o in (others, others[:1]))
    assert np.array_equal(both, alone)


@pytest.mark.parametrize("gamma", [0.0, -1.0, float("inf"), float("nan"), "1"])
def test_gamma_must_be_positive(gamma):
    with pytest.raises(ConfigError, match="gamma: expected a positive number"):
        rmia(np.zeros((2, 4)), np.zeros((1, 4)), np.ones(4, bool), gamma=gamma)


def slow_rmia(own, references, calibration, a, gamma):
    ratio = []
    for x in range(len(own)):
        p_out = sum(r[x] for r in references) / len(references)
        ratio.append(own[x] / (0.5 * ((1 + a) * p_out + 1 - a)))
    population = [r for r, c in zip(ratio, calibration, strict=True) if c]
    return [np.mean([r / z > gamma for z in population]) for r in ratio]


def test_equal_to_the_definition_by_loops_with_leave_one_out_references():
    random = np.random.default_rng(9)
    retrains, others = random.normal(size=(4, 30)), random.normal(1, 1, (2, 30))
    calibration = np.arange(30) >= 22
    scores = rmia(retrains, others, calibration, a=0.3, gamma=1.3)
    p_retrains, p_others = expit(retrains), expit(others)
    for p, row in zip(p_others, scores.others, strict=True):
        assert row == pytest.approx(slow_rmia(p, p_retrains, calibration, 0.3, 1.3), abs=1e-12)
    for k, row in enumerate(scores.retrains):
        rest = [r for j, r in enumerate(p_retrains) if j != k]
        assert row == pytest.approx(slow_rmia(p_retrains[k], rest, calibration, 0.3, 1.3), abs=1e-12)


def test_a_member_population_is_found_and_a_retrain_is_not():
    random = np.random.default_rng(10)
    n, member = 3000, np.arange(3000) < 1000
    calibration = np.arange(n) >= 2600
    phi = random.normal(0, 1.5, n) + random.normal(size=(6, n))
    phi[5, member] += 1.5
    scores = rmia(phi[:5], phi[5:], calibration)
    evaluation = ~member & ~calibration
    assert auc(scores.others[0, member], scores.others[0, evaluation]) > 0.7
    for row in scores.retrains:
        assert abs(auc(row[member], row[evaluation]) - 0.5) < 0.04


def test_one_retrain_has_no_reference():
    with pytest.raises(NotEstimable, match="expected at least 2 retrains, got 1"):
        rmia(np.zeros((1, 4)), np.zeros((1, 4)), np.ones(4, bool))


def test_no_others_and_phi_beyond_float_range():
    phi = np.array([[800.0, -800.0, 0.0]] * 2)
    assert rmia(phi, np.empty((0, 3)), np.ones(3, bool)).others.shape == (0, 3)
    assert np.isfinite(rmia(phi, phi[:1], np.ones(3, bool)).others).all()
    assert logit(0.5) == 0  # phi is the logit of the confidence, as assumed above
