"""Class-centred thresholds: the median of each class on the same model."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vestige.attacks.metrics.roc import auc
from vestige.attacks.scores.threshold import class_centred
from vestige.learners.errors import DataError


def slow_centred(scores, labels, calibration):
    centred = []
    for row in scores:
        out = []
        for score, label in zip(row, labels, strict=True):
            same = [s for s, y, c in zip(row, labels, calibration, strict=True) if c and y == label]
            out.append(score - np.median(same or [s for s, c in zip(row, calibration, strict=True) if c]))
        centred.append(out)
    return np.array(centred)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_equal_to_a_loop_over_examples(data):
    n, models = data.draw(st.integers(1, 15)), data.draw(st.integers(1, 3))
    row = st.lists(st.integers(-5, 5), min_size=n, max_size=n)
    scores = np.array(data.draw(st.lists(row, min_size=models, max_size=models)), dtype=float)
    labels = np.array(data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))
    calibration = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n).filter(any)))
    assert np.array_equal(class_centred(scores, labels, calibration), slow_centred(scores, labels, calibration))


def test_leading_axes_and_labels_that_are_not_consecutive():
    random = np.random.default_rng(0)
    scores, labels = random.normal(size=(2, 3, 40)), random.choice([3, 70, 71], 40)
    calibration = random.random(40) < 0.5
    centred = class_centred(scores, labels, calibration)
    assert centred.shape == scores.shape
    assert centred[1] == pytest.approx(slow_centred(scores[1], labels, calibration), abs=1e-12)
    assert np.array_equal(class_centred(scores[0, 0], labels, calibration), centred[0, 0])


def test_a_shift_of_one_class_on_one_model_disappears():
    random = np.random.default_rng(1)
    scores, labels = random.normal(size=(3, 60)), np.repeat([0, 1], 30)
    calibration = np.tile([True, False], 30)
    shifted = scores.copy()
    shifted[1, labels == 1] += 8.0
    assert class_centred(shifted, labels, calibration) == pytest.approx(
        class_centred(scores, labels, calibration), abs=1e-9
    )


def test_the_evaluated_examples_do_not_move_the_centre():
    random = np.random.default_rng(2)
    scores, labels = random.normal(size=(1, 50)), random.integers(0, 3, 50)
    calibration = np.arange(50) < 25
    moved = scores.copy()
    moved[:, 25:] += random.normal(size=25)
    before, after = (class_centred(s, labels, calibration)[:, :25] for s in (scores, moved))
    assert np.array_equal(before, after)


def test_class_cuts_find_what_one_cut_for_all_misses():
    random = np.random.default_rng(3)
    labels = np.tile([0, 1], 2000)
    scores = random.normal(size=4000) + 20.0 * labels
    member = np.arange(4000) < 1000
    scores[member] += 1.5
    calibration = np.arange(4000) >= 3000
    centred = class_centred(scores, labels, calibration)
    evaluation = ~member & ~calibration
    assert auc(scores[member], scores[evaluation]) < 0.7
    assert auc(centred[member], centred[evaluation]) > 0.82


def test_the_input_is_not_modified():
    scores = np.arange(6.0).reshape(1, 6)
    centred = class_centred(scores, np.zeros(6, int), np.ones(6, bool))
    assert not np.array_equal(centred, scores) and np.array_equal(scores, np.arange(6.0).reshape(1, 6))


@pytest.mark.parametrize(
    ("scores", "labels", "calibration", "part"),
    [
        ([1.0, 2.0], [0], [True, True], r"scores \[\.\.\., n\] and labels"),
        ([1.0, 2.0], [0, 0], [True], r"boolean mask of shape \[2\]"),
        ([1.0, 2.0], [0, 0], [1, 0], "boolean mask"),
        ([1.0, 2.0], [0, 0], [False, False], "at least one unseen example"),
        ([1.0, np.nan], [0, 0], [True, True], "1 NaN of 2"),
    ],
)
def test_bad_arguments_are_refused(scores, labels, calibration, part):
    with pytest.raises(DataError, match=part):
        class_centred(scores, labels, calibration)
