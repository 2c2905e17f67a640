"""Attacks that learn: quantile regression, the shadow classifier, the literature's logistic regressions."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from vestige.attacks.arrays import NotEstimable
from vestige.attacks.metrics.literature import mia_accuracy_logistic_loss, mia_efficacy_logistic_entropy
from vestige.attacks.metrics.roc import auc
from vestige.attacks.scores.quantile import quantile
from vestige.attacks.scores.shadow_classifier import shadow_classifier
from vestige.learners.errors import DataError


def heteroscedastic(examples, seed, leak):
    """phi with a mean and a spread that depend on a feature, and a leak of so many deviations on the first half."""
    random = np.random.default_rng(seed)
    feature = random.random(examples)
    member = np.arange(examples) < examples // 3
    deviation = 0.2 + 2 * feature
    phi = 6 * feature + deviation * (random.normal(size=examples) + leak * member)
    calibration = ~member & (np.arange(examples) % 2 == 0)
    return phi, feature[:, None], member, calibration


def test_quantile_takes_out_what_the_features_explain():
    phi, features, member, calibration = heteroscedastic(6000, 0, 1.5)
    scores = quantile(phi[None], features, calibration, seed=1)[0]
    judged = ~member & ~calibration
    assert auc(scores[member], scores[judged]) > auc(phi[member], phi[judged]) + 0.1
    assert abs(scores[judged].mean()) < 0.1 and scores[judged].std() == pytest.approx(1.2, abs=0.35)
    again = quantile(phi[None], features, calibration, seed=1)[0]
    assert np.array_equal(scores, again)


def test_quantile_is_at_chance_on_noise_and_blind_to_what_it_is_judged_on():
    phi, features, member, calibration = heteroscedastic(6000, 2, 0.0)
    scores = quantile(phi[None], features, calibration, seed=3)[0]
    judged = ~member & ~calibration
    assert auc(scores[member], scores[judged]) == pytest.approx(0.5, abs=0.03)
    moved = phi + 5.0 * member
    other = quantile(moved[None], features, calibration, seed=3)[0]
    assert np.array_equal(other[~member], scores[~member])  # the members entered no fit
    # Out of fold, the calibration examples do not look better known than others.
    assert auc(scores[calibration], scores[judged]) == pytest.approx(0.5, abs=0.03)


def test_quantile_refuses_what_it_cannot_fit():
    phi, features, _, calibration = heteroscedastic(300, 4, 0.0)
    with pytest.raises(NotEstimable, match="at least 50 calibration examples, got 10"):
        quantile(phi[None], features, calibration & (np.cumsum(calibration) <= 10), seed=0)
    with pytest.raises(DataError, match=r"features: expected \[300 examples, features\], got \[299, 1\]"):
        quantile(phi[None], features[:-1], calibration, seed=0)


def posteriors(shadows, examples, seed, leak):
    """Logits whose label stands out more on examples that the model trained on."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, examples)
    half = random.random((shadows // 2, examples)) < 0.5
    member = np.stack([half, ~half], axis=1).reshape(shadows, examples)
    logits = random.normal(size=(shadows, examples, 3))
    logits[:, np.arange(examples), labels] += 1 + leak * member
    return logits, member, labels


def test_the_shadow_classifier_learns_from_shadows_alone():
    logits, member, labels = posteriors(10, 900, 5, 1.5)
    scores = shadow_classifier(logits[-2:], logits[:-2], member[:-2], labels, seed=6)
    for row, inside in zip(scores, member[-2:], strict=True):
        assert auc(row[inside], row[~inside]) > 0.75
    again = shadow_classifier(logits[-1:], logits[:-2], member[:-2], labels, seed=6)
    assert np.allclose(again[0], scores[1])  # a target does not depend on the other targets
    null, member, labels = posteriors(10, 900, 7, 0.0)
    row = shadow_classifier(null[-2:], null[:-2], member[:-2], labels, seed=8)[0]
    assert auc(row[member[-2]], row[~member[-2]]) == pytest.approx(0.5, abs=0.05)


def test_the_shadow_classifier_refuses_a_class_without_either_side():
    logits, member, labels = posteriors(4, 60, 9, 1.0)
    member[:, labels == 1] = True
    with pytest.raises(NotEstimable, match="expected OUT posteriors of class 1, got none"):
        shadow_classifier(logits[:1] + 1, logits, member, labels, seed=0)
    with pytest.raises(DataError, match=r"targets: expected logits \[models, 60, 3\]"):
        shadow_classifier(logits[:1, :5], logits, member, labels, seed=0)


def test_logistic_loss_is_the_accuracy_of_a_logistic_regression_on_the_loss():
    random = np.random.default_rng(10)
    forget, test = random.exponential(0.5, 4000), random.exponential(2.0, 9000)
    value = mia_accuracy_logistic_loss(forget, test, seed=11)
    x, y = np.r_[forget, test[:4000]][:, None], np.repeat([1, 0], 4000)
    assert value == pytest.approx(100 * LogisticRegression().fit(x, y).score(x, y), abs=1.5)
    same = random.exponential(1.0, (2, 4000))
    assert mia_accuracy_logistic_loss(*same, seed=12) == pytest.approx(50, abs=2)
    with pytest.raises(NotEstimable, match="at least 10 examples of either kind, got 9"):
        mia_accuracy_logistic_loss(forget[:9], test, seed=0)


def test_logistic_entropy_is_the_share_of_forget_called_member():
    random = np.random.default_rng(13)
    retain, test = random.exponential(0.2, 6000), random.exponential(1.0, 1000)
    assert mia_efficacy_logistic_entropy(retain, test, retain[:500]) > 80
    assert mia_efficacy_logistic_entropy(retain, test, test) < 60
    cut = mia_efficacy_logistic_entropy(retain, test, np.array([0.0, 10.0]))
    assert cut == 50.0
    with pytest.raises(DataError, match="test: expected numbers, got 1 NaN"):
        mia_efficacy_logistic_entropy(retain, [np.nan], retain)
