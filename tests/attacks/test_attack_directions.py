"""SIG-20 and P3: every registered signal and attack scores the members of a memorising model higher."""

import inspect
import warnings

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from attacks import ATTACKS, SIGNALS, auc

FORGET, RETAIN, RETRAINS = 300, 300, 3


def trained_logits(images, labels, chosen, seed):
    """Logits ``[n, 10]`` of a small network trained to (almost) zero loss on the chosen examples."""
    model = MLPClassifier((64,), alpha=0, max_iter=120, learning_rate_init=0.01, batch_size=64, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(images[chosen], labels[chosen])
    hidden = np.maximum(images @ model.coefs_[0] + model.intercepts_[0], 0)
    return hidden @ model.coefs_[1] + model.intercepts_[1]


@pytest.fixture(scope="module")
def audit():
    """Digits with a fifth of the labels wrong: logits of retrains and original, labels and masks of forget + unseen."""
    images, labels = load_digits(return_X_y=True)
    random = np.random.default_rng(0)
    order = random.permutation(len(labels))
    images, labels = images[order] / 16, labels[order].copy()
    wrong = random.random(len(labels)) < 0.2
    labels[wrong] = (labels[wrong] + random.integers(1, 10, wrong.sum())) % 10
    forget, retain = np.arange(FORGET), np.arange(FORGET, FORGET + RETAIN)
    logits = [trained_logits(images, labels, retain, seed) for seed in range(RETRAINS)]
    logits.append(trained_logits(images, labels, np.concatenate([forget, retain]), RETRAINS))
    kept = np.r_[forget, FORGET + RETAIN : len(labels)]
    calibration = np.zeros(len(kept), bool)
    calibration[FORGET : FORGET + 400] = True
    member = np.arange(len(kept)) < FORGET
    return np.stack(logits)[:, kept], labels[kept], member, calibration


def scored(audit, attack, signal):
    logits, labels, member, calibration = audit
    values = SIGNALS[signal].function(logits, labels)
    retrains, others = ATTACKS[attack].function(values[:RETRAINS], values[RETRAINS:], labels, calibration)
    outside = ~member & ~calibration
    areas = [auc(row[member], row[outside]) for row in np.concatenate([retrains, others])]
    return areas[:RETRAINS], areas[RETRAINS]


PAIRS = [
    (name, signal)
    for name, attack in ATTACKS.items()
    for signal in (SIGNALS if attack.signal == "any" else [attack.signal])
]


@pytest.mark.parametrize(("attack", "signal"), PAIRS)
def test_sig_20_p3_members_of_the_original_score_higher_and_of_a_retrain_do_not(audit, attack, signal):
    retrains, original = scored(audit, attack, signal)
    assert original > 0.53
    assert all(abs(area - 0.5) < 0.07 for area in retrains)
    assert original > max(retrains)


@pytest.mark.parametrize("name", ATTACKS)
def test_registered_attacks_describe_themselves_and_return_one_finite_score_per_example(audit, name):
    attack = ATTACKS[name]
    assert attack.name == name and attack.signal in ("any", *SIGNALS)
    assert all(getattr(attack, field) for field in ("description", "citation", "needs", "role"))
    assert len(inspect.signature(attack.function).parameters) == 4
    logits, labels, _, calibration = audit
    phi = SIGNALS["logit"].function(logits, labels)
    phi.flags.writeable = False
    retrains, others = attack.function(phi[:RETRAINS], phi[RETRAINS:], labels, calibration)
    assert retrains.shape == (RETRAINS, phi.shape[1]) and others.shape == (1, phi.shape[1])
    assert np.isfinite(retrains).all() and np.isfinite(others).all()


def test_registries_cannot_be_changed_by_accident():
    for registry in (ATTACKS, SIGNALS):
        with pytest.raises(TypeError):
            registry["new"] = None
    assert list(SIGNALS) == [
        "loss", "confidence", "max_confidence", "entropy", "modified_entropy", "correctness", "logit", "hinge",
    ]  # fmt: skip
    assert list(ATTACKS) == ["threshold", "threshold_classwise", "rlira", "rlira_abs", "rmia"]
