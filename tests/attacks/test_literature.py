import numpy as np
import pytest
from sklearn.svm import SVC

from vestige.attacks.metrics.literature import (
    accuracy_percent,
    average_gap,
    mia_efficacy_svc_confidence,
    unlearn_accuracy,
)
from vestige.learners.arrays import Floats
from vestige.learners.errors import DataError


def confidences(seed: int, n: int, strength: float) -> Floats:
    """Confidences of a network that is the surer the stronger it remembers."""
    random = np.random.default_rng(seed)
    return np.asarray(1 / (1 + np.exp(-random.normal(strength, 2.0, n))))


def by_scikit_learn(members: Floats, others: Floats, forget: Floats) -> float:
    data, labels = np.concatenate([members, others])[:, None], np.array([1] * len(members) + [0] * len(others))
    said = SVC(C=3, gamma="auto", kernel="rbf").fit(data, labels).predict(forget[:, None])
    return 100 * sum(one == 0 for one in said) / len(forget)


def test_accuracies_by_hand() -> None:
    logits = [[3.0, 1.0, 2.0], [0.0, 5.0, 1.0], [0.0, 0.0, 0.1], [9.0, 8.0, 7.0]]
    assert accuracy_percent(logits, [0, 1, 2, 1]) == 75.0
    assert unlearn_accuracy(logits, [0, 1, 2, 1]) == 25.0
    assert unlearn_accuracy(logits, [1, 0, 0, 2]) == 100.0
    with pytest.raises(DataError, match="at least one example"):
        accuracy_percent(np.empty((0, 3)), np.empty(0, np.int64))


@pytest.mark.parametrize(
    ("row", "printed"),
    [
        ((99.99, 3.76, 94.70, 9.51), 0.65),
        ((99.95, 4.82, 94.32, 9.09), 0.58),
        ((99.97, 5.40, 93.81, 10.97), 0.38),
        ((99.99, 4.12, 94.57, 10.81), 0.25),
    ],
)
def test_average_gap_gives_the_rows_of_a_published_table(row: tuple[float, ...], printed: float) -> None:
    """CoUn, arXiv 2509.16391, table 2: fine-tuning, NegGrad+, l1-sparse, CoUn against Retrain."""
    retrain = (100.00, 4.81, 94.67, 11.02)
    assert average_gap(row, retrain) == pytest.approx(printed, abs=0.0051)
    assert average_gap(retrain, row) == average_gap(row, retrain) and average_gap(retrain, retrain) == 0


def test_average_gap_refuses_other_lengths() -> None:
    with pytest.raises(DataError, match="got 3 and 4"):
        average_gap([1.0, 2.0, 3.0], [1.0, 2.0, 3.0, 4.0])


def test_mia_efficacy_is_the_share_of_forget_called_non_member() -> None:
    retain, test = np.full(50, 0.99), np.full(50, 0.1)
    forget = np.array([0.97] * 7 + [0.12] * 3)
    assert mia_efficacy_svc_confidence(retain, test, forget) == 30.0
    assert mia_efficacy_svc_confidence(test, retain, forget) == 70.0


@pytest.mark.parametrize("seed", range(3))
def test_mia_efficacy_without_rounding_is_scikit_learns(seed: int) -> None:
    retain, test, forget = (
        confidences(seed, 300, 3.0),
        confidences(seed + 10, 300, 1.5),
        confidences(seed + 20, 200, 2.0),
    )
    assert mia_efficacy_svc_confidence(retain, test, forget, places=None) == by_scikit_learn(retain, test, forget)


@pytest.mark.parametrize("places", [1, 2, 3])
def test_merging_equal_confidences_is_the_fit_on_all_of_them(places: int) -> None:
    retain, test, forget = confidences(1, 400, 3.0), confidences(2, 400, 1.5), confidences(3, 200, 2.0)
    merged = mia_efficacy_svc_confidence(retain, test, forget, places=places)
    repeated = by_scikit_learn(np.round(retain, places), np.round(test, places), forget)
    assert merged == pytest.approx(repeated, abs=0.5)  # one example: the solver stops at a tolerance


def test_rounding_changes_less_than_the_sampling_error() -> None:
    sampling = 100 * np.sqrt(0.15 * 0.85 / 500)
    for seed in range(3):
        retain, test = confidences(seed, 1500, 3.0), confidences(seed + 10, 1500, 1.5)
        forget = confidences(seed + 20, 500, 2.0)
        exact, fast = (mia_efficacy_svc_confidence(retain, test, forget, places=places) for places in (None, 3))
        assert abs(exact - fast) < sampling / 4


def test_the_first_examples_in_stored_order_are_taken_and_equally_many() -> None:
    retain, test, forget = confidences(1, 500, 3.0), confidences(2, 200, 1.5), confidences(3, 100, 2.0)
    value = mia_efficacy_svc_confidence(retain, test, forget)
    assert value == mia_efficacy_svc_confidence(np.concatenate([retain[:200], 1 - retain[200:]]), test, forget)
    assert value != mia_efficacy_svc_confidence(retain[::-1], test, forget)
    fewer = mia_efficacy_svc_confidence(retain[:120], test, forget, places=None)
    assert fewer == by_scikit_learn(retain[:120], test[:120], forget)


def test_a_forget_set_that_is_remembered_scores_lower() -> None:
    retain, test = confidences(1, 400, 4.0), confidences(2, 400, 1.0)
    remembered, forgotten = (mia_efficacy_svc_confidence(retain, test, confidences(3, 300, s)) for s in (4.0, 1.0))
    assert remembered < forgotten - 10


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"forget": []}, "forget: expected numbers"),
        ({"test": [[0.5]]}, "test: expected numbers"),
        ({"retain": [0.5, np.nan]}, "retain: expected numbers, got 1 NaN"),
        ({"retain": [0.5, 1.5]}, "retain: expected probabilities in"),
    ],
)
def test_what_is_no_confidence_is_refused(change: dict[str, object], words: str) -> None:
    good = {"retain": [0.9, 0.8], "test": [0.1, 0.2], "forget": [0.5]}
    with pytest.raises(DataError, match=words):
        mia_efficacy_svc_confidence(**(good | change))
