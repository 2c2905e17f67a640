"""Signals: golden numbers SIG-01 to SIG-19 and the faults seen elsewhere (P2-P4, P15, P25)."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp, softmax
from scipy.stats import spearmanr

from vestige.attacks.signals import signals
from vestige.attacks.signals.signals import SIGNALS
from vestige.learners.errors import DataError

Z = [[2.0, 1.0, 0.0]] * 3
Y = [0, 1, 2]
GOLDEN = {
    "sig_01_02_phi": (signals.logit, [0.6867383125, -1.1269280110, -2.3132616875]),
    "sig_03_loss": (signals.loss, [-0.4076059644, -1.4076059644, -2.4076059644]),
    "sig_04_confidence": (signals.confidence, [0.6652409558, 0.2447284711, 0.0900305732]),
    "sig_05_entropy": (signals.entropy, [-0.8323955818] * 3),
    "sig_06_modified_entropy": (signals.modified_entropy, [-0.2136335388, -1.7996212110, -2.9875403386]),
    "sig_07_hinge": (signals.hinge, [1.0, -1.0, -2.0]),
    "max_confidence": (signals.max_confidence, [0.6652409558] * 3),
    "correctness": (signals.correctness, [1.0, 0.0, 0.0]),
}
MARGINS = [5.0, 16.0, 16.5, 17.0, 20.0, 40.0, 87.0, 100.0, 110.0, 800.0]
every_signal = pytest.mark.parametrize("signal", SIGNALS.values(), ids=SIGNALS)


def random_logits(seed: int, *shape: int, raised: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Standard normal logits of this shape and labels, the label's logit raised."""
    random = np.random.default_rng(seed)
    z = random.normal(size=shape)
    y = random.integers(0, shape[-1], shape[-2])
    z[..., np.arange(shape[-2]), y] += raised
    return z, y


def modified_entropy_by_row(p: np.ndarray, label: int) -> float:
    """The definition of Song and Mittal, one row at a time, positive form."""
    total = -(1 - p[label]) * math.log(p[label])
    for j, other in enumerate(p):
        if j != label:
            total -= other * math.log(1 - other)
    return total


@pytest.mark.parametrize(("function", "expected"), GOLDEN.values(), ids=GOLDEN)
def test_golden_numbers_of_one_row(function, expected):
    assert function(Z, Y) == pytest.approx(expected, abs=1e-9)


def test_sig_08_phi_of_a_huge_margin_is_finite_and_exact():
    assert signals.logit([[800.0, 0.0, -5.0]], [0])[0] == pytest.approx(799.9932846515, abs=1e-9)


def test_sig_09_phi_of_equal_logits():
    assert signals.logit(np.zeros((1, 10)), [3])[0] == pytest.approx(-2.1972245773, abs=1e-9)


def test_sig_10_two_classes_phi_is_the_difference_and_the_hinge():
    z, y = random_logits(0, 50, 2)
    difference = z[np.arange(50), y] - z[np.arange(50), 1 - y]
    assert np.array_equal(signals.logit(z, y), difference)
    assert np.array_equal(signals.hinge(z, y), difference)


def test_sig_11_12_13_from_probabilities():
    z = np.log([[0.7, 0.2, 0.1]] * 3)
    assert -signals.entropy(z, Y) == pytest.approx([0.8018185525] * 3, abs=1e-9)
    assert -signals.modified_entropy(z, Y) == pytest.approx([0.1621672450, 2.1408673445, 2.9597362570], abs=1e-9)
    assert signals.logit(z, Y) == pytest.approx([0.8472978604, -1.3862943611, -2.1972245773], abs=1e-9)


@every_signal
@pytest.mark.parametrize("constant", [-700.0, 3.5, 1000.0])
def test_sig_14_adding_a_constant_to_all_logits_changes_nothing(signal, constant):
    z, y = random_logits(1, 40, 7)
    assert signal.function(z + constant, y) == pytest.approx(signal.function(z, y), abs=1e-9)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_sig_15_p15_phi_equals_the_margin_without_a_plateau(dtype):
    z = np.array([[margin, 0.0] for margin in MARGINS], dtype=dtype)
    phi = signals.logit(z, np.zeros(len(MARGINS), int))
    assert phi.tolist() == MARGINS
    assert (np.diff(phi) > 0).all()
    # What clipped probabilities, 1 - p in float32 and log-sums of exponentials give instead.
    for wrong in (15.94, 36.74, 103.28, 103.3):
        assert np.abs(phi - wrong).min() > 0.05


def test_sig_16_loss_and_confidence_follow_from_phi():
    phi = signals.logit(Z, Y)
    assert -np.log1p(np.exp(-phi)) == pytest.approx([-0.4076059644, -1.4076059644, -2.4076059644], abs=1e-9)
    assert signals.loss(Z, Y) == pytest.approx(-np.log1p(np.exp(-phi)), abs=1e-12)
    assert signals.confidence(Z, Y) == pytest.approx(1 / (1 + np.exp(-phi)), abs=1e-12)


@every_signal
def test_sig_17_p15_the_input_is_not_modified(signal):
    z, y = random_logits(2, 3, 20, 5)
    kept_z, kept_y = z.copy(), y.copy()
    z.flags.writeable = y.flags.writeable = False
    first = signal.function(z, y)
    assert np.array_equal(first, signal.function(z, y))
    assert np.array_equal(z, kept_z) and np.array_equal(y, kept_y)


