"""Estimators of scikit-learn (and of libraries with the same methods) as predictors of logits."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from vestige.learners.arrays import Array, Floats, Labels
from vestige.learners.errors import DataError
from vestige.learners.files.untrusted import shown

METHODS = ("decision_function", "predict_log_proba", "predict_proba")

LEAST = -53 * np.log(2)
"""Log-probability in place of log 0: a probability of 2**-53, the smallest step below 1 of a float64."""

_MOST_CLASSES = 65_536


def is_estimator(model: object) -> bool:
    """Whether this has the methods of scikit-learn's estimators: ``fit``, and ``predict`` or the like."""
    return hasattr(model, "fit") and any(hasattr(model, name) for name in ("predict", "classes_", *METHODS))


@dataclass(frozen=True)
class EstimatorPredictor:
    """A fitted classifier.

    It calls ``decision_function`` where that has one number a class (or, for two classes, one in all, which becomes the
    columns 0 and d), because nothing of it is lost to rounding near probability 1; else ``predict_log_proba``, else the
    logarithm of ``predict_proba``. Log-probabilities are logits: their softmax is the
    probabilities. A probability of exactly 0 becomes ``LEAST``.

    ``classes_`` must be labels from 0. Columns are put in the order of the labels. A label that the estimator never saw
    gets a logit that is no higher than the row's lowest and has at most probability 2**-53.

    Inputs are handed over as they are; flattening images is a step of the user's own pipeline.
    """

    model: Any
    method: str
    labels: Labels
    classes: int
    preprocessing: Any = None

    @classmethod
    def of(cls, model: Any, preprocessing: Any, classes: int | None) -> "EstimatorPredictor":
        """Raises DataError for an estimator that is not fitted, has no scores for each class, or whose classes are not
        labels from 0."""
        name = type(model).__name__
        method = next((method for method in METHODS if _usable(model, method)), None)
        found = getattr(model, "classes_", None)
        if method is None or found is None:
            raise DataError(
                f"{name}: expected a fitted classifier with {', '.join(METHODS[:-1])} or {METHODS[-1]}, "
                f"got one without {'classes_' if found is None else 'them'}; fit it, or give a function"
            )
        labels = _labels(name, found)
        known = int(labels.max()) + 1
        if classes is not None and known > classes:
            raise DataError(
                f"{name}: expected labels below {classes}, its classes_ go up to {known - 1}; check the labels"
            )
        return cls(model, method, labels, known if classes is None else classes, preprocessing)

    def __call__(self, inputs: Array, /) -> Floats:
        x = inputs if self.preprocessing is None else self.preprocessing(inputs)
        with np.errstate(divide="ignore"):  # the logarithm of a probability of 0, see LEAST
            values = np.asarray(getattr(self.model, self.method)(x))
            if self.method == "predict_proba":
                values = np.log(values)
        if self.method == "decision_function" and values.ndim == 1 and len(self.labels) == 2:
            values = np.stack([np.zeros_like(values), values], 1)
        if values.ndim != 2 or values.shape[1] != len(self.labels):
            raise DataError(
                f"{type(self.model).__name__}.{self.method}: expected one column for each of its {len(self.labels)} "
                f"classes, got the shape {list(values.shape)}"
            )
        values = values.astype(np.float64)
        if self.method != "decision_function":
            values[values == -np.inf] = LEAST
        return self._by_label(values)

    def _by_label(self, values: Floats) -> Floats:
        if self.classes == len(self.labels):
            return values[:, np.argsort(self.labels)]
        top = values.max(1, keepdims=True)
        total = top + np.log(np.exp(values - top).sum(1, keepdims=True))
        logits = np.repeat(np.minimum(values.min(1, keepdims=True), total + LEAST), self.classes, axis=1)
        logits[:, self.labels] = values
        return logits


def _usable(model: Any, method: str) -> bool:
    """SVC with one-against-one shape has a column for each pair of classes, which says nothing about one class."""
    if not callable(getattr(model, method, None)):
        return False
    last = model
    while hasattr(last, "steps"):
        last = last.steps[-1][1]
    last = getattr(last, "best_estimator_", last)
    pairs = getattr(last, "decision_function_shape", None) == "ovo" and len(getattr(last, "classes_", ())) > 2
    return not (method == "decision_function" and pairs)


def _labels(name: str, classes: Any) -> Labels:
    values = np.asarray(classes) if not isinstance(classes, list) else np.asarray([])
    whole = values.dtype.kind in "iub" or (values.dtype.kind == "f" and bool((values == np.floor(values)).all()))
    if values.ndim != 1 or len(values) < 2 or not whole or values.min() < 0 or values.max() >= _MOST_CLASSES:
        raise DataError(
            f"{name}: expected classes_ as labels 0, 1, ... of at least 2 classes, got {shown(classes, 60)}; "
            "fit it on labels from 0 (sklearn.preprocessing.LabelEncoder)"
        )
    labels = values.astype(np.int64)
    if len(np.unique(labels)) != len(labels):
        raise DataError(f"{name}: expected each label once in classes_, got {shown(classes, 60)}")
    return labels
