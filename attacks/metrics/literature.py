"""What unlearning papers print: accuracies in percent, MIA-efficacy, average gap. Reported, never decided on.

None of these numbers is better when higher or lower: each is read against the same number of retrained models. Sources:
Jia et al. 2023 (arXiv 2304.04934), Fan et al. 2024 (arXiv 2310.12508) and their released code.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64
from numpy.typing import ArrayLike

from vestige.attacks.arrays import NotEstimable, no_nan
from vestige.attacks.signals.signals import correctness
from vestige.learners.arrays import Array
from vestige.learners.errors import DataError
from vestige.learners.seeds import numpy_generator

SVC_PLACES = 3
"""Decimal places of a confidence that the support vector classifier is fitted on."""


def accuracy_percent(logits: ArrayLike, labels: ArrayLike) -> float:
    """Share of examples whose largest logit is their label's, in percent: RA on retain, TA on test examples.

    logits ``[n, classes]``, labels ``[n]``. Raises DataError for no examples.

    >>> accuracy_percent([[2.0, 1.0], [0.0, 1.0]], [0, 0])
    50.0
    """
    right = correctness(logits, labels)
    if not right.size:
        raise DataError("accuracy: expected at least one example, got none")
    return 100 * float(right.mean())


def unlearn_accuracy(logits: ArrayLike, labels: ArrayLike) -> float:
    """UA in percent: 100 minus the accuracy on the forget examples, as SalUn and CoUn define it.

    logits ``[n, classes]``, labels ``[n]``. Contrastive Unlearning calls the accuracy itself by this name.

    >>> unlearn_accuracy([[2.0, 1.0], [0.0, 1.0], [0.0, 1.0], [0.0, 1.0]], [0, 0, 0, 0])
    75.0
    """
    return 100 - accuracy_percent(logits, labels)


def mia_efficacy_svc_confidence(
    retain: ArrayLike, test: ArrayLike, forget: ArrayLike, *, places: int | None = SVC_PLACES
) -> float:
    """MIA-efficacy of the l1-sparse, SalUn, CoUn lineage: the share of forget examples called non-members, in percent.

    retain, test, forget: probability of the true label on one model, ``[n]``, in stored order. A support vector
    classifier (C = 3, gamma = "auto", radial kernel) learns the first m retain examples as members from the first m
    test examples, where m is the smaller of the two counts; in the released code m is the number of test examples, and
    fewer retain examples are an error.

    places: confidences are rounded for the fit, and examples that then agree enter it as one with their number as
    weight, which is the same fit, many times faster; None rounds nothing. The kernel's width is 1, so that a
    thousandth changes nothing: forget confidences are not rounded. Raises DataError for no examples or no
    probabilities.
    """
    from sklearn.svm import SVC  # slow to import, and only studies need it

    members, others, judged = (
        _probabilities(name, values) for name, values in (("retain", retain), ("test", test), ("forget", forget))
    )
    size = min(len(members), len(others))
    known, known_weights = _merged(members[:size], places)
    unknown, unknown_weights = _merged(others[:size], places)
    member = np.repeat([1, 0], [len(known), len(unknown)])
    model = SVC(C=3, gamma="auto", kernel="rbf")
    weights = np.concatenate([known_weights, unknown_weights])
    model.fit(np.concatenate([known, unknown])[:, None], member, sample_weight=weights)
    return 100 * float(np.mean(model.predict(judged[:, None]) == 0))


def mia_accuracy_logistic_loss(forget: ArrayLike, test: ArrayLike, *, seed: int) -> float:
    """Accuracy of a logistic regression that separates forget from test examples by their loss, in percent; 50 is
    chance.

    forget, test: cross-entropy on one model, ``[n]``. Of the larger set as many examples as the smaller has are sampled
    by the seed; mean over 10 shuffled splits, a tenth held out each time. Losses are clipped to [-400, 400] as in
    SCRUB. Raises DataError for no losses, NotEstimable below 10 examples of either kind. Sources: the starting kit of
    the NeurIPS 2023 unlearning challenge; Kurmanji et al. 2023 (arXiv 2302.09880).
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedShuffleSplit, cross_val_score

    sides = [_numbers(name, values) for name, values in (("forget", forget), ("test", test))]
    size = min(len(side) for side in sides)
    if size < 10:
        raise NotEstimable(f"logistic MIA: expected at least 10 examples of either kind, got {size}; add examples")
    random = numpy_generator(seed, "logistic loss")
    sampled = [np.clip(random.choice(side, size, replace=False), -400, 400) for side in sides]
    splits = StratifiedShuffleSplit(n_splits=10, random_state=int(random.integers(2**31)))
    scores = cross_val_score(
        LogisticRegression(), np.concatenate(sampled)[:, None], np.repeat([1, 0], size), cv=splits, scoring="accuracy"
    )
    return 100 * float(scores.mean())


def mia_efficacy_logistic_entropy(retain: ArrayLike, test: ArrayLike, forget: ArrayLike) -> float:
    """Share of forget examples that a logistic regression on the output's entropy calls members, in percent.

    retain, test, forget: entropy on one model, ``[n]``. Members are retain, non-members test examples, weighted to be
    as many. In this lineage *lower* is read as better forgetting, which a retrain does not bear out: compare it with
    the retrain's. Source: Chundawat et al. 2023 (arXiv 2205.08096) and SSD (Foster et al. 2024, arXiv 2308.07707).
    """
    from sklearn.linear_model import LogisticRegression

    named = (("retain", retain), ("test", test), ("forget", forget))
    members, others, judged = (_numbers(name, values) for name, values in named)
    model = LogisticRegression(class_weight="balanced")
    model.fit(np.concatenate([members, others])[:, None], np.repeat([1, 0], [len(members), len(others)]))
    return 100 * float(np.mean(model.predict(judged[:, None]) == 1))


def average_gap(candidate: Sequence[float], retrain: Sequence[float]) -> float:
    """Avg. Gap: the mean absolute difference to Retrain over RA, UA, TA and MIA-efficacy, in percentage points.

    Papers give it the means over trials (a gap of means); noise does not cancel, so that a fresh retrain scores above
    zero. Raises DataError for lists of different lengths.

    >>> average_gap([100.0, 4.0, 94.0, 10.0], [100.0, 5.0, 95.0, 12.0])
    1.0
    """
    if len(candidate) != len(retrain) or not len(candidate):
        raise DataError(f"average gap: expected as many numbers on both sides, got {len(candidate)} and {len(retrain)}")
    return float(np.mean(np.abs(np.asarray(candidate, np.float64) - np.asarray(retrain, np.float64))))


def _numbers(name: str, values: ArrayLike) -> Float64[Array, " n"]:
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or not len(numbers):
        raise DataError(f"{name}: expected numbers [n] of at least one example, got {list(numbers.shape)}")
    no_nan(name, numbers)
    return numbers


def _probabilities(name: str, values: ArrayLike) -> Float64[Array, " n"]:
    p = _numbers(name, values)
    if p.min() < 0 or p.max() > 1:
        raise DataError(f"{name}: expected probabilities in [0, 1], got {p.min():g} to {p.max():g}")
    return p


def _merged(
    values: Float64[Array, " n"], places: int | None
) -> tuple[Float64[Array, " distinct"], Float64[Array, " distinct"]]:
    """Distinct values and how many examples have each; all of them, each once, when nothing is rounded."""
    if places is None:
        return values, np.ones(len(values))
    distinct, counts = np.unique(np.round(values, places), return_counts=True)
    return distinct, counts.astype(np.float64)