def test_sig_18_p4_modified_entropy_against_a_loop_and_against_the_common_wrong_form():
    z, y = random_logits(3, 4000, 10, raised=4.0)
    p = softmax(z, axis=1)
    ours = -signals.modified_entropy(z, y)
    reference = np.array([modified_entropy_by_row(*row) for row in zip(p, y, strict=True)])
    # Whole columns in place of one entry a row, and log p where log(1 - p) belongs.
    wrong = (-(1 - p) * np.log(p)).sum(1)
    assert ours == pytest.approx(reference, rel=1e-9)
    assert spearmanr(ours, reference).statistic == pytest.approx(1.0)
    # The published pair (.136 and 38.6) is one random draw; over many, the means are .150 and 38.2.
    assert ours.mean() == pytest.approx(0.136, abs=0.02)
    assert wrong.mean() == pytest.approx(38.6, abs=0.6)
    assert spearmanr(ours, wrong).statistic == pytest.approx(-0.95, abs=0.02)


@pytest.mark.parametrize(
    ("row", "label", "expected"),
    [([0.0, 800.0], 0, -1600.0), ([800.0, 0.0], 0, 0.0), ([0.0, 0.0], 1, math.log(0.5)), ([0, 800.0, 0], 0, -1600.0)],
)
def test_modified_entropy_needs_no_clamp(row, label, expected):
    # Certain and wrong: (1 - p_y) log p_y and log(1 - p_j) of the certain class are both about minus the margin.
    assert signals.modified_entropy([row], [label])[0] == pytest.approx(expected, abs=1.0)
    assert np.isfinite(signals.modified_entropy([row], [label])).all()


@every_signal
def test_sig_19_the_score_of_an_example_does_not_depend_on_its_batch(signal):
    z, y = random_logits(4, 30, 6)
    together = signal.function(z, y)
    outliers = np.concatenate([z, 1e4 * z])
    alone = np.concatenate([signal.function(z[i : i + 1], y[i : i + 1]) for i in range(30)])
    assert np.array_equal(alone, together)
    assert np.array_equal(signal.function(outliers, np.concatenate([y, y]))[:30], together)


@every_signal
def test_leading_axes_are_models_and_views(signal):
    z, y = random_logits(5, 2, 3, 20, 4)
    scores = signal.function(z, y)
    assert scores.shape == (2, 3, 20) and scores.dtype == np.float64
    for a in range(2):
        for b in range(3):
            assert np.array_equal(scores[a, b], signal.function(z[a, b], y))


@every_signal
@pytest.mark.parametrize("examples", [1, 2, 7])
def test_p25_one_two_and_many_examples_and_the_last_class_count(signal, examples):
    z = np.zeros((examples, 3))
    z[:, 2] = 1.0
    y = np.full(examples, 2)
    raised = z.copy()
    raised[-1, 2] += 5.0
    assert (signal.function(raised, y)[-1] > signal.function(z, y)[-1]) == (signal.name != "correctness")
    assert np.array_equal(signal.function(raised, y)[:-1], signal.function(z, y)[:-1])


@every_signal
def test_every_score_is_finite_on_extreme_logits(signal):
    z = np.array([[1e4, -1e4, 0.0], [-1e30, 1e30, 0.0], [0.0, 0.0, 0.0]])
    assert np.isfinite(signal.function(z, [1, 2, 0])).all()


@every_signal
def test_p3_registered_signals_describe_themselves_and_rise_with_the_label(signal):
    assert SIGNALS[signal.name] is signal
    assert signal.description and "arXiv" in signal.citation
    assert signal.function([[3.0, 0.0]], [0])[0] >= signal.function([[0.1, 0.0]], [0])[0]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_phi_and_modified_entropy_against_slow_references(data):
    classes = data.draw(st.integers(2, 6))
    row = data.draw(st.lists(st.floats(-30, 30), min_size=classes, max_size=classes))
    label = data.draw(st.integers(0, classes - 1))
    others = [value for j, value in enumerate(row) if j != label]
    assert signals.logit([row], [label])[0] == pytest.approx(row[label] - logsumexp(others), abs=1e-9)
    log_p = np.array(row) - logsumexp(row)
    log_rest = [logsumexp([v for k, v in enumerate(row) if k != j]) - logsumexp(row) for j in range(classes)]
    expected = math.exp(log_rest[label]) * log_p[label]
    expected += sum(math.exp(log_p[j]) * log_rest[j] for j in range(classes) if j != label)
    assert signals.modified_entropy([row], [label])[0] == pytest.approx(expected, abs=1e-9, rel=1e-9)


@pytest.mark.parametrize(
    ("logits", "labels", "part"),
    [
        ([[1.0, 2.0]], [2], "1 outside"),
        ([[1.0, 2.0]], [-1], "1 outside"),
        ([[1.0, 2.0]], [0.0], "expected integers"),
        ([[1.0, 2.0]], [0, 1], "shape \\[1\\]"),
        ([[1.0]], [0], "classes >= 2"),
        ([1.0, 2.0], [0], "classes >= 2"),
    ],
)
def test_bad_shapes_and_labels_are_refused(logits, labels, part):
    with pytest.raises(DataError, match=part):
        signals.logit(logits, labels)
